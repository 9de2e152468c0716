use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

use super::*;

fn workspace(files: &[&str]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        put(dir.path(), file, "before");
    }
    let root = Root::open(dir.path()).unwrap();
    (dir, root)
}

fn put(dir: &Path, file: &str, content: &str) {
    let file = dir.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

fn look(root: &Root, limits: &ScanLimits) -> Snapshot {
    Snapshot::take(root, limits, &CancellationToken::new())
}

/// What a scan around `tool` finds.
fn scan(root: &Root, limits: &ScanLimits, tool: impl FnOnce(&Path)) -> Changes {
    let before = look(root, limits);
    tool(root.path());
    look(root, limits).changes_since(&before, root)
}

fn later(file: &Path) {
    File::options().append(true).open(file).unwrap().set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
}

#[test]
fn created_modified_and_deleted_files_are_told_apart() {
    let (_dir, root) = workspace(&["same", "change/me", "touch", "delete", "replace"]);
    let changes = scan(&root, &ScanLimits::default(), |dir| {
        put(dir, "change/me", "longer than before");
        later(&dir.join("touch"));
        fs::remove_file(dir.join("delete")).unwrap();
        put(dir, "new/file", "");
        put(dir, "new/.hidden", "");
        // The same size and, by chance, the same time: the inode tells.
        let old = fs::metadata(dir.join("replace")).unwrap().modified().unwrap();
        put(dir, "other", "behind");
        File::options().append(true).open(dir.join("other")).unwrap().set_modified(old).unwrap();
        fs::rename(dir.join("other"), dir.join("replace")).unwrap();
        symlink("same", dir.join("link")).unwrap();
    });
    assert_eq!(changes.created, ["new/.hidden", "new/file"]);
    assert_eq!(changes.modified, ["change/me", "replace", "touch"]);
    assert_eq!(changes.deleted, ["delete"]);
    assert!(!changes.truncated);
}

#[test]
fn nothing_done_is_nothing_found() {
    let (_dir, root) = workspace(&["a", "b/c"]);
    assert_eq!(scan(&root, &ScanLimits::default(), |_| ()), Changes::default());
}

#[test]
fn what_tools_make_for_themselves_is_left_out() {
    let (_dir, root) = workspace(&["src/a"]);
    let changes = scan(&root, &ScanLimits::default(), |dir| {
        for file in ["node_modules/x/i.js", "target/debug/a", ".git/index", "a/dist/b", ".venv/l", ".rejoin-00.tmp"] {
            put(dir, file, "");
        }
    });
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_file_that_is_ignored_from_now_on_is_not_deleted() {
    let (_dir, root) = workspace(&["gen/a", "gen/b"]);
    let changes = scan(&root, &ScanLimits::default(), |dir| {
        put(dir, ".gitignore", "gen\n");
        fs::remove_file(dir.join("gen/b")).unwrap();
    });
    assert_eq!(changes.created, [".gitignore"]);
    assert_eq!(changes.deleted, ["gen/b"]);
}

#[test]
fn with_hashes_a_touch_is_no_change_and_a_restored_time_hides_none() {
    let (_dir, root) = workspace(&["touch", "sly"]);
    let limits = ScanLimits { hash: Some(1_000), ..ScanLimits::default() };
    let changes = scan(&root, &limits, |dir| {
        later(&dir.join("touch"));
        let time = fs::metadata(dir.join("sly")).unwrap().modified().unwrap();
        put(dir, "sly", "behind");
        File::options().append(true).open(dir.join("sly")).unwrap().set_modified(time).unwrap();
    });
    assert_eq!(changes.modified, ["sly"]);
}

#[test]
fn a_limit_never_makes_a_file_appear_or_vanish() {
    let (_dir, root) = workspace(&["b", "c", "d", "e"]);
    let limits = ScanLimits { files: 3, ..ScanLimits::default() };
    // A new file in front pushes `d` out of the second look: it is not deleted.
    let changes = scan(&root, &limits, |dir| put(dir, "a", ""));
    assert_eq!((changes.created, changes.deleted), (vec!["a".to_owned()], vec![]));
    assert!(changes.truncated);
    // One fewer in front lets `d` into the second look: it is not created.
    let changes = scan(&root, &limits, |dir| fs::remove_file(dir.join("a")).unwrap());
    assert_eq!((changes.created, changes.deleted), (vec![], vec!["a".to_owned()]));
}

#[test]
fn the_walk_goes_in_the_order_in_which_paths_sort() {
    let (_dir, root) = workspace(&["a/b", "a-b", "a.b", "a/c/d", "a0", "Z", "é/x", "a/b-c"]);
    for files in 0..9 {
        let all = look(&root, &ScanLimits::default());
        let part = look(&root, &ScanLimits { files, ..ScanLimits::default() });
        let expected: Vec<_> = all.files.keys().take(files).collect();
        assert_eq!(part.files.keys().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn limits_of_depth_and_time_are_told() {
    let (_dir, root) = workspace(&["a", "b/c/d"]);
    let flat = look(&root, &ScanLimits { depth: 1, ..ScanLimits::default() });
    assert!(flat.is_truncated() && flat.len() == 1);
    let late = look(&root, &ScanLimits { time: Duration::ZERO, ..ScanLimits::default() });
    assert!(late.is_truncated() && late.is_empty());
}
