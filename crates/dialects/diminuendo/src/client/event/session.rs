//! Sessions: the list of them, and one as it stands.

use serde::Deserialize;
use serde_json::Value;

use super::payload::payloads;
use crate::wire::{HistoryItem, SessionMeta, SessionStatus};

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SessionList {
    pub sessions: Vec<SessionMeta>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionCreated {
    pub session: SessionMeta,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionUpdated {
    pub session: SessionMeta,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionArchived {
    pub session: SessionMeta,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionUnarchived {
    pub session: SessionMeta,
}

/// A session at the moment of joining it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateSnapshot {
    #[serde(default)]
    pub session_id: String,
    pub session: SessionMeta,
    /// The newest messages, the oldest of them first.
    #[serde(default)]
    pub recent_history: Vec<HistoryItem>,
    /// Connected viewers, the one who joins included.
    #[serde(default)]
    pub subscriber_count: u64,
    /// The newest number when this was made. Not every gateway says it.
    pub last_seq: Option<u64>,
    /// The turn that is running. Not every gateway says it.
    pub active_turn: Option<ActiveTurn>,
    /// Questions that wait for an answer, each as its event was. Not every gateway says it.
    #[serde(default)]
    pub pending_requests: Vec<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ActiveTurn {
    pub turn_id: String,
    pub client_turn_id: Option<String>,
    pub started_at: Option<u64>,
    pub text_so_far: String,
}

/// The session's state changed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionState {
    #[serde(default)]
    pub session_id: String,
    pub status: SessionStatus,
    pub previous_status: Option<SessionStatus>,
    pub reason: Option<String>,
    /// Its number in the session.
    pub seq: Option<u64>,
    /// When it happened, in milliseconds of Unix time.
    pub ts: Option<u64>,
}

payloads! {
    SessionDeleted session {}
    /// Somebody came or left.
    SubscriberCount session { subscriber_count: u64 }
}
