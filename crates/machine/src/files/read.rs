//! The whole content of a file that is not too large.

use std::fs::File;
use std::io::Read;

use super::mime;
use crate::confine::{Confined, Root};
use crate::path_error::PathError;

/// Bytes of a file that is read whole, unless the caller says otherwise.
pub const READ_LIMIT: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Relative to the workspace, links resolved.
    pub path: String,
    pub body: Body,
    pub mime: &'static str,
    pub modified_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// UTF-8 without a NUL.
    Text(String),
    Binary(Vec<u8>),
}

impl Body {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(bytes) => bytes,
        }
    }
}

/// Reads the file `path`, if it has at most `limit` bytes.
pub fn read(root: &Root, path: &str, limit: u64) -> Result<Content, PathError> {
    let found = root.resolve(path)?;
    let file = found.open_file()?;
    let stat = rustix::fs::fstat(&file).map_err(|e| PathError::io(path, "looking at the file", e))?;
    let bytes = read_all(&found, file, super::size(&stat), limit)?;
    let name = found.shown();
    let (body, mime) = match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => (Body::Text(text), mime::of_text(&name)),
        Ok(text) => (Body::Binary(text.into_bytes()), mime::of_binary(&name)),
        Err(error) => (Body::Binary(error.into_bytes()), mime::of_binary(&name)),
    };
    Ok(Content { path: name, body, mime, modified_ms: super::modified_ms(&stat) })
}

/// Reads to the end, which may be further than `size` says: the file can grow, and those in /proc have size 0.
pub(super) fn read_all(found: &Confined, file: File, size: u64, limit: u64) -> Result<Vec<u8>, PathError> {
    let too_large = |size| PathError::TooLarge { path: crate::path_error::shown(&found.shown()), size, limit };
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| PathError::io(&found.shown(), "reading the file", e))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn workspace() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn text_comes_as_text_and_the_rest_as_bytes() {
        let (dir, root) = workspace();
        fs::write(dir.path().join("a.json"), "{\"é\": 1}").unwrap();
        fs::write(dir.path().join("b.png"), b"\x89PNG\xff").unwrap();
        fs::write(dir.path().join("c.txt"), b"a\0b").unwrap();
        let a = read(&root, "a.json", READ_LIMIT).unwrap();
        assert_eq!((a.body, a.mime), (Body::Text("{\"é\": 1}".into()), "application/json"));
        let b = read(&root, "b.png", READ_LIMIT).unwrap();
        assert_eq!((b.body, b.mime), (Body::Binary(b"\x89PNG\xff".to_vec()), "image/png"));
        let c = read(&root, "c.txt", READ_LIMIT).unwrap();
        assert_eq!(c.body.bytes(), b"a\0b");
        assert_eq!(c.mime, "application/octet-stream");
    }

    #[test]
    fn the_limit_is_exact() {
        let (dir, root) = workspace();
        fs::write(dir.path().join("f"), "12345").unwrap();
        assert_eq!(read(&root, "f", 5).unwrap().body, Body::Text("12345".into()));
        assert!(matches!(read(&root, "f", 4), Err(PathError::TooLarge { size: 5, limit: 4, .. })));
    }

    #[test]
    fn a_file_that_lies_about_its_size_is_bounded_all_the_same() {
        let proc = Root::open(std::path::Path::new("/proc/self")).unwrap();
        assert!(!read(&proc, "status", READ_LIMIT).unwrap().body.bytes().is_empty());
        assert!(matches!(read(&proc, "status", 10), Err(PathError::TooLarge { .. })));
    }

    #[test]
    fn a_link_out_and_a_folder_are_not_read() {
        let (dir, root) = workspace();
        symlink("/etc/passwd", dir.path().join("out")).unwrap();
        assert!(matches!(read(&root, "out", READ_LIMIT), Err(PathError::Outside { .. })));
        assert!(matches!(read(&root, "", READ_LIMIT), Err(PathError::NotAFile { .. })));
        assert!(matches!(read(&root, "none", READ_LIMIT), Err(PathError::NotFound { .. })));
    }
}
