//! Finding what a tool has changed behind our back: a look at the workspace before, a look after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::confine::Root;
use crate::hash::ContentHash;
use crate::walk::{Patience, Sight, walk};

/// Folders that hold what tools make and no person edits.
const SKIPPED: &[&str] = &[
    ".cache",
    ".git",
    ".gradle",
    ".hg",
    ".mypy_cache",
    ".next",
    ".pytest_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
    "target",
    "venv",
];

/// How far a scan goes. Both looks of one scan must have the same.
#[derive(Debug, Clone)]
pub struct ScanLimits {
    /// Files noted. One takes some 150 bytes, and two looks exist at a time.
    pub files: usize,
    pub depth: usize,
    pub time: Duration,
    /// Files up to this size are hashed, which tells a touch from a change and sees a change that put the time back;
    /// without it a look costs one stat a file.
    pub hash: Option<u64>,
}

impl Default for ScanLimits {
    fn default() -> ScanLimits {
        ScanLimits { files: 50_000, depth: 32, time: Duration::from_secs(5), hash: None }
    }
}

/// One look at the files of a workspace.
#[derive(Debug, Clone)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Stamp>,
    /// Where a limit ended the look. What comes behind it was not seen, which does not mean that it is not there.
    ended_at: Option<PathBuf>,
    /// Folders deeper than the limit were left out, equally in every look.
    too_deep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified_ns: i128,
    inode: u64,
    hash: Option<ContentHash>,
}

/// Relative paths, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub created: Vec<String>,
    pub modified: Vec<String>,
    pub deleted: Vec<String>,
    /// There may be more: a limit ended one of the looks.
    pub truncated: bool,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.modified.is_empty() && self.deleted.is_empty()
    }
}

impl Snapshot {
    /// Looks at every regular file that no ignore rule leaves out.
    pub fn take(root: &Root, limits: &ScanLimits, stop: &CancellationToken) -> Snapshot {
        let patience = Patience::new(limits.time, stop);
        let sight = Sight { hidden: true, ignored: false, depth: limits.depth };
        let mut look = Snapshot { files: BTreeMap::new(), ended_at: None, too_deep: false };
        // Errors are entries that vanish as we come by, or that we may not read: not ours to report.
        for entry in walk(root, &root.top(), sight, SKIPPED).flatten() {
            let Ok(relative) = entry.path().strip_prefix(root.path()) else {
                continue;
            };
            if look.files.len() >= limits.files || patience.is_over() {
                look.ended_at = Some(relative.to_path_buf());
                break;
            }
            match entry.file_type() {
                Some(kind) if kind.is_file() => {}
                Some(kind) if kind.is_dir() => {
                    look.too_deep |= entry.depth() == limits.depth;
                    continue;
                }
                _ => continue,
            }
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let hash = limits.hash.filter(|most| metadata.len() <= *most).and_then(|_| hash(root, entry.path()));
            look.files.insert(relative.to_path_buf(), Stamp::new(&metadata, hash));
        }
        look
    }

    /// Whether a limit ended this look early.
    pub fn is_truncated(&self) -> bool {
        self.ended_at.is_some() || self.too_deep
    }

    /// How many files it saw.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What has happened since `before`. Only what both looks could see is compared.
    pub fn changes_since(&self, before: &Snapshot, root: &Root) -> Changes {
        let mut changes = Changes { truncated: self.is_truncated() || before.is_truncated(), ..Changes::default() };
        // Paths are walked in the order in which they sort, so that one look ends before the other, not beside it.
        let seen = |path: &Path| {
            let ended = [&self.ended_at, &before.ended_at];
            ended.into_iter().flatten().all(|end| path < end.as_path())
        };
        for (path, stamp) in &self.files {
            let list = match before.files.get(path) {
                None if seen(path) => &mut changes.created,
                Some(old) if !stamp.is_same_content(old) => &mut changes.modified,
                _ => continue,
            };
            list.push(path.to_string_lossy().into_owned());
        }
        for path in before.files.keys().filter(|path| !self.files.contains_key(*path) && seen(path)) {
            // A tool may have changed .gitignore: out of sight is not deleted.
            if fs::symlink_metadata(root.path().join(path)).is_err() {
                changes.deleted.push(path.to_string_lossy().into_owned());
            }
        }
        changes
    }
}

impl Stamp {
    fn new(metadata: &fs::Metadata, hash: Option<ContentHash>) -> Stamp {
        Stamp {
            size: metadata.size(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            inode: metadata.ino(),
            hash,
        }
    }

    fn is_same_content(&self, old: &Stamp) -> bool {
        match (self.hash, old.hash) {
            (Some(now), Some(then)) => now == then,
            _ => (self.size, self.modified_ns, self.inode) == (old.size, old.modified_ns, old.inode),
        }
    }
}

fn hash(root: &Root, path: &Path) -> Option<ContentHash> {
    let file = root.found(path)?.open_file().ok()?;
    ContentHash::read(file).ok()
}

#[cfg(test)]
mod tests;
