//! A session as lists and answers show it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// All nine keys are always there; what is not known is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionMeta {
    pub id: String,
    pub tenant_id: String,
    pub name: Option<String>,
    pub agent_type: String,
    pub status: SessionStatus,
    pub archived: bool,
    pub created_at: u64,
    pub updated_at: u64,
    pub last_activity_at: Option<u64>,
}

/// The seven states, and what a newer server may say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SessionStatus {
    /// No agent; the state after creation and after a restart.
    Inactive,
    Activating,
    /// The agent waits for input.
    Ready,
    Running,
    /// The agent waits for an answer.
    Waiting,
    Deactivating,
    /// The last operation failed.
    Error,
    Other(String),
}

impl SessionStatus {
    pub fn as_str(&self) -> &str {
        match self {
            SessionStatus::Inactive => "inactive",
            SessionStatus::Activating => "activating",
            SessionStatus::Ready => "ready",
            SessionStatus::Running => "running",
            SessionStatus::Waiting => "waiting",
            SessionStatus::Deactivating => "deactivating",
            SessionStatus::Error => "error",
            SessionStatus::Other(word) => word,
        }
    }
}

impl From<String> for SessionStatus {
    fn from(word: String) -> SessionStatus {
        match word.as_str() {
            "inactive" => SessionStatus::Inactive,
            "activating" => SessionStatus::Activating,
            "ready" => SessionStatus::Ready,
            "running" => SessionStatus::Running,
            "waiting" => SessionStatus::Waiting,
            "deactivating" => SessionStatus::Deactivating,
            "error" => SessionStatus::Error,
            _ => SessionStatus::Other(word),
        }
    }
}

impl From<SessionStatus> for String {
    fn from(status: SessionStatus) -> String {
        status.as_str().to_owned()
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
