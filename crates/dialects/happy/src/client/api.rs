//! What the server offers over HTTP, one file for each kind of thing.
//!
//! Texts that are sealed go in and come out sealed here; [`Account`](super::Account) opens them.

mod access_keys;
mod artifacts;
mod attachments;
mod connect;
mod kv;
mod machines;
mod messages;
mod people;
mod profile;
mod push;
mod sessions;
mod version;
mod voice;

pub use access_keys::AccessKey;
pub use artifacts::{ArtifactChange, ArtifactChanged};
pub(super) use attachments::LARGEST_ATTACHMENT;
pub use attachments::UploadTo;
pub use connect::Vendor;
pub use kv::{KvItem, KvMutated, KvMutation, KvRefusal};
pub use messages::{MessagesPage, NewMessage};
pub use people::FeedPage;
pub use profile::{GroupBy, UsageBucket, UsageQuery, UsageReport};
pub use push::{PushKind, PushOutcome, PushToken};
pub use sessions::{NewSessionRecord, SessionsPage};
pub use version::Platform;

use serde_json::Value;

use super::Error;

/// How a change of something that has a version went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// It was done, and has this version now.
    Done(u64),
    /// Somebody else changed it before: this is what it is.
    Stale(T),
}

/// What is sealed, with its version.
pub use crate::wire::Versioned;

/// Reads `{success, version}` or `{success: false, currentVersion, <current>}`.
fn changed(doing: &'static str, answer: &Value, current: &str) -> Result<Change<Versioned>, Error> {
    let number = |name: &str| answer[name].as_u64().ok_or(Error::Unreadable(doing));
    if answer["success"] == true {
        return Ok(Change::Done(number("version")?));
    }
    let value = answer[current].as_str().map(str::to_owned);
    Ok(Change::Stale(Versioned { value, version: number("currentVersion")? }))
}

/// A part of a path, whatever is in it.
fn segment(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").expect("a text takes everything"),
        }
    }
    out
}
