//! A turn: one prompt and everything the agent does about it. It always ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ask::{Ask, Settled};
use crate::id::{AskId, MessageId, QueueId, SessionId, TurnId};
use crate::part::{Attachment, Message, Part, PartBody};
use crate::position::{Millis, Seq};
use crate::usage::Usage;

/// How much of a turn's text its end repeats; beyond that `textTruncated` is set and the parts have it all.
pub const LONGEST_FINAL_TEXT: usize = 4 << 20;
/// How many tool calls may be open at once. The text that streams beside them is one part more.
pub const MOST_OPEN_CALLS: usize = 256;

/// What to do with a prompt when a turn runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IfBusy {
    Refuse,
    #[default]
    Queue,
    Steer,
    Interrupt,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    Completed,
    Failed {
        code: String,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u64>,
    },
    Interrupted {
        /// `user`, `restart`, `agent_lost`, `shutdown`, `ended`, `cascade`, `timeout`, `error`.
        reason: String,
    },
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    pub message: MessageId,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// The turn that is under way. Parked is not a phase of its own: a turn is parked while it waits only on asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenTurn {
    pub id: TurnId,
    pub started_at: Millis,
    pub started: Seq,
    pub prompt: Prompt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<QueueId>,
    /// The answer of the agent, once it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Text of the completed text parts, up to [`LONGEST_FINAL_TEXT`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub text_truncated: bool,
    #[serde(default)]
    pub usage: Usage,
    /// Children that run for this turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<SessionId>,
    /// Settled asks that the agent has shown no sign of having heard: told again when it is brought back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<Unheard>,
}

impl OpenTurn {
    /// Whether it waits for nothing but people: then it is not running, and survives a restart.
    pub fn is_parked(&self, asks: &std::collections::BTreeMap<AskId, Ask>) -> bool {
        let mut own = asks.values().filter(|ask| ask.turn == self.id).peekable();
        let waits = own.peek().is_some() && own.all(|ask| ask.bookmark.is_some() && ask.origin.is_none());
        waits && self.under_way().next().is_none() && self.children.is_empty()
    }
    /// The parts that an agent has in its hands: tools that run, text that streams. A call that is only known is not.
    pub fn under_way(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| match &part.body {
            PartBody::Tool(call) => call.state.started_at().is_some(),
            _ => true,
        })
    }
    /// Whether its agent, brought back, has something to go on from.
    pub fn can_go_on(&self) -> bool {
        self.unheard.iter().any(|heard| heard.ask.bookmark.is_some())
    }
}

/// A settled ask together with the agent's mark of where it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unheard {
    pub ask: crate::ask::Ask,
    pub settled: Settled,
}
