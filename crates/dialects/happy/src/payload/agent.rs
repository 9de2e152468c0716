//! What agents say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AcpMessage, AcpProvider, ClaudeRecord, Meta, SessionEvent};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentMessage {
    pub content: AgentContent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AgentContent {
    /// One record of Claude Code.
    Output {
        data: ClaudeRecord,
    },
    Codex {
        data: Value,
    },
    Acp {
        provider: AcpProvider,
        data: AcpMessage,
    },
    Event {
        id: String,
        data: SessionEvent,
    },
    /// An older release names the agent here: `{type: 'gemini', data}`.
    #[serde(untagged)]
    Other(Value),
}

impl AgentMessage {
    /// As command lines send it.
    pub fn from_cli(content: AgentContent) -> AgentMessage {
        AgentMessage { content, local_key: None, meta: Some(Meta::sent_from("cli")) }
    }

    /// Events carry no `meta`.
    pub fn event(id: impl Into<String>, data: SessionEvent) -> AgentMessage {
        AgentMessage { content: AgentContent::Event { id: id.into(), data }, local_key: None, meta: None }
    }
}
