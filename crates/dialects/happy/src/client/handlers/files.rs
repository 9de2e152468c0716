//! Files of a place. A path that leads out of it is refused, also through a link.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rejoin_machine::files::{self, Entry, Expect, Kind, List, WriteError};
use rejoin_machine::{ContentHash, PathError};

use super::{Place, said};
use crate::payload::{
    EntryKind, FileEntry, GetDirectoryTree, ListDirectory, ListedDirectory, ReadFile, ReadFileDone, TreeDone, TreeNode,
    WriteFile, WriteFileDone,
};

/// Bytes of a file that is read: more would fit into no packet.
const LARGEST: u64 = 16 << 20;

pub(super) fn read(place: &Place, params: &ReadFile) -> ReadFileDone {
    let read = || {
        let (root, path) = place.root(&params.path)?;
        let content = files::read(&root, &path, LARGEST).map_err(|error| said(&params.path, &error))?;
        Ok(BASE64_STANDARD.encode(content.body.bytes()))
    };
    match read() {
        Ok(content) => ReadFileDone { success: true, content: Some(content), error: None },
        Err(error) => ReadFileDone { success: false, content: None, error: Some(error) },
    }
}

pub(super) fn write(place: &Place, params: &WriteFile) -> WriteFileDone {
    let write = || {
        let (root, path) = place.root(&params.path)?;
        let content = BASE64_STANDARD.decode(&params.content).map_err(|_| "The content is not base64".to_owned())?;
        let expect = match params.expected_hash.as_deref() {
            None => Expect::New,
            // What is no hash is the hash of nothing.
            Some(hash) => Expect::Was(hash.parse().unwrap_or_else(|_| ContentHash::of(b"no content"))),
        };
        let written = files::write(&root, &path, &content, expect).map_err(|error| unwritten(params, &error))?;
        Ok(written.hash.hex())
    };
    match write() {
        Ok(hash) => WriteFileDone { success: true, hash: Some(hash), error: None },
        Err(error) => WriteFileDone { success: false, hash: None, error: Some(error) },
    }
}

pub(super) fn list(place: &Place, params: &ListDirectory) -> ListedDirectory {
    let list = || {
        let (root, path) = place.root(&params.path)?;
        files::list(&root, &path, &List::default()).map_err(|error| said(&params.path, &error))
    };
    match list() {
        Ok(listing) => {
            let entries = listing.entries.iter().map(entry).collect();
            ListedDirectory { success: true, entries: Some(entries), error: None }
        }
        Err(error) => ListedDirectory { success: false, entries: None, error: Some(error) },
    }
}

pub(super) fn tree(place: &Place, params: &GetDirectoryTree) -> TreeDone {
    let tree = || {
        let Ok(depth) = usize::try_from(params.max_depth) else {
            return Err("maxDepth must be non-negative".to_owned());
        };
        let (root, path) = place.root(&params.path)?;
        let said = |error: PathError| said(&params.path, &error);
        let top = root.resolve(&path).map_err(said)?;
        let listed = match depth {
            0 => Vec::new(),
            depth => files::list(&root, &path, &List { depth, ..List::default() }).map_err(said)?.entries,
        };
        let mut below: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in listed {
            let parent = Path::new(&entry.path).parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
            below.entry(parent).or_default().push(entry);
        }
        let name = top.absolute().file_name().map_or("/".into(), |name| name.to_string_lossy().into_owned());
        let kind = if top.absolute().is_dir() { EntryKind::Directory } else { EntryKind::File };
        let has_below = kind == EntryKind::Directory && depth > 0;
        let children = has_below.then(|| children(&mut below, &top.shown(), &params.path));
        Ok(TreeNode { name, path: params.path.clone(), kind, size: None, modified: None, children })
    };
    match tree() {
        Ok(tree) => TreeDone { success: true, tree: Some(tree), error: None },
        Err(error) => TreeDone { success: false, tree: None, error: Some(error) },
    }
}

/// The nodes of one folder. How deep this goes is bounded by how deep a listing goes.
fn children(below: &mut HashMap<String, Vec<Entry>>, folder: &str, shown: &str) -> Vec<TreeNode> {
    let entries = below.remove(folder).unwrap_or_default();
    let node = |entry: Entry| {
        let path = format!("{}/{}", shown.trim_end_matches('/'), entry.name);
        let FileEntry { name, kind, size, modified } = self::entry(&entry);
        let children = below.contains_key(&entry.path).then(|| children(below, &entry.path, &path));
        TreeNode { name, path, kind, size, modified, children }
    };
    entries.into_iter().filter(|entry| entry.kind != Kind::Link).map(node).collect()
}

fn entry(entry: &Entry) -> FileEntry {
    let kind = match entry.kind {
        Kind::File => EntryKind::File,
        Kind::Folder => EntryKind::Directory,
        Kind::Link | Kind::Other => EntryKind::Other,
    };
    let modified = u64::try_from(entry.modified_ms).ok();
    FileEntry { name: entry.name.clone(), kind, size: Some(entry.size), modified }
}

