use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn workspace(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let file = dir.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    let root = Root::open(dir.path()).unwrap();
    (dir, root)
}

fn search(root: &Root, query: &ContentQuery) -> ContentResult {
    contents(root, query, &CancellationToken::new()).unwrap()
}

fn places(result: &ContentResult) -> Vec<String> {
    result.matches.iter().map(|hit| format!("{}:{}:{}", hit.path, hit.line, hit.column)).collect()
}

#[test]
fn text_and_regexes_find_their_lines() {
    let (_dir, root) = workspace(&[("a.rs", "one\nfn a.b(x)\n"), ("s/b.md", "a_b\r\nFN axb\n")]);
    let text = search(&root, &ContentQuery::new("a.b"));
    assert_eq!(places(&text), ["a.rs:2:4"]);
    assert_eq!(text.matches[0].text, "fn a.b(x)");
    let regex = ContentQuery { regex: true, ..ContentQuery::new("a.b$") };
    assert_eq!(places(&search(&root, &regex)), ["s/b.md:2:4"]);
    let case = ContentQuery { ignore_case: true, ..ContentQuery::new("fn") };
    assert_eq!(places(&search(&root, &case)), ["a.rs:2:1", "s/b.md:2:1"]);
    let only = ContentQuery { only: Some("*.md".into()), ..case.clone() };
    assert_eq!(places(&search(&root, &only)), ["s/b.md:2:1"]);
    let file = ContentQuery { under: "a.rs".into(), ..case };
    assert_eq!(places(&search(&root, &file)), ["a.rs:2:1"]);
}

#[test]
fn ignored_hidden_binary_and_linked_files_are_passed_over() {
    let (dir, root) = workspace(&[
        (".gitignore", "gen\n"),
        ("gen/a", "needle"),
        (".env", "needle"),
        ("bin", "\0\0needle"),
        ("ok", "needle"),
    ]);
    symlink("ok", dir.path().join("link")).unwrap();
    symlink("/etc", dir.path().join("etc")).unwrap();
    assert_eq!(places(&search(&root, &ContentQuery::new("needle"))), ["ok:1:1"]);
    let all = ContentQuery { ignored: true, hidden: true, ..ContentQuery::new("needle") };
    assert_eq!(places(&search(&root, &all)), [".env:1:1", "gen/a:1:1", "ok:1:1"]);
}

#[test]
fn limits_of_lines_bytes_and_time_are_told() {
    let many = "needle\n".repeat(100);
    let (_dir, root) = workspace(&[("a", &many), ("b", &many)]);
    let query = ContentQuery::new("needle");
    let per_file = search(&root, &ContentQuery { per_file: 3, ..query.clone() });
    assert!(per_file.truncated && per_file.matches.len() == 6);
    let limit = search(&root, &ContentQuery { limit: 40, ..query.clone() });
    assert!(limit.truncated && limit.matches.len() == 40);
    let bytes = search(&root, &ContentQuery { bytes: 70, ..query.clone() });
    assert!(bytes.truncated && bytes.matches.len() == 10);
    assert!(search(&root, &ContentQuery { time: Duration::ZERO, ..query.clone() }).truncated);
    let exact = ContentQuery { limit: 200, per_file: 100, ..query };
    let exact = search(&root, &exact);
    assert!(!exact.truncated && exact.matches.len() == 200);
}

#[test]
fn a_long_line_is_cut_around_its_match() {
    let line = format!("{}néedle{}", "é".repeat(5_000), "ü".repeat(5_000));
    let (_dir, root) = workspace(&[("a", &line)]);
    let query = ContentQuery { line: 101, ..ContentQuery::new("néedle") };
    let hit = &search(&root, &query).matches[0];
    assert!(hit.cut && hit.text.len() <= 101 && hit.text.contains("néedle"), "{hit:?}");
    assert!(!hit.text.contains('\u{fffd}'));
    assert_eq!(hit.column, 10_001);
}

#[test]
fn a_line_beyond_memory_costs_its_file_and_no_more() {
    let line = "x".repeat(3 * LINE_MEMORY);
    let (_dir, root) = workspace(&[("a", &line), ("b", "needle")]);
    let result = search(&root, &ContentQuery::new("needle"));
    assert_eq!(places(&result), ["b:1:1"]);
    assert!(result.truncated);
}

#[test]
fn bad_patterns_are_refused() {
    let (_dir, root) = workspace(&[]);
    for (pattern, regex) in [("", false), ("(", true), ("a\nb", false), ("((a{1000}){1000}){1000}", true)] {
        let query = ContentQuery { regex, ..ContentQuery::new(pattern) };
        let refused = contents(&root, &query, &CancellationToken::new());
        assert!(matches!(refused, Err(SearchError::Pattern { .. })), "{pattern}");
    }
}

#[test]
fn any_window_holds_the_beginning_of_its_match() {
    let line = "aé€😀".repeat(40);
    for start in (0..line.len()).filter(|at| line.is_char_boundary(*at)) {
        for limit in 8..60 {
            let (text, cut) = window(line.as_bytes(), start, limit);
            let letter = line[start..].chars().next().unwrap();
            assert!(cut && text.len() <= limit && !text.contains('\u{fffd}') && text.contains(letter));
        }
    }
}
