//! What happened. A log is a numbered list of these, and is there for good: variants and optional fields are added, never
//! taken away.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::{Answer, Ask, Unanswered};
use crate::control::{Control, ControlReason};
use crate::grant::Grant;
use crate::header::{AgentStatus, Config, End, Header, Model, Standing};
use crate::id::{AskId, CallId, GrantId, MessageId, PartId, QueueId, SessionId, TurnId};
use crate::part::{Message, Part};
use crate::position::{Millis, Seq};
use crate::queue::QueueItem;
use crate::trim::Marks;
use crate::turn::Outcome;
use crate::usage::Usage;
use crate::who::Author;

/// One event with its number, its time and who caused it: one line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    pub seq: Seq,
    pub at: Millis,
    pub author: Arc<Author>,
    pub context: Context,
    pub event: Event,
}

/// What a line tells beside its event, so that whoever shows events needs to remember none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The turn that was under way; absent where the event names it itself.
    pub turn: Option<TurnId>,
    /// How the session stood before and stands since, where the event changed that.
    pub standing: Option<Moved>,
}

/// A change of how a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    pub from: Standing,
    pub to: Standing,
}

/// What the text of a delta belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Growing {
    #[default]
    Text,
    Reasoning,
    /// Arguments of a tool call, while they stream in.
    Arguments {
        call: CallId,
    },
}

impl Growing {
    fn is_text(&self) -> bool {
        *self == Growing::Text
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $kind:literal {$($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)?})*) => {
        /// Everything that can happen in a session.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
        pub enum Event {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type),* },)*
            /// An event of a newer version: kept, shown to whoever understands it, and folded to nothing.
            #[serde(untagged)]
            #[schemars(skip)]
            Unknown(Value),
        }

        /// The `type` of every event that this version knows.
        pub const KINDS: &[&str] = &[$($kind),*];

        impl Event {
            pub fn kind(&self) -> &str {
                match self {
                    $(Event::$name { .. } => $kind,)*
                    Event::Unknown(value) => value.get("type").and_then(Value::as_str).unwrap_or("unknown"),
                }
            }
        }
    };
}

