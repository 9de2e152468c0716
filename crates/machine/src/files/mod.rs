//! Reading and changing the files of a workspace. Everything is bounded, and nothing follows a link out.

mod delete;
mod list;
mod mime;
mod preview;
mod read;
mod write;

pub use delete::delete;
pub use list::{DEEPEST_LISTING, Entry, Kind, List, Listing, list};
pub use preview::{Preview, Shown, preview};
pub use read::{Body, Content, READ_LIMIT, read};
pub(crate) use write::is_ours;
pub use write::{Expect, WriteError, Written, write};

use rustix::fs::Stat;

/// When a file's content last changed, in milliseconds since 1970; before that it is negative.
fn modified_ms(stat: &Stat) -> i64 {
    let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}
