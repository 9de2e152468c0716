//! The data folder and the private files in it: keys that only the gateway's own user may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The longest private file: keys are far shorter, and anything longer is not one.
const LONGEST_FILE: u64 = 64 << 10;

#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct FolderError {
    pub doing: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_path_buf();
    move |source| FolderError { doing, path, source }
}

/// Makes the data folder if it is not there, readable by nobody else, and gives its canonical path.
pub fn open(path: &Path) -> Result<PathBuf, FolderError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("making the data folder", path))?;
    fs::canonicalize(path).map_err(failed("opening the data folder", path))
}

/// Writes a file that only we may read, so that a crash leaves the old one or the new one.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), FolderError> {
    let temporary = path.with_extension("new");
    // What a crash left there may have other rights.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing", &temporary)(error));
        }
        _ => {}
    }
    let fill = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    fill().map_err(failed("writing", path))
}

/// Reads a private file. One that others may read is refused: its secret is none.
pub fn read_private(path: &Path) -> Result<Option<String>, FolderError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("reading", path)(error)),
    };
    let read = || {
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            let why = "others may read it; take their rights away (chmod 600)";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let mut text = String::new();
        (&file).take(LONGEST_FILE).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map(Some).map_err(failed("reading", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_ours_alone_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open(&dir.path().join("a/data")).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let file = folder.join("owner.key");
        assert_eq!(read_private(&file).unwrap(), None);
        write_private(&file, b"one").unwrap();
        write_private(&file, b"two").unwrap();
        assert_eq!(read_private(&file).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret.key");
        fs::write(&file, "secret").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_private(&file).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::PermissionDenied);
        assert!(!format!("{error:?}").contains("\"secret\""));
    }
}
