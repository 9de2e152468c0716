//! What is in a folder, and in the folders below it.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use serde::Serialize;

use crate::confine::{Confined, Root};
use crate::path_error::PathError;

/// Levels below the listed folder that one listing may show.
pub const DEEPEST_LISTING: usize = 10;
/// Entries of one listing, unless the caller says otherwise: what a client can show at all.
const ENTRIES: usize = 5_000;
/// Names read from one folder. Sorting needs them all at once, and a cache folder may hold millions.
const NAMES: usize = 50_000;

/// What to list.
#[derive(Debug, Clone)]
pub struct List {
    /// 1 shows the folder's own entries; taken as the nearest of 1 to [`DEEPEST_LISTING`].
    pub depth: usize,
    pub limit: usize,
    /// Whether names that begin with a dot are shown, and looked into.
    pub hidden: bool,
}

impl Default for List {
    fn default() -> List {
        List { depth: 1, limit: ENTRIES, hidden: true }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The nearest levels first; within a folder, folders first, then by name.
    pub entries: Vec<Entry>,
    /// There was more than a limit let through.
    pub truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub name: String,
    /// Relative to the workspace.
    pub path: String,
    pub kind: Kind,
    pub size: u64,
    pub modified_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    File,
    Folder,
    /// A symbolic link; it is shown and never followed.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

impl Kind {
    fn of(kind: FileType) -> Kind {
        match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        }
    }
}

impl Entry {
    pub(crate) fn new(relative: &Path, stat: &Stat) -> Entry {
        let name = relative.file_name().unwrap_or_default();
        Entry {
            name: name.to_string_lossy().into_owned(),
            path: relative.to_string_lossy().into_owned(),
            kind: Kind::of(FileType::from_raw_mode(stat.st_mode)),
            size: super::size(stat),
            modified_ms: super::modified_ms(stat),
        }
    }
}

/// Lists the folder `path`.
pub fn list(root: &Root, path: &str, wanted: &List) -> Result<Listing, PathError> {
    let top = root.resolve(path)?;
    let depth = wanted.depth.clamp(1, DEEPEST_LISTING);
    let mut listing = Listing { entries: Vec::new(), truncated: false };
    let mut folders = VecDeque::from([(top.clone(), 1)]);
    while let Some((folder, level)) = folders.pop_front() {
        let below = match list_one(&folder, wanted, &mut listing) {
            Ok(below) => below,
            Err(error) if level == 1 => return Err(error),
            // One that has gone or is closed to us meanwhile does not spoil the rest.
            Err(_) => continue,
        };
        if level < depth {
            folders.extend(below.into_iter().filter_map(|path| Some((root.found(&path)?, level + 1))));
        }
    }
    Ok(listing)
}

/// Adds one folder's entries to the listing and returns the folders among them.
fn list_one(folder: &Confined, wanted: &List, listing: &mut Listing) -> Result<Vec<PathBuf>, PathError> {
    let failed = |error| PathError::io(&folder.shown(), "listing the folder", error);
    let handle = folder.open_folder()?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&handle).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || (!wanted.hidden && name.starts_with(b".")) {
            continue;
        }
        if names.len() == NAMES {
            listing.truncated = true;
            break;
        }
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            // Some file systems do not say it in passing.
            kind = rustix::fs::statat(&handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode));
        }
        names.push((kind == FileType::Directory, OsString::from_vec(name.to_vec())));
    }
    names.sort_by_cached_key(|(folder, name)| (Reverse(*folder), name.to_string_lossy().to_lowercase(), name.clone()));

    let mut below = Vec::new();
    for (is_folder, name) in names {
        if listing.entries.len() >= wanted.limit {
            listing.truncated = true;
            break;
        }
        // It may have gone since we read its name.
        let Ok(stat) = rustix::fs::statat(&handle, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let relative = folder.relative().join(&name);
        listing.entries.push(Entry::new(&relative, &stat));
        if is_folder {
            below.push(folder.absolute().join(&name));
        }
    }
    Ok(below)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn workspace() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b.txt", "A.txt", "z/deep/er.txt", "y/n.txt", ".env", ".git/config"] {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "four").unwrap();
        }
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    fn paths(listing: &Listing) -> Vec<&str> {
        listing.entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn folders_come_first_and_then_names_whatever_their_case() {
        let (_dir, root) = workspace();
        let listing = list(&root, "", &List::default()).unwrap();
        assert_eq!(paths(&listing), [".git", "y", "z", ".env", "A.txt", "b.txt"]);
        let file = &listing.entries[4];
        assert_eq!((file.kind, file.size, file.name.as_str()), (Kind::File, 4, "A.txt"));
        assert!(file.modified_ms > 1_600_000_000_000);
        assert!(!listing.truncated);
    }

    #[test]
    fn depth_and_hidden_decide_what_is_shown() {
        let (_dir, root) = workspace();
        let wanted = List { depth: 2, hidden: false, ..List::default() };
        let listing = list(&root, ".", &wanted).unwrap();
        assert_eq!(paths(&listing), ["y", "z", "A.txt", "b.txt", "y/n.txt", "z/deep"]);
        let all = list(&root, "z", &List { depth: 99, ..wanted }).unwrap();
        assert_eq!(paths(&all), ["z/deep", "z/deep/er.txt"]);
    }

    #[test]
    fn a_limit_cuts_and_says_so() {
        let (_dir, root) = workspace();
        for limit in 0..6 {
            let listing = list(&root, "", &List { limit, depth: 3, ..List::default() }).unwrap();
            assert_eq!(listing.entries.len(), limit);
            assert!(listing.truncated);
        }
    }

    #[test]
    fn links_are_shown_and_not_followed() {
        let (_dir, root) = workspace();
        symlink("..", root.path().join("up")).unwrap();
        let listing = list(&root, "", &List { depth: 10, ..List::default() }).unwrap();
        let link = listing.entries.iter().find(|entry| entry.name == "up").unwrap();
        assert_eq!(link.kind, Kind::Link);
        assert!(!paths(&listing).iter().any(|path| path.starts_with("up/")));
        assert!(matches!(list(&root, "up", &List::default()), Err(PathError::Outside { .. })));
    }

    #[test]
    fn only_folders_are_listed() {
        let (_dir, root) = workspace();
        assert!(matches!(list(&root, "b.txt", &List::default()), Err(PathError::NotADirectory { .. })));
        assert!(matches!(list(&root, "none", &List::default()), Err(PathError::NotFound { .. })));
    }
}
