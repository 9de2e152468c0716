//! One gateway per data folder.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rejoin_ports::store::StoreError;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{LOCK, trouble};

/// Locks the folder for as long as the file lives. The lock goes with the process, however it ends.
pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
    const DOING: &str = "locking the data folder";
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK))
        .map_err(|error| trouble::file(DOING, &error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Locked { doing: DOING }),
        Err(error) => Err(trouble::file(DOING, &error.into())),
    }
}
