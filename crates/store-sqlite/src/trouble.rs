//! Errors of SQLite and of the file system in the words of the store.

use std::io;
use std::path::Path;

use rejoin_ports::store::StoreError;
use rusqlite::ErrorCode;
use rustix::io::Errno;

/// What a failing database means for whoever asked. `folder` tells a full or read-only disk from other failures, which
/// SQLite itself does not always.
pub(crate) fn database(doing: &'static str, folder: &Path, error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreError::Full { doing },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                StoreError::Locked { doing }
            }
            ErrorCode::ReadOnly => StoreError::ReadOnly { doing },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => corrupt(doing, error),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if is_full(folder) => StoreError::Full { doing },
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if is_read_only(folder) => {
                StoreError::ReadOnly { doing }
            }
            _ => StoreError::Io { doing, why: error.to_string() },
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => corrupt(doing, error),
        _ => StoreError::Io { doing, why: error.to_string() },
    }
}

fn corrupt(doing: &'static str, error: &rusqlite::Error) -> StoreError {
    StoreError::Corrupt { doing, why: error.to_string() }
}

/// A value in a row that does not read back as what was written.
pub(crate) fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, why.into())
}

pub(crate) fn file(doing: &'static str, error: &io::Error) -> StoreError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => StoreError::Full { doing },
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => StoreError::ReadOnly { doing },
        _ => StoreError::Io { doing, why: error.to_string() },
    }
}

/// Whether the failure is one that another try in the same circumstances meets again.
pub(crate) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::OutOfMemory
        )
    )
}

/// Less than one page of the database.
fn is_full(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < 4096)
}

fn is_read_only(folder: &Path) -> bool {
    let denied = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
    matches!(denied, Err(Errno::ROFS | Errno::ACCESS))
}
