//! Messages that are to be sent, and what is to become of them.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::client::{Error, Event};

/// A message to be sent.
#[derive(Debug)]
pub(in crate::client) struct Given {
    /// Its `type`.
    pub(in crate::client) kind: &'static str,
    /// The id under which its answer is wanted.
    pub(in crate::client) id: String,
    /// The whole frame: sent again, it is the same to the letter.
    pub(in crate::client) frame: Utf8Bytes,
    pub(in crate::client) session: Option<String>,
    pub(in crate::client) what: What,
    /// Its place among those that may wait.
    pub(in crate::client) room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(in crate::client) enum What {
    /// Somebody waits for an answer.
    Ask(Ask),
    /// Nobody does; it is kept until something shows that it has arrived.
    Tell(Tell),
}

#[derive(Debug)]
pub(in crate::client) struct Ask {
    /// The events that may answer it.
    pub(in crate::client) expects: &'static [&'static str],
    pub(in crate::client) path: Option<String>,
    /// Of a `join_session`: what was heard before.
    pub(in crate::client) after: Option<u64>,
    pub(in crate::client) reply: Reply,
}

/// What an answer is for.
#[derive(Debug)]
pub(in crate::client) enum Reply {
    Caller(oneshot::Sender<Result<Answer, Error>>),
    /// It only keeps the connection alive.
    Nobody,
    /// A session is joined again; messages wait until it is.
    Rejoin,
    /// Nothing that was told before is still on its way; messages wait for it.
    Barrier,
    /// What is missing in a session is asked for.
    Repair,
}

/// An answer, and how long after the request it came.
#[derive(Debug)]
pub(in crate::client) struct Answer {
    pub(in crate::client) event: Event,
    pub(in crate::client) after: Duration,
}

/// What shows that a message has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) enum Tell {
    /// A turn that has this id of ours.
    Turn(String),
    /// The end of a turn.
    Stop,
    /// Somebody steered with this text.
    Steer(String),
    /// This question is resolved.
    Answer(String),
    Leave,
}

impl Reply {
    /// Whether somebody still waits.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Reply::Caller(caller) => !caller.is_closed(),
            Reply::Nobody => false,
            Reply::Rejoin | Reply::Barrier | Reply::Repair => true,
        }
    }
    /// Whether messages wait for this answer.
    pub(super) fn holds_others(&self) -> bool {
        matches!(self, Reply::Rejoin | Reply::Barrier)
    }
}

impl Given {
    /// Whether there is any use in sending it.
    pub(super) fn is_wanted(&self) -> bool {
        match &self.what {
            What::Ask(ask) => ask.reply.is_awaited() || matches!(ask.reply, Reply::Nobody),
            What::Tell(_) => true,
        }
    }
}