events! {
    /// The first event of every log.
    SessionCreated "sessionCreated" {
        header: Box<Header>,
        config: Box<Config>,
    }
    SessionRenamed "sessionRenamed" { title: Option<String> }
    SessionLabelled "sessionLabelled" { labels: std::collections::BTreeMap<String, String> }
    SessionArchived "sessionArchived" {}
    SessionUnarchived "sessionUnarchived" {}
    SessionClosed "sessionClosed" {}
    SessionReopened "sessionReopened" {}
    SessionEnded "sessionEnded" { end: End }
    /// The last event of a log that is about to be deleted, for whoever is attached.
    SessionDeleted "sessionDeleted" {}
    /// A backup was restored: register versions and message numbers are lifted past anything that was ever given.
    SessionRestored "sessionRestored" { lift: u64 }
    ModelSet "modelSet" { model: Option<Model> }
    ConfigSet "configSet" { config: Box<Config> }
    AgentChanged "agentChanged" {
        status: AgentStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    }

    TurnStarted "turnStarted" {
        turn: TurnId,
        /// The message that is its prompt; it follows as `messageAdded`.
        prompt: MessageId,
        /// The queue item it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<QueueId>,
        /// The client's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    }
    Steered "steered" { turn: TurnId, text: String }
    TurnEnded "turnEnded" {
        turn: TurnId,
        outcome: Outcome,
        /// The text of its text parts.
        text: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        text_truncated: bool,
        usage: Usage,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cascaded: Vec<SessionId>,
    }

    /// A message that came whole: a prompt, a copy in a fork, a note.
    MessageAdded "messageAdded" { message: Message, parts: Vec<Part> }
    MessageStarted "messageStarted" { message: Message }
    MessageCompleted "messageCompleted" { message: Message }
    PartStarted "partStarted" { part: Part }
    /// More text of an open part.
    PartDelta "partDelta" {
        part: PartId,
        text: String,
        /// Set on a delta that stands for many faded ones: where each of them ended.
        #[serde(default, skip_serializing_if = "Marks::is_empty")]
        marks: Marks,
        /// Absent for text.
        #[serde(default, skip_serializing_if = "Growing::is_text")]
        of: Growing,
    }
    /// An open part as it is now: a tool that runs, say.
    PartUpdated "partUpdated" { part: Part }
    /// The whole part, which changes no more. One that was never started is complete at once.
    PartCompleted "partCompleted" {
        part: Part,
        /// It was never started: this is all that is told of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
    }
    /// Output of a running tool, before its result.
    ToolOutput "toolOutput" { part: PartId, call: CallId, text: String, #[serde(default)] error: bool }

    AskOpened "askOpened" { ask: Ask }
    AskAnswered "askAnswered" { ask: AskId, answer: Answer, #[serde(default, skip_serializing_if = "Option::is_none")] call: Option<CallId> }
    AskClosed "askClosed" { ask: AskId, reason: Unanswered, #[serde(default, skip_serializing_if = "Option::is_none")] call: Option<CallId> }
    /// A permission that did not have to be asked for: remembered grants decided it.
    AskRemembered "askRemembered" { ask: Ask, allowed: bool, grants: Vec<GrantId> }
    GrantAdded "grantAdded" { grant: Grant }
    GrantRevoked "grantRevoked" { grant: GrantId }

    Queued "queued" { item: QueueItem }
    QueueEdited "queueEdited" { item: QueueId, text: String }
    QueueMoved "queueMoved" { item: QueueId, #[serde(default, skip_serializing_if = "Option::is_none")] before: Option<QueueId> }
    Dequeued "dequeued" { item: QueueId }

    ControlChanged "controlChanged" { control: Control, reason: ControlReason }

    Forked "forked" { into: SessionId, #[serde(default, skip_serializing_if = "Option::is_none")] message: Option<MessageId> }
    /// What follows `message` is hidden, as if it had not been said.
    Reverted "reverted" { message: MessageId, from: Seq, to: Seq, #[serde(default)] inclusive: bool }
    CompactionStarted "compactionStarted" { auto: bool }
    CompactionEnded "compactionEnded" {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<MessageId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    }

    ChildStarted "childStarted" { session: SessionId, name: String, #[serde(default, skip_serializing_if = "Option::is_none")] call: Option<CallId> }
    ChildEnded "childEnded" { session: SessionId, outcome: Outcome }

    UsageReported "usageReported" { usage: Usage, #[serde(default, skip_serializing_if = "Option::is_none")] turn: Option<TurnId> }
    FileChanged "fileChanged" {
        path: String,
        change: FileChange,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    }

    RegisterSet "registerSet" { name: String, version: u64, value: Option<String> }
    /// A message that only its own people can read, as the exact text that came.
    SealedAdded "sealedAdded" {
        id: MessageId,
        number: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<String>,
        content: String,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileChange {
    Created,
    Modified,
    Deleted,
}

/// A line of a log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    #[error("log line: it is not JSON of the right shape")]
    Json(#[from] serde_json::Error),
    #[error("log line: an event of the known kind `{0}` lacks or misuses a field")]
    Known(String),
}

#[derive(Serialize)]
struct Envelope<'a> {
    seq: Seq,
    at: Millis,
    author: &'a Author,
    #[serde(rename = "inTurn", skip_serializing_if = "Option::is_none")]
    turn: Option<&'a TurnId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Moved>,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct Line {
    seq: Seq,
    at: Millis,
    author: Arc<Author>,
    #[serde(default, rename = "inTurn")]
    turn: Option<TurnId>,
    #[serde(default)]
    standing: Option<Moved>,
    #[serde(flatten)]
    event: Event,
}

impl Logged {
    /// An event that tells nothing beside itself.
    pub fn new(seq: Seq, at: Millis, author: Arc<Author>, event: Event) -> Logged {
        Logged { seq, at, author, context: Context::default(), event }
    }
    /// The turn that it belongs to.
    pub fn turn(&self) -> Option<&TurnId> {
        match &self.event {
            Event::TurnStarted { turn, .. } | Event::Steered { turn, .. } | Event::TurnEnded { turn, .. } => Some(turn),
            _ => self.context.turn.as_ref(),
        }
    }
    /// Writes it as one line of JSON (without the line's end), `seq` first.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Context { turn, standing } = &self.context;
        let (turn, standing) = (turn.as_ref(), *standing);
        let envelope =
            Envelope { seq: self.seq, at: self.at, author: &self.author, turn, standing, event: &self.event };
        serde_json::to_writer(out, &envelope).expect("events have text keys, and a Vec takes every byte");
    }
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out
    }
    pub fn read(line: &[u8]) -> Result<Logged, BadLine> {
        let Line { seq, at, author, turn, standing, event } = serde_json::from_slice(line)?;
        if let Event::Unknown(value) = &event {
            let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
            if KINDS.contains(&kind) {
                return Err(BadLine::Known(kind.to_owned()));
            }
        }
        Ok(Logged { seq, at, author, context: Context { turn, standing }, event })
    }
    /// The number of a line, read without parsing the rest of it.
    pub fn peek_seq(line: &[u8]) -> Option<Seq> {
        let digits = line.strip_prefix(b"{\"seq\":")?;
        let end = digits.iter().position(|b| !b.is_ascii_digit())?;
        Seq::new(std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?)
    }
}
