//! A workspace folder, and paths that cannot lead out of it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath;
use crate::path_error::PathError;

/// Bytes of a whole path: what Linux itself accepts (`PATH_MAX`).
pub const LONGEST_PATH: usize = 4096;
/// Bytes of one name: what nearly every file system accepts (`NAME_MAX`).
pub const LONGEST_NAME: usize = 255;
/// Folders above a file. Real trees stay below 40; each level costs a system call where openat2 is missing.
pub const DEEPEST: usize = 128;

/// A workspace: one folder, held open, so that renaming it or putting a link in its place changes nothing for us.
#[derive(Debug, Clone)]
pub struct Root {
    inner: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    folder: OwnedFd,
    path: PathBuf,
    /// As the caller spelled it: absolute paths may begin with either.
    spelled: PathBuf,
}

/// A path that was inside its root when it was resolved, without links; opening it checks again.
#[derive(Debug, Clone)]
pub struct Confined {
    root: Root,
    relative: PathBuf,
}

impl Root {
    /// Takes an existing folder as a workspace.
    pub fn open(folder: &Path) -> Result<Root, PathError> {
        let spelled = folder.to_string_lossy();
        let path = fs::canonicalize(folder).map_err(|e| PathError::io(&spelled, "opening the workspace", e))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|e| PathError::io(&spelled, "opening the workspace", e))?;
        Ok(Root { inner: Arc::new(Held { folder: held, path, spelled: folder.to_path_buf() }) })
    }

    /// The canonical path of the folder.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The workspace itself, as a path in it.
    pub fn top(&self) -> Confined {
        self.confined(PathBuf::new())
    }

    /// Finds what `path` names, following links that stay inside. It must exist.
    pub fn resolve(&self, path: &str) -> Result<Confined, PathError> {
        let plain = self.plain(path)?;
        let real = fs::canonicalize(self.path().join(plain)).map_err(|e| followed(path, e))?;
        self.inside(path, &real)
    }

    /// Finds where `path` would be created (or overwritten): what exists of it is resolved, the rest is plain names.
    pub fn resolve_new(&self, path: &str) -> Result<Confined, PathError> {
        let plain = self.plain(path)?;
        let mut existing = plain.as_path();
        loop {
            let full = self.path().join(existing);
            match fs::symlink_metadata(&full) {
                Ok(_) => {
                    let real = fs::canonicalize(&full).map_err(|e| match Errno::from_io_error(&e) {
                        Some(Errno::NOENT) => PathError::invalid(path, "a symbolic link leads to nothing"),
                        _ => followed(path, e),
                    })?;
                    let mut found = self.inside(path, &real)?;
                    // A join with nothing would leave a trailing slash.
                    let missing = plain.strip_prefix(existing).expect("it was cut from this path");
                    found.relative.extend(missing.components());
                    return Ok(found);
                }
                Err(error) => match (Errno::from_io_error(&error), existing.parent()) {
                    (Some(Errno::NOENT | Errno::NOTDIR), Some(parent)) => existing = parent,
                    _ => return Err(followed(path, error)),
                },
            }
        }
    }

    /// Finds the entry `path` itself, which may be a link: its folder is resolved, the last name is not followed.
    pub fn resolve_entry(&self, path: &str) -> Result<Confined, PathError> {
        let plain = self.plain(path)?;
        let (Some(parent), Some(name)) = (plain.parent(), plain.file_name()) else {
            return Ok(self.top());
        };
        let real = fs::canonicalize(self.path().join(parent)).map_err(|e| followed(path, e))?;
        let mut found = self.inside(path, &real)?;
        found.relative.push(name);
        fs::symlink_metadata(found.absolute()).map_err(|e| followed(path, e))?;
        Ok(found)
    }

    /// A path below the root that a walk of ours has found; it is checked when opened, as every other.
    pub(crate) fn found(&self, absolute: &Path) -> Option<Confined> {
        let relative = absolute.strip_prefix(self.path()).ok()?;
        Some(self.confined(relative.to_path_buf()))
    }

    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.inner.folder.as_fd()
    }

    fn confined(&self, relative: PathBuf) -> Confined {
        Confined { root: self.clone(), relative }
    }

    /// By components, so that `/ws-evil` is not inside `/ws`.
    fn inside(&self, path: &str, real: &Path) -> Result<Confined, PathError> {
        let relative = real.strip_prefix(self.path()).map_err(|_| PathError::outside(path))?;
        Ok(self.confined(relative.to_path_buf()))
    }

    /// The names below the root that `path` spells. `..` is taken out by the letter, before any link is looked at.
    fn plain(&self, path: &str) -> Result<PathBuf, PathError> {
        if path.contains('\0') {
            return Err(PathError::invalid(path, "the path contains a NUL"));
        }
        if path.len() > LONGEST_PATH {
            return Err(PathError::invalid(path, "the path is too long"));
        }
        let given = Path::new(path);
        if !given.is_absolute() {
            return lexical(path, given);
        }
        let straight = lexical(path, given.strip_prefix("/").expect("it is absolute"))?;
        let absolute = Path::new("/").join(straight);
        for root in [&self.inner.path, &self.inner.spelled] {
            if let Ok(below) = absolute.strip_prefix(root) {
                return Ok(below.to_path_buf());
            }
        }
        Err(PathError::outside(path))
    }
}

