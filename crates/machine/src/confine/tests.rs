use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// A workspace `ws` with `a/b/f`, next to `ws-evil/f` and `out/f`.
fn workspace() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for file in ["ws/a/b/f", "ws-evil/f", "out/f"] {
        let file = dir.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    let root = Root::open(&dir.path().join("ws")).unwrap();
    (dir, root)
}

#[test]
fn what_is_inside_is_found_however_it_is_spelled() {
    let (dir, root) = workspace();
    let absolute = root.path().join("a/b/f");
    for path in ["a/b/f", "./a//b/./f", "a/x/../b/f", "a/b/f/", absolute.to_str().unwrap()] {
        assert_eq!(root.resolve(path).unwrap().shown(), "a/b/f", "{path}");
    }
    for path in ["", ".", "a/..", root.path().to_str().unwrap()] {
        assert!(root.resolve(path).unwrap().is_top(), "{path}");
    }
    let nick = dir.path().join("nick");
    symlink(root.path(), &nick).unwrap();
    let nicked = Root::open(&nick).unwrap();
    assert_eq!(nicked.resolve(nick.join("a").to_str().unwrap()).unwrap().shown(), "a");
}

#[test]
fn what_is_outside_is_refused_however_it_is_spelled() {
    let (dir, root) = workspace();
    let sibling = dir.path().join("ws-evil/f");
    let climbing = root.path().join("../ws-evil/f");
    for path in [
        "..",
        "../out/f",
        "a/../../out/f",
        "/",
        "/etc/passwd",
        "/a/b/f",
        "../ws-evil/f",
        sibling.to_str().unwrap(),
        climbing.to_str().unwrap(),
    ] {
        assert!(matches!(root.resolve(path), Err(PathError::Outside { .. })), "{path}");
        assert!(matches!(root.resolve_new(path), Err(PathError::Outside { .. })), "{path}");
        assert!(matches!(root.resolve_entry(path), Err(PathError::Outside { .. })), "{path}");
    }
}

#[test]
fn what_no_file_can_be_called_is_invalid() {
    let (_dir, root) = workspace();
    let long = "n".repeat(LONGEST_NAME + 1);
    let deep = "d/".repeat(DEEPEST + 1);
    let huge = "ab/".repeat(LONGEST_PATH);
    for path in ["a\0b", "\0", &long, &deep, &huge] {
        assert!(matches!(root.resolve(path), Err(PathError::Invalid { .. })));
        assert!(matches!(root.resolve_new(path), Err(PathError::Invalid { .. })));
    }
    let error = root.resolve(&huge).unwrap_err().to_string();
    assert!(error.len() < 300, "{error}");
    assert!(!root.resolve("a\0\n").unwrap_err().to_string().contains('\n'));
}

#[test]
fn a_link_may_stay_inside_and_must_not_lead_out() {
    let (dir, root) = workspace();
    symlink("a/b", root.path().join("near")).unwrap();
    symlink(root.path().join("a"), root.path().join("absolute")).unwrap();
    symlink("../out", root.path().join("away")).unwrap();
    symlink(dir.path().join("ws-evil/f"), root.path().join("evil")).unwrap();
    symlink("circle", root.path().join("circle")).unwrap();
    symlink("gone", root.path().join("dangling")).unwrap();
    symlink("../out/new", root.path().join("planted")).unwrap();

    assert_eq!(root.resolve("near/f").unwrap().shown(), "a/b/f");
    assert_eq!(root.resolve("absolute/b/f").unwrap().shown(), "a/b/f");
    assert_eq!(root.resolve_new("near/new/deep").unwrap().shown(), "a/b/new/deep");
    for path in ["away", "away/f", "evil"] {
        assert!(matches!(root.resolve(path), Err(PathError::Outside { .. })), "{path}");
        assert!(matches!(root.resolve_new(path), Err(PathError::Outside { .. })), "{path}");
    }
    assert!(matches!(root.resolve_new("away/new/deep"), Err(PathError::Outside { .. })));
    assert!(matches!(root.resolve("circle"), Err(PathError::Invalid { .. })));
    for path in ["dangling", "dangling/x", "planted", "planted/x"] {
        assert!(matches!(root.resolve(path), Err(PathError::NotFound { .. })), "{path}");
        assert!(matches!(root.resolve_new(path), Err(PathError::Invalid { .. })), "{path}");
    }
}

