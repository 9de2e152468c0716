//! What touches a machine: confined files, search, scans, commands, and the processes they leave.
//!
//! Nothing here knows sessions, logs or protocols. The file functions block (call them from a blocking thread);
//! [`shell`] and [`terminal`] are async.

mod beneath;
pub mod cage;
pub mod confine;
pub mod files;
pub mod hash;
pub mod path_error;
pub mod reaper;
pub mod scan;
pub mod search;
pub mod shell;
pub mod terminal;
mod token;
mod walk;

pub use confine::{Confined, Root};
pub use hash::ContentHash;
pub use path_error::PathError;
