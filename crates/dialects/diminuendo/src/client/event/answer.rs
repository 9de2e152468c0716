//! Answers that are about neither a session's state nor a turn.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Event;
use crate::wire::{FileContent, FileEntry, HistoryItem, Iteration, Role};

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HistoryPage {
    pub session_id: String,
    pub items: Vec<HistoryItem>,
    pub has_more: bool,
    /// What to ask for next.
    pub next_after_seq: Option<u64>,
}

/// Events as they were told, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EventsPage {
    pub session_id: String,
    #[serde(deserialize_with = "events")]
    pub events: Vec<Event>,
    pub has_more: bool,
    pub last_seq: Option<u64>,
}

fn events<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Event>, D::Error> {
    let raw = Vec::<Box<RawValue>>::deserialize(from)?;
    // What is no event at all would be no event live either.
    Ok(raw.iter().filter_map(|text| Event::read(text.get())).collect())
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pong {
    pub ts: Option<u64>,
    pub client_ts: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FileList {
    pub session_id: String,
    pub path: String,
    pub files: Vec<FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileContents {
    #[serde(default)]
    pub session_id: String,
    #[serde(flatten)]
    pub file: FileContent,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FileHistory {
    pub session_id: String,
    pub path: String,
    pub history: Vec<Iteration>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MemberList {
    pub members: Vec<ListedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MemberUpdated {
    pub member: ListedMember,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MemberRemoved {
    pub user_id: String,
}

/// A member of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedMember {
    pub user_id: String,
    #[serde(default)]
    pub email: String,
    pub role: MemberRole,
    #[serde(default)]
    pub created_at: Option<u64>,
    #[serde(default)]
    pub updated_at: Option<u64>,
}

/// A role, also one that only the gateway knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum MemberRole {
    Known(Role),
    Other(String),
}
