//! Messages and what they are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{CallId, MessageId, PartId, SessionId, TurnId};
use crate::position::Millis;
use crate::usage::Usage;

/// The most text one part holds; what comes after goes into a new part, so that a fold stays small.
pub const LONGEST_PART: usize = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MessageRole {
    User,
    Assistant,
    System,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MessageStatus {
    Streaming,
    Completed,
    Failed,
    Interrupted,
}

/// What is known of a message besides its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: MessageId,
    pub role: MessageRole,
    pub status: MessageStatus,
    pub created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The message this one is about: the trigger of a summary, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// A summary stands for what came before it when the agent is next asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub summary: bool,
}

/// A message with all its parts, as transcripts show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WholeMessage {
    #[serde(flatten)]
    pub message: Message,
    pub parts: Vec<Part>,
    /// Whether earlier parts are left out here because a page is bounded; they are in the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub id: PartId,
    pub message: MessageId,
    pub at: Millis,
    #[serde(flatten)]
    pub body: PartBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PartBody {
    Text {
        text: String,
    },
    Reasoning {
        text: String,
    },
    Tool(ToolCall),
    File {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        mime: String,
        /// Where its bytes are: `blob:<sha256>`, or an address.
        url: String,
    },
    Image {
        mime: String,
        url: String,
    },
    Plan {
        items: Vec<PlanItem>,
    },
    /// One call of the model inside a turn.
    Step {
        number: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finish: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
    Compaction {
        auto: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        overflow: bool,
    },
    /// Something an agent said that we have no word for: kept, and shown to whoever understands it.
    Raw {
        source: String,
        value: Value,
    },
}

impl PartBody {
    /// The text that deltas grow.
    pub fn growing(&mut self) -> Option<&mut String> {
        match self {
            PartBody::Text { text } | PartBody::Reasoning { text } => Some(text),
            PartBody::Tool(call) => call.arguments.as_mut(),
            _ => None,
        }
    }
    pub fn text(&self) -> Option<&str> {
        match self {
            PartBody::Text { text } | PartBody::Reasoning { text } => Some(text),
            PartBody::Tool(call) => call.arguments.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanItem {
    pub text: String,
    pub status: PlanStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanStatus {
    Pending,
    InProgress,
    Completed,
}

/// A tool call and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    pub call: CallId,
    pub name: String,
    pub input: Value,
    pub state: ToolState,
    /// Arguments as text while they stream in; absent once they are whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// The session that does this call's work, when it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<SessionId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToolState {
    Pending,
    Running {
        started_at: Millis,
    },
    Completed {
        started_at: Millis,
        ended_at: Millis,
        output: Value,
    },
    Failed {
        started_at: Millis,
        ended_at: Millis,
        error: String,
    },
    Interrupted {
        started_at: Millis,
        ended_at: Millis,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partial: Option<String>,
    },
    /// It had started when the gateway died. It is never run again, and what it did is not known.
    Unknown {
        started_at: Millis,
    },
}

impl ToolState {
    pub fn is_over(&self) -> bool {
        !matches!(self, ToolState::Pending | ToolState::Running { .. })
    }
    pub fn started_at(&self) -> Option<Millis> {
        match self {
            ToolState::Pending => None,
            ToolState::Running { started_at }
            | ToolState::Completed { started_at, .. }
            | ToolState::Failed { started_at, .. }
            | ToolState::Interrupted { started_at, .. }
            | ToolState::Unknown { started_at } => Some(*started_at),
        }
    }
}

/// Something a person hands over with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub id: String,
    pub mime: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub url: String,
}

impl Attachment {
    /// How many bytes it takes to say what it is.
    pub fn length(&self) -> usize {
        self.id.len() + self.mime.len() + self.name.as_deref().map_or(0, str::len) + self.url.len()
    }
}
