//! What can be wrong with a path that somebody gave us.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

/// Bytes of a path that an error repeats: enough to recognise it, too few to flood a log.
const SHOWN: usize = 200;

/// Why a file operation was refused or failed. Each variant is something the caller can tell a person.
#[derive(Debug, Error)]
pub enum PathError {
    /// It is, or leads through a symbolic link to, a place that is not in the workspace.
    #[error("{path}: outside the workspace")]
    Outside { path: String },
    #[error("{path}: not found")]
    NotFound { path: String },
    #[error("{path}: not a file")]
    NotAFile { path: String },
    #[error("{path}: not a folder")]
    NotADirectory { path: String },
    #[error("{path}: {size} bytes are more than the {limit} allowed")]
    TooLarge { path: String, size: u64, limit: u64 },
    /// No file can have this name, or we do not accept one that has.
    #[error("{path}: {why}")]
    Invalid { path: String, why: &'static str },
    #[error("{path}: {doing}")]
    Io { path: String, doing: &'static str, source: io::Error },
}

impl PathError {
    pub(crate) fn outside(path: &str) -> PathError {
        PathError::Outside { path: shown(path) }
    }

    pub(crate) fn not_found(path: &str) -> PathError {
        PathError::NotFound { path: shown(path) }
    }

    pub(crate) fn not_a_file(path: &str) -> PathError {
        PathError::NotAFile { path: shown(path) }
    }

    pub(crate) fn not_a_directory(path: &str) -> PathError {
        PathError::NotADirectory { path: shown(path) }
    }

    pub(crate) fn invalid(path: &str, why: &'static str) -> PathError {
        PathError::Invalid { path: shown(path), why }
    }

    /// Sorts an error of the system into what the caller can do about it.
    pub(crate) fn io(path: &str, doing: &'static str, source: impl Into<io::Error>) -> PathError {
        let source = source.into();
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => PathError::not_found(path),
            Some(Errno::NOTDIR) => PathError::not_a_directory(path),
            // NXIO: a socket, or a pipe that nobody reads.
            Some(Errno::ISDIR | Errno::NXIO) => PathError::not_a_file(path),
            // We open only paths without links: one that has appeared since was put there to lead elsewhere.
            Some(Errno::LOOP | Errno::XDEV) => PathError::outside(path),
            Some(Errno::NAMETOOLONG) => PathError::invalid(path, "the name is too long"),
            _ => PathError::Io { path: shown(path), doing, source },
        }
    }
}

/// A path as an error shows it: one line, of bounded length.
pub(crate) fn shown(path: &str) -> String {
    let mut end = path.len().min(SHOWN);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    let mut text = String::with_capacity(end);
    for letter in path[..end].chars() {
        if letter.is_control() {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    if end < path.len() {
        text.push('…');
    }
    text
}
