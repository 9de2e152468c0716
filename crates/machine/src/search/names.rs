//! Finding files and folders by their name.

use std::path::Path;
use std::time::Duration;

use rustix::fs::AtFlags;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{DEPTH, Glob, SKIPPED, SearchError, check_length};
use crate::confine::Root;
use crate::files::Entry;
use crate::walk::{Patience, Sight, walk};

/// What to look for.
#[derive(Debug, Clone)]
pub struct NameQuery {
    /// With `*`, `?`, `[` or `{` a glob, otherwise a part of the name; never minding case. With a `/` it is compared with
    /// the relative path.
    pub pattern: String,
    /// The folder to look in; empty for the workspace.
    pub under: String,
    pub hidden: bool,
    /// Whether to show what .gitignore rules out.
    pub ignored: bool,
    pub limit: usize,
    pub time: Duration,
}

impl NameQuery {
    pub fn new(pattern: impl Into<String>) -> NameQuery {
        NameQuery {
            pattern: pattern.into(),
            under: String::new(),
            hidden: false,
            ignored: false,
            limit: 200,                    // more than a person reads, and than a model should
            time: Duration::from_secs(10), // a cold disk with a million files
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameResult {
    /// In the order of their paths.
    pub entries: Vec<Entry>,
    /// There may be more: a limit was reached, or the search was stopped.
    pub truncated: bool,
}

enum Wanted {
    Part { text: String, whole: bool },
    Glob(Glob),
}

impl Wanted {
    fn new(pattern: &str) -> Result<Wanted, SearchError> {
        check_length(pattern)?;
        if pattern.contains(['*', '?', '[', '{']) {
            return Glob::new(pattern).map(Wanted::Glob);
        }
        Ok(Wanted::Part { text: pattern.to_lowercase(), whole: pattern.contains('/') })
    }

    fn matches(&self, relative: &Path) -> bool {
        match self {
            Wanted::Glob(glob) => glob.matches(relative),
            Wanted::Part { text, whole } => {
                let compared = if *whole { Some(relative.as_os_str()) } else { relative.file_name() };
                compared.is_some_and(|name| name.to_string_lossy().to_lowercase().contains(text))
            }
        }
    }
}

/// Finds what has a name like `query` says.
pub fn names(root: &Root, query: &NameQuery, stop: &CancellationToken) -> Result<NameResult, SearchError> {
    let wanted = Wanted::new(&query.pattern)?;
    let under = root.resolve(&query.under)?;
    let patience = Patience::new(query.time, stop);
    let sight = Sight { hidden: query.hidden, ignored: query.ignored, depth: DEPTH };
    let mut result = NameResult { entries: Vec::new(), truncated: false };
    for entry in walk(root, &under, sight, SKIPPED) {
        if patience.is_over() {
            result.truncated = true;
            break;
        }
        // What cannot be read, or has gone meanwhile, is not found.
        let Ok(entry) = entry else { continue };
        let Ok(relative) = entry.path().strip_prefix(root.path()) else {
            continue;
        };
        if !entry.path().starts_with(under.absolute()) || entry.path() == under.absolute() || !wanted.matches(relative)
        {
            continue;
        }
        if result.entries.len() >= query.limit {
            result.truncated = true;
            break;
        }
        if let Ok(stat) = rustix::fs::statat(root.folder(), relative, AtFlags::SYMLINK_NOFOLLOW) {
            result.entries.push(Entry::new(relative, &stat));
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::PathError;

    fn workspace() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for file in
            ["src/Main.rs", "src/lib.rs", "doc/main.md", "target/main.o", ".git/main", ".env", "src/gen/main.rs"]
        {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        fs::write(dir.path().join(".gitignore"), "/target\ngen/\n").unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    fn found(root: &Root, query: &NameQuery) -> Vec<String> {
        let result = names(root, query, &CancellationToken::new()).unwrap();
        result.entries.into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn a_part_of_the_name_finds_it_whatever_the_case() {
        let (_dir, root) = workspace();
        assert_eq!(found(&root, &NameQuery::new("MAIN")), ["doc/main.md", "src/Main.rs"]);
        assert_eq!(found(&root, &NameQuery::new("rc/ma")), ["src/Main.rs"]);
        assert_eq!(found(&root, &NameQuery::new("src")), ["src"]);
    }

    #[test]
    fn a_glob_is_for_names_or_with_a_slash_for_paths() {
        let (_dir, root) = workspace();
        assert_eq!(found(&root, &NameQuery::new("*.rs")), ["src/Main.rs", "src/lib.rs"]);
        assert_eq!(found(&root, &NameQuery::new("src/*.{rs,md}")), ["src/Main.rs", "src/lib.rs"]);
        assert_eq!(found(&root, &NameQuery::new("**/main.*")), ["doc/main.md", "src/Main.rs"]);
    }

    #[test]
    fn ignored_and_hidden_files_are_found_when_asked_for() {
        let (_dir, root) = workspace();
        let ignored = NameQuery { ignored: true, ..NameQuery::new("main") };
        assert_eq!(found(&root, &ignored), ["doc/main.md", "src/Main.rs", "src/gen/main.rs", "target/main.o"]);
        let hidden = NameQuery { hidden: true, ..NameQuery::new("e") };
        assert!(found(&root, &hidden).contains(&".env".to_owned()));
        assert!(!found(&root, &hidden).iter().any(|path| path.starts_with(".git/")));
    }

    #[test]
    fn the_roots_ignore_rules_hold_below_it_too() {
        let (_dir, root) = workspace();
        let under = NameQuery { under: "src".into(), ..NameQuery::new("main") };
        assert_eq!(found(&root, &under), ["src/Main.rs"]);
    }

    #[test]
    fn limits_of_count_and_time_and_a_stop_are_told() {
        let (_dir, root) = workspace();
        let one = names(&root, &NameQuery { limit: 1, ..NameQuery::new("main") }, &CancellationToken::new()).unwrap();
        assert!(one.truncated && one.entries.len() == 1);
        let late = NameQuery { time: Duration::ZERO, ..NameQuery::new("main") };
        let late = names(&root, &late, &CancellationToken::new()).unwrap();
        assert!(late.truncated && late.entries.is_empty());
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(names(&root, &NameQuery::new("main"), &stop).unwrap().truncated);
    }

    #[test]
    fn bad_patterns_and_places_are_refused() {
        let (_dir, root) = workspace();
        let search = |query: NameQuery| names(&root, &query, &CancellationToken::new()).unwrap_err();
        assert!(matches!(search(NameQuery::new("[z")), SearchError::Pattern { .. }));
        assert!(matches!(search(NameQuery::new("a".repeat(PATTERN_TOO_LONG))), SearchError::Pattern { .. }));
        let outside = NameQuery { under: "..".into(), ..NameQuery::new("a") };
        assert!(matches!(search(outside), SearchError::Path(PathError::Outside { .. })));
    }

    const PATTERN_TOO_LONG: usize = super::super::PATTERN + 1;
}
