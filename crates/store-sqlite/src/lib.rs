//! Truth in one SQLite file: sessions and their logs, records and feeds; blobs are files beside it.
//!
//! One thread writes, and merges what waits into one transaction (`writer`). A few connections read (`readers`). A log
//! has a row per append (`rows`), added at the end of one table and indexed later (`pending`), which makes appending
//! cheap; what has faded is packed (`fading`).

mod applying;
mod backup;
mod blobs;
mod checkpoint;
mod fading;
mod figures;
mod keeping;
mod lists;
mod lock;
mod naming;
mod options;
mod pages;
mod pending;
mod prepared;
mod readers;
mod recent;
mod records;
mod restore;
mod rows;
mod schema;
mod sessions;
mod snapshots;
mod store;
mod tidy;
mod trouble;
mod writer;

pub use options::Options;
pub use restore::{LIFT, Restored, restore};
pub use store::SqliteStore;

/// The database in the data folder.
pub const DATABASE: &str = "rejoin.db";
/// Cached folds beside it: may be deleted whenever nobody has it open.
pub const CACHE: &str = "cache.db";
/// Held locked by whoever uses the data folder.
pub const LOCK: &str = "rejoin.lock";
/// The folder of blobs.
pub const BLOBS: &str = "blobs";
