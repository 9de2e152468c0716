//! What an agent does, as it says it. The rules turn happenings into events; an agent never writes to a log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::{AskBody, Authority};
use crate::event::FileChange;
use crate::header::AgentStatus;
use crate::id::{AskId, CallId, TurnId};
use crate::part::PlanItem;
use crate::usage::Usage;

/// A happening and the turn it belongs to. What belongs to a turn that is over is dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct FromAgent {
    pub turn: Option<TurnId>,
    pub happening: Happening,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// More of the answer. Opens a text part if none is open.
    Text(String),
    /// More reasoning.
    Thinking(String),
    /// Ends the open text or reasoning part without starting anything.
    Pause,
    /// A tool call is known: pending.
    ToolCalled {
        call: CallId,
        name: String,
        input: Value,
    },
    /// A tool call whose arguments still stream in.
    ToolArguments {
        call: CallId,
        name: String,
        delta: String,
    },
    /// It runs now. Committed before the tool really starts.
    ToolStarted {
        call: CallId,
        input: Option<Value>,
    },
    ToolOutput {
        call: CallId,
        text: String,
        error: bool,
    },
    ToolEnded {
        call: CallId,
        result: Result<Value, String>,
    },
    /// A call that came and went in one: never pending, never merged.
    ToolDone {
        call: CallId,
        name: String,
        input: Value,
        output: Value,
    },
    Asked(NewAsk),
    /// The agent takes an ask back.
    AskWithdrawn(AskId),
    Plan(Vec<PlanItem>),
    Image {
        mime: String,
        url: String,
    },
    File {
        name: Option<String>,
        mime: String,
        url: String,
    },
    Step {
        number: u32,
        finish: Option<String>,
        usage: Option<Usage>,
    },
    Raw {
        source: String,
        value: Value,
    },
    Usage(Usage),
    Title(String),
    FileChanged {
        path: String,
        change: FileChange,
        version: Option<u64>,
        hash: Option<String>,
        size: Option<u64>,
    },
    /// Start a child session with this prompt; its end comes back as an order.
    Task {
        name: String,
        text: String,
        call: Option<CallId>,
    },
    Compacted {
        summary: String,
    },
    CompactionFailed {
        error: String,
    },
    Done,
    Failed {
        code: String,
        message: String,
        retry_ms: Option<u64>,
    },
    Life {
        status: AgentStatus,
        detail: Option<String>,
    },
}

/// An ask as its agent words it. The id is the agent's choice, so that it knows the answer when it comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewAsk {
    pub id: AskId,
    pub call: Option<CallId>,
    pub question: String,
    pub body: AskBody,
    pub authority: Authority,
    pub capabilities: Vec<String>,
    /// Milliseconds until it expires; absent: as the session is configured.
    pub expires_ms: Option<u64>,
    pub bookmark: Option<String>,
}