impl Confined {
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Below the root; empty for the root itself.
    pub fn relative(&self) -> &Path {
        &self.relative
    }

    /// The relative path as clients see it. A name that is not UTF-8 is shown, but cannot be asked for.
    pub fn shown(&self) -> String {
        self.relative.to_string_lossy().into_owned()
    }

    pub fn absolute(&self) -> PathBuf {
        if self.is_top() {
            return self.root.path().to_path_buf();
        }
        self.root.path().join(&self.relative)
    }

    pub fn is_top(&self) -> bool {
        self.relative.as_os_str().is_empty()
    }

    /// The folder it is in; `None` for the root.
    pub fn parent(&self) -> Option<Confined> {
        let parent = self.relative.parent()?;
        Some(self.root.confined(parent.to_path_buf()))
    }

    /// Opens a regular file for reading; pipes, sockets and devices are refused without waiting on them.
    pub fn open_file(&self) -> Result<File, PathError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open(flags, "opening the file")?);
        let kind = file.metadata().map_err(|e| PathError::io(&self.shown(), "looking at the file", e))?;
        if kind.is_file() { Ok(file) } else { Err(PathError::not_a_file(&self.shown())) }
    }

    /// Opens a folder for listing.
    pub fn open_folder(&self) -> Result<OwnedFd, PathError> {
        self.open(OFlags::RDONLY | OFlags::DIRECTORY, "opening the folder")
    }

    /// What is there now, if anything is.
    pub(crate) fn stat(&self) -> Result<Option<rustix::fs::Stat>, PathError> {
        match beneath::open(self.root.folder(), &self.relative, OFlags::PATH, Mode::empty()) {
            Ok(handle) => {
                rustix::fs::fstat(&handle).map(Some).map_err(|e| PathError::io(&self.shown(), "looking at it", e))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(PathError::io(&self.shown(), "looking at it", error)),
        }
    }

    /// True for a folder, false for a file; anything else, links included, is an error.
    pub fn is_folder(&self) -> Result<bool, PathError> {
        let stat = self.stat()?.ok_or_else(|| PathError::not_found(&self.shown()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(true),
            FileType::RegularFile => Ok(false),
            _ => Err(PathError::not_a_file(&self.shown())),
        }
    }

    fn open(&self, flags: OFlags, doing: &'static str) -> Result<OwnedFd, PathError> {
        beneath::open(self.root.folder(), &self.relative, flags, Mode::empty())
            .map_err(|e| PathError::io(&self.shown(), doing, e))
    }
}

/// Takes `.` and `..` out of a path; one that climbs above its beginning is outside.
fn lexical(path: &str, given: &Path) -> Result<PathBuf, PathError> {
    let mut plain = PathBuf::new();
    let mut depth = 0;
    for part in given.components() {
        match part {
            Component::Normal(name) if name.len() > LONGEST_NAME => {
                return Err(PathError::invalid(path, "a name in the path is too long"));
            }
            Component::Normal(_) if depth == DEEPEST => {
                return Err(PathError::invalid(path, "the path has too many folders"));
            }
            Component::Normal(name) => {
                plain.push(name);
                depth += 1;
            }
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(PathError::outside(path));
            }
        }
    }
    Ok(plain)
}

/// While links are being followed a loop is the workspace's own mistake, not an attempt to leave it.
fn followed(path: &str, error: io::Error) -> PathError {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => PathError::invalid(path, "symbolic links lead in a circle"),
        _ => PathError::io(path, "resolving the path", error),
    }
}

#[cfg(test)]
mod tests;
