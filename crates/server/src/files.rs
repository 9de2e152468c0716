//! Files of workspaces: as agents change them, and as people read and write them through doors.

mod agent;
pub(crate) mod blocking;
mod door;
mod memory;
#[cfg(test)]
mod tests;
mod versions;

use rejoin_machine::PathError;
use rejoin_machine::files::WriteError;
use rejoin_machine::search::SearchError;
use rejoin_ports::agent::FileError;

pub use agent::Workshop;
pub use blocking::Blocking;
pub use door::FilesDoor;
pub use versions::Versions;

/// The largest file that is read, written or kept as a version. Larger ones are noted without their bytes.
pub const LARGEST_FILE: u64 = 16 << 20;

/// What a door tells of a path that does not work.
pub(crate) fn error(error: PathError) -> FileError {
    match error {
        PathError::Outside { .. } => FileError::Outside,
        PathError::NotFound { .. } => FileError::NotFound,
        PathError::NotAFile { .. } => FileError::IsFolder,
        PathError::NotADirectory { .. } => FileError::NotFolder,
        PathError::TooLarge { limit, .. } => FileError::TooLarge { most: limit },
        PathError::Invalid { why, .. } => FileError::Invalid(why.to_owned()),
        PathError::Io { doing, source, .. } => FileError::Io(format!("{doing}: {source}")),
    }
}

fn write_error(error: WriteError) -> FileError {
    match error {
        WriteError::Path(path) => self::error(path),
        other @ (WriteError::Exists { .. } | WriteError::Changed { .. }) => FileError::Invalid(other.to_string()),
    }
}

fn search_error(error: SearchError) -> FileError {
    match error {
        SearchError::Path(path) => self::error(path),
        SearchError::Pattern { why } => FileError::Invalid(why),
    }
}
