//! Writing a file so that a reader sees the old content or the new one, and a crash leaves one of them.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use thiserror::Error;

use crate::beneath;
use crate::confine::{Confined, Root};
use crate::hash::ContentHash;
use crate::path_error::PathError;

/// How our half-written files are called; scans and searches pass them over.
const PREFIX: &str = ".rejoin-";
const SUFFIX: &str = ".tmp";

/// What must be there for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Anything,
    /// No such file yet.
    New,
    /// The content that the writer has seen. Who writes behind our back in the same instant can still be overwritten.
    Was(ContentHash),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Relative to the workspace, links resolved.
    pub path: String,
    pub created: bool,
    pub hash: ContentHash,
}

#[derive(Debug, Error)]
pub enum WriteError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{path}: already exists")]
    Exists { path: String },
    #[error("{path}: has changed since it was read")]
    Changed { path: String, actual: ContentHash },
}

/// Replaces the content of `path`, or creates it and the folders above it. A link that stays inside is written through.
pub fn write(root: &Root, path: &str, content: &[u8], expect: Expect) -> Result<Written, WriteError> {
    let target = root.resolve_new(path)?;
    let (Some(parent), Some(name)) = (target.parent(), target.relative().file_name()) else {
        return Err(PathError::not_a_file(path).into());
    };
    let name = Path::new(name);
    let old = existing(&target)?;
    check(&target, old.as_ref(), expect)?;

    let failed = |doing: &'static str| move |error: Errno| PathError::io(path, doing, error);
    let folder = beneath::make_folders(root.folder(), parent.relative()).map_err(failed("making the folders"))?;
    // Whoever may not read the old file may not read this one meanwhile; a new file is anyone's, less the umask.
    let mode = if old.is_some() { Mode::RUSR | Mode::WUSR } else { Mode::from_raw_mode(0o666) };
    let temporary = Temporary::create(&folder, mode, path)?;
    temporary.fill(content, old.as_ref(), path)?;
    let flags = if expect == Expect::New { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
    let renamed = match rustix::fs::renameat_with(&folder, &temporary.name, &folder, name, flags) {
        // Not every file system knows "only if new"; the check above must do there.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(&folder, &temporary.name, &folder, name),
        outcome => outcome,
    };
    match renamed {
        Ok(()) => temporary.keep(),
        Err(Errno::EXIST) => {
            return Err(WriteError::Exists { path: target.shown() });
        }
        Err(error) => return Err(failed("putting the new content in place")(error).into()),
    }
    sync_folder(&folder).map_err(failed("keeping the new name"))?;
    Ok(Written { path: target.shown(), created: old.is_none(), hash: ContentHash::of(content) })
}

/// Whether a name is that of a file we are (or were, when we crashed) in the middle of writing.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

fn existing(target: &Confined) -> Result<Option<Stat>, PathError> {
    let Some(stat) = target.stat()? else {
        return Ok(None);
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(PathError::not_a_file(&target.shown()));
    }
    Ok(Some(stat))
}

fn check(target: &Confined, old: Option<&Stat>, expect: Expect) -> Result<(), WriteError> {
    match (expect, old) {
        (Expect::Anything, _) | (Expect::New, None) => Ok(()),
        (Expect::New, Some(_)) => Err(WriteError::Exists { path: target.shown() }),
        (Expect::Was(_), None) => Err(PathError::not_found(&target.shown()).into()),
        (Expect::Was(seen), Some(_)) => {
            let actual = ContentHash::read(target.open_file()?)
                .map_err(|e| PathError::io(&target.shown(), "comparing the file", e))?;
            if actual == seen { Ok(()) } else { Err(WriteError::Changed { path: target.shown(), actual }) }
        }
    }
}

/// A new file beside the target, removed again unless it is kept.
struct Temporary<'a> {
    folder: &'a OwnedFd,
    name: String,
    file: File,
    kept: bool,
}

impl<'a> Temporary<'a> {
    fn create(folder: &'a OwnedFd, mode: Mode, path: &str) -> Result<Temporary<'a>, PathError> {
        let name = format!("{PREFIX}{}{SUFFIX}", crate::token::random());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, &name, flags, mode)
            .map_err(|e| PathError::io(path, "beginning the new content", e))?;
        Ok(Temporary { folder, name, file: File::from(file), kept: false })
    }

    fn fill(&self, content: &[u8], old: Option<&Stat>, path: &str) -> Result<(), PathError> {
        let failed = |error: std::io::Error| PathError::io(path, "writing the new content", error);
        (&self.file).write_all(content).map_err(failed)?;
        self.dress(old).map_err(|e| failed(e.into()))?;
        self.file.sync_all().map_err(failed)
    }

    /// Gives the new file the owner and mode of the old one.
    fn dress(&self, old: Option<&Stat>) -> rustix::io::Result<()> {
        let Some(old) = old else { return Ok(()) };
        let mine = rustix::fs::fstat(&self.file)?;
        if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid) {
            // Only root may give files away; for others the content matters more than the owner.
            let (uid, gid) = (rustix::fs::Uid::from_raw(old.st_uid), rustix::fs::Gid::from_raw(old.st_gid));
            let _ = rustix::fs::fchown(&self.file, Some(uid), Some(gid));
        }
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(old.st_mode))
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // A leftover costs little, and there is nobody to tell.
            let _ = rustix::fs::unlinkat(self.folder, &self.name, AtFlags::empty());
        }
    }
}