fn unwritten(params: &WriteFile, error: &WriteError) -> String {
    match error {
        WriteError::Exists { .. } => "File already exists but was expected to be new".to_owned(),
        WriteError::Changed { actual, .. } => {
            let expected = params.expected_hash.as_deref().unwrap_or_default();
            format!("File hash mismatch. Expected: {expected}, Actual: {actual}")
        }
        WriteError::Path(PathError::NotFound { .. }) if params.expected_hash.is_some() => {
            "File does not exist but hash was provided".to_owned()
        }
        WriteError::Path(error) => said(&params.path, error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A folder with another beside it.
    fn place() -> (PathBuf, Place) {
        let folder = std::env::temp_dir().join(format!("rejoin-files-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(folder.join("in/deep")).unwrap();
        fs::create_dir_all(folder.join("out")).unwrap();
        fs::write(folder.join("in/deep/a.txt"), "four").unwrap();
        fs::write(folder.join("in/b.txt"), "b").unwrap();
        let place = Place::within(folder.join("in").to_str().unwrap()).unwrap();
        (folder, place)
    }

    fn content(text: &str) -> String {
        BASE64_STANDARD.encode(text)
    }

    #[test]
    fn a_file_is_written_by_whoever_knows_what_it_was() {
        let (folder, place) = place();
        let write = |text: &str, expected: Option<&str>| {
            let expected_hash = expected.map(str::to_owned);
            write(&place, &WriteFile { path: "new.txt".into(), content: content(text), expected_hash })
        };
        let missing = write("one", Some(&"0".repeat(64)));
        assert_eq!(missing.error.as_deref(), Some("File does not exist but hash was provided"));
        let first = write("one", None);
        assert_eq!(first.hash, Some(ContentHash::of(b"one").hex()));
        let again = write("two", None);
        assert_eq!(again.error.as_deref(), Some("File already exists but was expected to be new"));
        let wrong = write("two", Some("no hash"));
        let actual = ContentHash::of(b"one");
        assert_eq!(wrong.error, Some(format!("File hash mismatch. Expected: no hash, Actual: {actual}")));
        assert!(write("two", first.hash.as_deref()).success);
        let read = read(&place, &ReadFile { path: folder.join("in/new.txt").to_str().unwrap().into() });
        assert_eq!(read.content, Some(content("two")));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_path_that_leads_out_is_refused_in_the_words_that_apps_know() {
        let (folder, place) = place();
        let outside = folder.join("out").to_str().unwrap().to_owned();
        for path in ["../out", "deep/../../out", &outside, "/etc/passwd"] {
            let text = format!("Access denied: Path '{path}' is outside the working directory");
            assert_eq!(read(&place, &ReadFile { path: path.into() }).error, Some(text.clone()));
            assert_eq!(list(&place, &ListDirectory { path: path.into() }).error, Some(text.clone()));
            let new = WriteFile { path: path.into(), content: String::new(), expected_hash: None };
            assert_eq!(write(&place, &new).error, Some(text.clone()));
            let tree = tree(&place, &GetDirectoryTree { path: path.into(), max_depth: 1 });
            assert_eq!(tree.error, Some(text));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_machine_has_no_outside() {
        let (folder, _) = place();
        let place = Place::machine(folder.join("in"));
        let read = |path: &str| read(&place, &ReadFile { path: path.into() }).success;
        fs::write(folder.join("out/c.txt"), "c").unwrap();
        assert!(read("b.txt") && read("../out/c.txt") && read(folder.join("out/c.txt").to_str().unwrap()));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn folders_come_first_and_trees_end_where_they_should() {
        let (folder, place) = place();
        std::os::unix::fs::symlink(folder.join("out"), folder.join("in/link")).unwrap();
        let listed = list(&place, &ListDirectory { path: ".".into() }).entries.unwrap();
        let kinds: Vec<_> = listed.iter().map(|entry| (&*entry.name, entry.kind)).collect();
        assert_eq!(kinds, [("deep", EntryKind::Directory), ("b.txt", EntryKind::File), ("link", EntryKind::Other)]);

        let tree = |max_depth| tree(&place, &GetDirectoryTree { path: ".".into(), max_depth });
        assert_eq!(tree(-1).error.as_deref(), Some("maxDepth must be non-negative"));
        assert_eq!(tree(0).tree.unwrap().children, None);
        let shallow = tree(1).tree.unwrap().children.unwrap();
        let names: Vec<_> = shallow.iter().map(|node| (&*node.name, &*node.path)).collect();
        assert_eq!(names, [("deep", "./deep"), ("b.txt", "./b.txt")], "links are left out");
        assert_eq!(shallow[0].children, None);
        let deep = tree(2).tree.unwrap().children.unwrap().remove(0);
        let file = &deep.children.unwrap()[0];
        assert_eq!((&*file.path, file.size), ("./deep/a.txt", Some(4)));
        fs::remove_dir_all(folder).unwrap();
    }
}
