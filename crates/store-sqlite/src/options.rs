//! What a store is told when it is opened.

use std::path::PathBuf;

use rejoin_ports::store::Durability;

#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder. It is made if it is not there.
    pub folder: PathBuf,
    pub durability: Durability,
    /// Connections that read, opened when they are first needed. Pages come from the system's cache, so few suffice.
    pub readers: usize,
    /// How large the database may grow; `None`: as large as the disk. Beyond it the store says that the disk is full.
    pub most_bytes: Option<u64>,
    /// How many appends wait for a place in the indexes: what a start reads in a few milliseconds, and enough that each of
    /// some hundred sessions has several.
    pub pending: usize,
}

impl Options {
    pub fn new(folder: impl Into<PathBuf>) -> Options {
        Options { folder: folder.into(), durability: Durability::Full, readers: 4, most_bytes: None, pending: 4096 }
    }
}
