//! What a session is, apart from what happens in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{MessageId, SessionId, TenantId, TurnId, UserId, WorkspaceId};
use crate::position::{Millis, Seq};
use crate::turn::Outcome;
use crate::usage::Usage;

pub const LONGEST_TITLE: usize = 200;
pub const MOST_LABELS: usize = 32;
pub const LONGEST_LABEL: usize = 256;
/// The longest configuration, written as JSON.
pub const LONGEST_CONFIG: usize = 256 << 10;

/// Whether we run its agent, or only keep what end-to-end encrypted clients send each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SessionKind {
    Hosted,
    Sealed,
}

/// The words of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    Idle,
    /// A turn is under way.
    Running,
    /// A turn is under way and waits for an answer.
    Waiting,
    /// Takes no prompts until it is reopened.
    Closed,
    /// Over for good: it can be read and forked.
    Ended,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AgentStatus {
    #[default]
    Stopped,
    Starting,
    Ready,
    Stopping,
    Failed,
}

/// How a session stands, in one word: its status and its agent's together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Nothing runs; the next prompt starts the agent.
    Dormant,
    Starting,
    Ready,
    Running,
    Waiting,
    Stopping,
    /// The last turn, or the agent, failed. The next prompt tries again.
    Failed,
    Closed,
    Ended,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// How a session runs: a snapshot taken when it was created, changed only by saying so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied_tools: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Millionths of a dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Ends after its first work.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub one_shot: bool,
    /// How long an ask waits before it expires; absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_ms: Option<u64>,
    /// Only the controller acts, through whatever door.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict_control: bool,
    /// Names of variables whose values are sealed elsewhere, or plain values that are no secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What a dialect or an agent keeps with it, under its own name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// Where a session came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    pub session: SessionId,
    pub message: Option<MessageId>,
}

/// Why it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct End {
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub at: Millis,
}

/// The part of a session that lists show. It stands in every snapshot and in the store's list row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    pub id: SessionId,
    pub tenant: TenantId,
    /// Set when it belongs to one person rather than to everybody in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    pub created_by: UserId,
    pub kind: SessionKind,
    pub agent: String,
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// The uppermost session, where asks of its descendants are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// A client's own name for it: creating again with the same tag finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    pub status: Status,
    #[serde(default)]
    pub agent_status: AgentStatus,
    pub archived: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub last_activity_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_turn: Option<LastTurn>,
    pub turns: u64,
    pub usage: Usage,
}

impl Header {
    pub fn standing(&self) -> Standing {
        match self.status {
            Status::Running => Standing::Running,
            Status::Waiting => Standing::Waiting,
            Status::Closed => Standing::Closed,
            Status::Ended => Standing::Ended,
            Status::Idle => match self.agent_status {
                AgentStatus::Starting => Standing::Starting,
                AgentStatus::Stopping => Standing::Stopping,
                AgentStatus::Failed => Standing::Failed,
                AgentStatus::Stopped => Standing::Dormant,
                AgentStatus::Ready if self.has_failed() => Standing::Failed,
                AgentStatus::Ready => Standing::Ready,
            },
        }
    }

    fn has_failed(&self) -> bool {
        self.last_turn.as_ref().is_some_and(|turn| matches!(turn.outcome, Outcome::Failed { .. }))
    }
}

/// The turn that ended last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastTurn {
    pub id: TurnId,
    pub ended: Seq,
    #[serde(flatten)]
    pub outcome: Outcome,
}
