//! Opens a path below a folder without ever passing through a symbolic link.
//!
//! [`Root`](crate::Root) resolves links first and hands us a path that has none. Should somebody put one in its place
//! in the meantime, the kernel refuses here: between check and use there is nothing to win.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// Tries of one open while others rename folders around it; the kernel says "again" then.
const TRIES: usize = 16;

/// Whether this kernel has been found to lack openat2 (Linux before 5.6, some sandboxes).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Opens `relative`, which has plain components only; an empty one is the folder itself.
pub(crate) fn open(folder: BorrowedFd<'_>, relative: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    if NO_OPENAT2.load(Ordering::Relaxed) {
        return open_walking(folder, relative, flags, mode);
    }
    let rules = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    for _ in 0..TRIES {
        match rustix::fs::openat2(folder, path, flags, mode, rules) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::NOSYS) => {
                NO_OPENAT2.store(true, Ordering::Relaxed);
                return open_walking(folder, relative, flags, mode);
            }
            // Some sandboxes forbid what they do not know; where it is the file's own, walking says so too.
            Err(Errno::PERM) => return open_walking(folder, relative, flags, mode),
            outcome => return outcome,
        }
    }
    open_walking(folder, relative, flags, mode)
}

/// The same, one component at a time, each without following: as safe, and slower.
fn open_walking(folder: BorrowedFd<'_>, relative: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let mut names = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(name) => names.push(name),
            _ => return Err(Errno::XDEV),
        }
    }
    let Some((last, above)) = names.split_last() else {
        return rustix::fs::openat(folder, ".", flags | OFlags::CLOEXEC, mode);
    };
    let mut held: Option<OwnedFd> = None;
    for name in above {
        let at = held.as_ref().map_or(folder, |fd| fd.as_fd());
        held = Some(step(at, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?);
    }
    step(held.as_ref().map_or(folder, |fd| fd.as_fd()), last, flags, mode)
}

fn step(at: BorrowedFd<'_>, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode).map_err(|error| {
        // A link where a folder should be is "not a folder" to openat; we want to know which it was.
        if error == Errno::NOTDIR && is_link(at, name) { Errno::LOOP } else { error }
    })
}

fn is_link(at: BorrowedFd<'_>, name: &OsStr) -> bool {
    rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Opens the folder `relative`, making it and what is missing above it.
pub(crate) fn make_folders(root: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd> {
    const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
    match open(root, relative, HANDLE, Mode::empty()) {
        Err(Errno::NOENT) => {}
        outcome => return outcome,
    }
    let mut held = open(root, Path::new(""), HANDLE, Mode::empty())?;
    for name in relative.components() {
        let Component::Normal(name) = name else {
            return Err(Errno::XDEV);
        };
        match rustix::fs::mkdirat(&held, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        held = step(held.as_fd(), name, HANDLE, Mode::empty())?;
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Open = fn(BorrowedFd<'_>, &Path, OFlags, Mode) -> Result<OwnedFd>;
    const BOTH: [Open; 2] = [open, open_walking];

    fn tree() -> (tempfile::TempDir, fs::File) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("ws/a/b")).unwrap();
        fs::write(dir.path().join("ws/a/b/f"), "in").unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        fs::write(dir.path().join("out/f"), "secret").unwrap();
        let root = fs::File::open(dir.path().join("ws")).unwrap();
        (dir, root)
    }

    #[test]
    fn a_plain_path_opens_with_and_without_openat2() {
        let (_dir, root) = tree();
        for open in BOTH {
            for path in ["a/b/f", "a/b", "a", ""] {
                open(root.as_fd(), Path::new(path), OFlags::RDONLY, Mode::empty()).unwrap();
            }
        }
    }

    #[test]
    fn a_link_in_any_place_is_refused_with_and_without_openat2() {
        let (dir, root) = tree();
        let ws = dir.path().join("ws");
        symlink(dir.path().join("out"), ws.join("away")).unwrap();
        symlink("a", ws.join("near")).unwrap();
        symlink("../out/f", ws.join("a/last")).unwrap();
        for open in BOTH {
            for path in ["away/f", "near/b/f", "a/last", "away"] {
                let outcome = open(root.as_fd(), Path::new(path), OFlags::RDONLY, Mode::empty());
                assert_eq!(outcome.err(), Some(Errno::LOOP), "{path}");
                let folder = OFlags::RDONLY | OFlags::DIRECTORY;
                let outcome = open(root.as_fd(), Path::new(path), folder, Mode::empty());
                assert!(matches!(outcome.err(), Some(Errno::LOOP | Errno::NOTDIR)), "{path}");
            }
        }
    }

    #[test]
    fn dots_and_absolute_paths_are_refused_with_and_without_openat2() {
        let (_dir, root) = tree();
        for open in BOTH {
            for path in ["../out/f", "/etc/passwd", "a/../../out/f"] {
                assert!(open(root.as_fd(), Path::new(path), OFlags::RDONLY, Mode::empty()).is_err(), "{path}");
            }
        }
    }

    #[test]
    fn folders_are_not_made_behind_a_link() {
        let (dir, root) = tree();
        symlink(dir.path().join("out"), dir.path().join("ws/away")).unwrap();
        assert!(make_folders(root.as_fd(), Path::new("away/new")).is_err());
        assert!(!dir.path().join("out/new").exists());
        make_folders(root.as_fd(), Path::new("a/new/deep")).unwrap();
        assert!(dir.path().join("ws/a/new/deep").is_dir());
    }
}