fn sync_folder(folder: &OwnedFd) -> rustix::io::Result<()> {
    let handle = beneath::open(folder.as_fd(), Path::new(""), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    match rustix::fs::fsync(handle) {
        // Some file systems cannot sync a folder and say so this way.
        Err(Errno::INVAL) => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn workspace() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("ws/a")).unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        let root = Root::open(&dir.path().join("ws")).unwrap();
        (dir, root)
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_new_file_brings_its_folders() {
        let (_dir, root) = workspace();
        let written = write(&root, "x/y/z.txt", b"hello", Expect::Anything).unwrap();
        assert_eq!((written.path.as_str(), written.created), ("x/y/z.txt", true));
        assert_eq!(written.hash, ContentHash::of(b"hello"));
        let file = root.path().join("x/y/z.txt");
        assert_eq!(fs::read(&file).unwrap(), b"hello");
        fs::write(root.path().join("plain"), "").unwrap();
        assert_eq!(fs::metadata(file).unwrap().mode(), fs::metadata(root.path().join("plain")).unwrap().mode());
    }

    #[test]
    fn an_old_file_keeps_its_mode_and_leaves_nothing_behind() {
        let (_dir, root) = workspace();
        let file = root.path().join("a/run.sh");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
        let written = write(&root, "a/run.sh", b"new", Expect::Anything).unwrap();
        assert!(!written.created);
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o751);
        assert_eq!(names(&root.path().join("a")), ["run.sh"]);
    }

    #[test]
    fn a_writer_who_saw_something_else_is_turned_away() {
        let (_dir, root) = workspace();
        let seen = ContentHash::of(b"one");
        assert!(matches!(
            write(&root, "f", b"x", Expect::Was(seen)),
            Err(WriteError::Path(PathError::NotFound { .. }))
        ));
        write(&root, "f", b"one", Expect::New).unwrap();
        assert!(matches!(write(&root, "f", b"x", Expect::New), Err(WriteError::Exists { .. })));
        write(&root, "f", b"two", Expect::Was(seen)).unwrap();
        let refused = write(&root, "f", b"three", Expect::Was(seen)).unwrap_err();
        assert!(matches!(refused, WriteError::Changed { actual, .. } if actual == ContentHash::of(b"two")));
        assert_eq!(fs::read(root.path().join("f")).unwrap(), b"two");
        assert_eq!(names(root.path()).len(), 2);
    }

    #[test]
    fn nothing_is_written_outside() {
        let (dir, root) = workspace();
        symlink("../out", root.path().join("away")).unwrap();
        symlink("../out/planted", root.path().join("planted")).unwrap();
        for path in ["away/f", "away/deep/f", "../out/f", "planted", "/f"] {
            assert!(write(&root, path, b"x", Expect::Anything).is_err(), "{path}");
        }
        assert!(names(&dir.path().join("out")).is_empty());
    }

    #[test]
    fn a_link_inside_is_written_through() {
        let (_dir, root) = workspace();
        fs::write(root.path().join("a/real"), "old").unwrap();
        symlink("a/real", root.path().join("nick")).unwrap();
        assert_eq!(write(&root, "nick", b"new", Expect::Anything).unwrap().path, "a/real");
        assert_eq!(fs::read(root.path().join("a/real")).unwrap(), b"new");
        assert!(fs::symlink_metadata(root.path().join("nick")).unwrap().is_symlink());
    }

    #[test]
    fn a_folder_or_a_pipe_is_not_overwritten() {
        let (_dir, root) = workspace();
        fs::write(root.path().join("file"), "").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("pipe"), Mode::RWXU).unwrap();
        for path in ["a", "", "pipe"] {
            let refused = write(&root, path, b"x", Expect::Anything).unwrap_err();
            assert!(matches!(refused, WriteError::Path(PathError::NotAFile { .. })), "{path}: {refused}");
        }
        let refused = write(&root, "file/below", b"x", Expect::Anything).unwrap_err();
        assert!(matches!(refused, WriteError::Path(PathError::NotADirectory { .. })), "{refused}");
    }

    #[test]
    fn a_parent_that_is_swapped_for_a_link_while_we_write_leads_nowhere() {
        let (dir, root) = workspace();
        let out = dir.path().join("out");
        let (real, link) = (root.path().join("a"), root.path().join("link"));
        symlink(&out, &link).unwrap();
        let (mut done, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| {
                for _ in 0..20_000 {
                    let cwd = rustix::fs::CWD;
                    rustix::fs::renameat_with(cwd, &real, cwd, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            while !swapping.is_finished() {
                match write(&root, "a/f", b"x", Expect::Anything) {
                    Ok(_) => done += 1,
                    Err(_) => refused += 1,
                }
            }
        });
        assert!(names(&out).is_empty(), "{done} written, {refused} refused");
    }
}
