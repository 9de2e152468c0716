//! A session as it is now: the fold of everything that happened in it. It is bounded; the transcript is the log itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::control::Control;
use crate::event::{Event, Logged};
use crate::grant::Grant;
use crate::header::{Config, Header, Status};
use crate::id::{AskId, GrantId, MessageId};
use crate::position::{Millis, Seq, Tip};
use crate::queue::QueueItem;
use crate::register::Register;
use crate::turn::OpenTurn;

/// Raised when a snapshot of an older version of the fold must not be used any more.
pub const FOLD_VERSION: u32 = 1;
/// How many reverted stretches are remembered; neighbours are merged, so this is hard to reach.
pub const MOST_HIDDEN: usize = 256;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub tip: Tip,
    pub header: Header,
    pub config: Config,
    pub turn: Option<OpenTurn>,
    pub asks: BTreeMap<AskId, Ask>,
    pub queue: Vec<QueueItem>,
    pub control: Control,
    pub grants: BTreeMap<GrantId, Grant>,
    pub registers: BTreeMap<String, Register>,
    /// How many sealed messages there are.
    pub sealed: u64,
    /// Stretches that a revert took out of sight: first and last number.
    pub hidden: Vec<(Seq, Seq)>,
    pub compacting: bool,
    /// How many messages there are, hidden ones included.
    pub messages: u64,
    pub last_message: Option<MessageId>,
}

/// A log that does not begin as every log does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log: the first event is not the session's creation")]
pub struct NotALog;

impl Session {
    /// Begins with the first event of a log.
    pub fn begin(first: &Logged) -> Result<Session, NotALog> {
        let Event::SessionCreated { header, config } = &first.event else {
            return Err(NotALog);
        };
        Ok(Session {
            tip: Some(first.seq),
            header: (**header).clone(),
            config: (**config).clone(),
            turn: None,
            asks: BTreeMap::new(),
            queue: Vec::new(),
            control: Control::Free,
            grants: BTreeMap::new(),
            registers: BTreeMap::new(),
            sealed: 0,
            hidden: Vec::new(),
            compacting: false,
            messages: 0,
            last_message: None,
        })
    }

    /// Lives through a whole log.
    pub fn replay<'a>(log: impl IntoIterator<Item = &'a Logged>) -> Result<Session, NotALog> {
        let mut log = log.into_iter();
        let mut session = Session::begin(log.next().ok_or(NotALog)?)?;
        log.for_each(|logged| session.apply(logged));
        Ok(session)
    }

    pub fn next_seq(&self) -> Seq {
        Seq::after(self.tip)
    }

    /// Whether a revert took the event with this number out of sight.
    pub fn hides(&self, seq: Seq) -> bool {
        let behind = self.hidden.partition_point(|(first, _)| *first <= seq);
        behind.checked_sub(1).is_some_and(|at| seq <= self.hidden[at].1)
    }

    pub fn is_open(&self) -> bool {
        !matches!(self.header.status, Status::Closed | Status::Ended)
    }

    /// When something must be decided if nobody acts before.
    pub fn wake_at(&self) -> Option<Millis> {
        // A copy of a child's ask expires with the child.
        let own = self.asks.values().filter(|ask| ask.origin.is_none());
        let asks = own.filter_map(|ask| ask.deadline);
        let end = self.ends_at().filter(|_| self.header.end.is_none());
        asks.chain(self.control.wake_at()).chain(end).min()
    }

    /// When its time to live is over.
    pub fn ends_at(&self) -> Option<Millis> {
        self.config.ttl_ms.map(|ttl| self.header.created_at.saturating_add(ttl))
    }
}