#[test]
fn an_entry_is_the_link_itself() {
    let (_dir, root) = workspace();
    symlink("../out/f", root.path().join("away")).unwrap();
    assert_eq!(root.resolve_entry("away").unwrap().shown(), "away");
    assert!(matches!(root.resolve_entry("nothing"), Err(PathError::NotFound { .. })));
    symlink("../out", root.path().join("folder")).unwrap();
    assert!(matches!(root.resolve_entry("folder/f"), Err(PathError::Outside { .. })));
}

#[test]
fn a_link_swapped_in_between_check_and_use_is_refused() {
    let (dir, root) = workspace();
    let file = root.resolve("a/b/f").unwrap();
    let folder = root.resolve("a/b").unwrap();
    let new = root.resolve_new("a/b/new").unwrap();
    fs::rename(root.path().join("a/b"), root.path().join("a/was")).unwrap();
    symlink(dir.path().join("out"), root.path().join("a/b")).unwrap();
    assert!(matches!(file.open_file(), Err(PathError::Outside { .. })));
    assert!(folder.open_folder().is_err());
    assert!(matches!(new.stat(), Err(PathError::Outside { .. })));

    let last = root.resolve("a/was/f").unwrap();
    fs::remove_file(root.path().join("a/was/f")).unwrap();
    symlink(dir.path().join("out/f"), root.path().join("a/was/f")).unwrap();
    assert!(matches!(last.open_file(), Err(PathError::Outside { .. })));
}

#[test]
fn a_workspace_replaced_by_a_link_is_still_the_old_one() {
    let (dir, root) = workspace();
    let file = root.resolve("a/b/f").unwrap();
    fs::rename(dir.path().join("ws"), dir.path().join("moved")).unwrap();
    symlink(dir.path().join("out"), dir.path().join("ws")).unwrap();
    file.open_file().unwrap();
    assert!(matches!(root.resolve("f"), Err(PathError::Outside { .. })));
}

#[test]
fn pipes_and_folders_are_not_files_and_nobody_waits_for_them() {
    let (_dir, root) = workspace();
    let pipe = root.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
    assert!(matches!(root.resolve("pipe").unwrap().open_file(), Err(PathError::NotAFile { .. })));
    assert!(matches!(root.resolve("a").unwrap().open_file(), Err(PathError::NotAFile { .. })));
    assert!(matches!(root.resolve("a/b/f").unwrap().open_folder(), Err(PathError::NotADirectory { .. })));
    assert!(matches!(root.resolve("a/b/f/x"), Err(PathError::NotADirectory { .. })));
    assert!(root.resolve("a").unwrap().is_folder().unwrap());
    assert!(!root.resolve("a/b/f").unwrap().is_folder().unwrap());
}

#[test]
fn a_root_must_be_a_folder() {
    let (dir, _root) = workspace();
    assert!(matches!(Root::open(&dir.path().join("none")), Err(PathError::NotFound { .. })));
    assert!(matches!(Root::open(&dir.path().join("out/f")), Err(PathError::NotADirectory { .. })));
}

proptest! {
    #[test]
    fn no_spelling_leaves_the_root(parts in prop::collection::vec("(\\.|\\.\\.|/|a|b|f|away|near|ws|\\PC{0,4})", 0..12)) {
        let (_dir, root) = workspace();
        symlink("../out", root.path().join("away")).unwrap();
        symlink("a/b", root.path().join("near")).unwrap();
        let path = parts.join("/");
        for found in [root.resolve(&path), root.resolve_new(&path), root.resolve_entry(&path)].into_iter().flatten() {
            prop_assert!(found.absolute().starts_with(root.path()));
            prop_assert!(found.relative().components().all(|c| matches!(c, Component::Normal(_))));
        }
    }
}
