//! Sealed messages and how a sealed session stands: kept, numbered and shown, never read.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::header::{Config, Header};
use rejoin_core::id::{MessageId, SessionId};
use rejoin_core::position::{Millis, Position};
use rejoin_core::register::Register;
pub use rejoin_core::sealed::Sealing;
use rejoin_core::who::{Author, Identity};

use super::{Caller, Failure};

/// How many messages are sealed at once, and how many bytes they may have together: they are one append.
pub const MOST_SEALED_AT_ONCE: usize = 256;
pub const LARGEST_SEALING: usize = 32 << 20;
/// The most messages in one page.
pub const MOST_SEALED_IN_PAGE: usize = 1_000;

/// Where a sealed message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedMark {
    pub id: MessageId,
    /// Counts the sealed messages of its session, from 1. Holes are where a backup was restored.
    pub number: u64,
    pub local: Option<String>,
    pub at: Millis,
    /// Its number in the log.
    pub seq: u64,
    /// A message of this local name was there before, or stood earlier in the same request: it is that one.
    pub existed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedMessage {
    pub id: MessageId,
    pub number: u64,
    pub local: Option<String>,
    /// The exact text that came.
    pub content: String,
    pub at: Millis,
    /// Its number in the log.
    pub seq: u64,
    pub author: Arc<Author>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPage {
    pub messages: Vec<SealedMessage>,
    /// Whether there are others beyond the last one of the page.
    pub more: bool,
}

/// A session as somebody needs it who reads no transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedSession {
    pub header: Header,
    pub config: Config,
    pub registers: BTreeMap<String, Register>,
    /// The number of its newest sealed message; 0 if it has none.
    pub sealed: u64,
    pub position: Position,
}

/// Keeps sealed messages and shows them by their own numbers.
#[async_trait]
pub trait Sealed: Send + Sync + 'static {
    /// Adds messages, all of them or none, numbered in their order without a hole. One whose local name was used before in
    /// this session is not added again, whatever it has in it: its mark is that of the first. The marks are in the order of
    /// the messages.
    async fn seal(
        &self,
        caller: &Caller,
        session: &SessionId,
        messages: Vec<Sealing>,
    ) -> Result<Vec<SealedMark>, Failure>;
    /// Messages with numbers above `after`, ascending: at most `most` of them, and about 8 MiB, but one in any case.
    async fn sealed_after(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<SealedPage, Failure>;
    /// Messages with numbers below `before`, descending; bounded in the same way.
    async fn sealed_before(
        &self,
        identity: &Identity,
        session: &SessionId,
        before: u64,
        most: usize,
    ) -> Result<SealedPage, Failure>;
    /// How the session stands. Cheap enough to be asked of each session in a list.
    async fn standing(&self, identity: &Identity, session: &SessionId) -> Result<SealedSession, Failure>;
}
