//! The rules say no. Every refusal has a stable code, and leaves nothing behind.

use crate::control::Holder;
use crate::id::{AskId, GrantId, MessageId, QueueId};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("your role does not allow this")]
    Forbidden,
    #[error("a turn is running")]
    Busy,
    #[error("no turn is running")]
    NotRunning,
    #[error("the session is closed; reopen it first")]
    Closed,
    #[error("the session has ended")]
    Ended,
    #[error("the session has not ended")]
    NotEnded,
    #[error("the session is archived; unarchive it first")]
    Archived,
    #[error("the session is end-to-end encrypted: the gateway runs no agent for it")]
    Sealed,
    #[error("the session is not end-to-end encrypted")]
    NotSealed,
    #[error("nobody waits for an answer to ask {0}")]
    NotWaiting(AskId),
    #[error("that answer does not fit the ask")]
    WrongAnswer,
    #[error("the client lacks a capability that the ask requires")]
    NotEligible,
    #[error("another client has control")]
    NotController { holder: Option<Holder> },
    #[error("a client id is needed for this")]
    ClientRequired,
    #[error("another client has control already")]
    AlreadyControlled,
    #[error("this client has control already")]
    AlreadyController,
    #[error("nobody has control")]
    Uncontrolled,
    #[error("a takeover is waiting for an answer")]
    TakeoverPending,
    #[error("no takeover is waiting for an answer")]
    NoTakeover,
    #[error("the takeover was asked for by another client")]
    TakeoverMismatch,
    #[error("control is in its grace period")]
    ControlInGrace,
    #[error("the queue holds {} prompts already", crate::queue::MOST_QUEUED)]
    QueueFull,
    #[error("there is no queue item {0}")]
    NoSuchItem(QueueId),
    #[error("there is no message {0} in what is visible of the session")]
    NoSuchMessage(MessageId),
    #[error("there is no grant {0}")]
    NoSuchGrant(GrantId),
    #[error("a title, label or name is too long, or there are too many")]
    TooLong,
    #[error("the text is empty")]
    Empty,
    #[error("there is too little to compact")]
    TooLittle,
    #[error("the session is compacting already")]
    Compacting,
    #[error("the budget is used up")]
    BudgetExceeded,
    #[error("the register is at version {version}")]
    VersionMismatch { version: u64, value: Option<String> },
    #[error("the gateway is stopping: it takes answers and interrupts, and no new turns")]
    Stopping,
}

impl Refusal {
    /// The stable code that clients switch on.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Forbidden => "forbidden",
            Refusal::Busy => "busy",
            Refusal::NotRunning => "not_running",
            Refusal::Closed => "session_closed",
            Refusal::Ended => "session_ended",
            Refusal::NotEnded => "session_not_ended",
            Refusal::Archived => "session_archived",
            Refusal::Sealed => "session_sealed",
            Refusal::NotSealed => "session_not_sealed",
            Refusal::NotWaiting(_) => "not_waiting",
            Refusal::WrongAnswer => "wrong_answer",
            Refusal::NotEligible => "not_eligible",
            Refusal::NotController { .. } => "not_controller",
            Refusal::ClientRequired => "client_required",
            Refusal::AlreadyControlled => "already_controlled",
            Refusal::AlreadyController => "already_controller",
            Refusal::Uncontrolled => "uncontrolled",
            Refusal::TakeoverPending => "takeover_pending",
            Refusal::NoTakeover => "no_takeover_pending",
            Refusal::TakeoverMismatch => "takeover_mismatch",
            Refusal::ControlInGrace => "control_in_grace",
            Refusal::QueueFull => "queue_full",
            Refusal::NoSuchItem(_) => "no_such_item",
            Refusal::NoSuchMessage(_) => "no_such_message",
            Refusal::NoSuchGrant(_) => "no_such_grant",
            Refusal::TooLong => "too_long",
            Refusal::Empty => "empty",
            Refusal::TooLittle => "too_little",
            Refusal::Compacting => "compacting",
            Refusal::BudgetExceeded => "budget_exceeded",
            Refusal::VersionMismatch { .. } => "version_mismatch",
            Refusal::Stopping => "stopping",
        }
    }

    /// Every code, for documents and their tests.
    pub const CODES: &[&str] = &[
        "forbidden",
        "busy",
        "not_running",
        "session_closed",
        "session_ended",
        "session_not_ended",
        "session_archived",
        "session_sealed",
        "session_not_sealed",
        "not_waiting",
        "wrong_answer",
        "not_eligible",
        "not_controller",
        "client_required",
        "already_controlled",
        "already_controller",
        "uncontrolled",
        "takeover_pending",
        "no_takeover_pending",
        "takeover_mismatch",
        "control_in_grace",
        "queue_full",
        "no_such_item",
        "no_such_message",
        "no_such_grant",
        "too_long",
        "empty",
        "too_little",
        "compacting",
        "budget_exceeded",
        "version_mismatch",
        "stopping",
    ];
}
