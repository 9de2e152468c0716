//! Requests that were sent and not answered, and whose answer an answer is.
//!
//! A gateway that repeats the id of a request says so itself. With others the oldest request is answered that the answer
//! fits; a request that nobody waits for any more stays for a while, so that its late answer is not taken for another's.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::given::{Ask, Reply};
use crate::client::event::Label;

/// How long a late answer is expected.
const LATE: Duration = Duration::from_secs(30);

/// Requests in the order in which they were sent. Callers' own have room in the outbox until they go, and the others are
/// one for each joined session and a few pings, so it is bounded.
#[derive(Debug)]
pub(super) struct Pending {
    sent: Vec<Sent>,
    /// Whether this gateway repeats ids.
    repeats: bool,
    timeout: Duration,
}

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) session: Option<String>,
    pub(super) ask: Ask,
    /// How many messages were sent before.
    pub(super) number: u64,
    pub(super) at: Instant,
    /// The session was left since.
    pub(super) left: bool,
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl Pending {
    pub(super) fn new(timeout: Duration) -> Pending {
        Pending { sent: Vec::new(), repeats: false, timeout }
    }

    pub(super) fn push(&mut self, sent: Sent) {
        let now = sent.at;
        self.sent.retain(|sent| sent.ask.reply.is_awaited() || now < sent.at + self.timeout + LATE);
        self.sent.push(sent);
    }

    /// The gateway repeats ids.
    pub(super) fn repeats(&mut self) {
        self.repeats = true;
    }

    /// The request that this frame answers.
    pub(super) fn answered(&mut self, label: &Label<'_>) -> Option<Sent> {
        let index = match &label.answers {
            Some(id) => self.sent.iter().position(|sent| sent.id == *id && sent.expects(&label.name))?,
            None if self.repeats => return None,
            None => self.sent.iter().position(|sent| sent.fits(label))?,
        };
        Some(self.sent.remove(index))
    }

    /// The request that an error is about: the one it names, or else the oldest that somebody waits for.
    pub(super) fn refused(&mut self, label: &Label<'_>) -> Option<Sent> {
        let index = match &label.answers {
            Some(id) => self.sent.iter().position(|sent| sent.id == *id)?,
            None => self.sent.iter().position(|sent| sent.ask.reply.is_awaited())?,
        };
        Some(self.sent.remove(index))
    }

    /// A session is left: what joins it does not make it joined.
    pub(super) fn leave(&mut self, session: &str) {
        for sent in &mut self.sent {
            sent.left |= sent.session.as_deref() == Some(session);
        }
    }

    /// Whether messages wait for one of these.
    pub(super) fn hold_others(&self) -> bool {
        self.sent.iter().any(|sent| sent.ask.reply.holds_others())
    }

    pub(super) fn unanswered_pings(&self) -> usize {
        self.sent.iter().filter(|sent| matches!(sent.ask.reply, Reply::Nobody)).count()
    }

    /// When the next of our own requests is given up.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.sent.iter().filter(|sent| sent.is_ours()).map(|sent| sent.at + self.timeout).min()
    }

    /// Our own requests that were not answered in time.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Sent> {
        let timeout = self.timeout;
        self.sent.extract_if(.., |sent| sent.is_ours() && sent.at + timeout <= now).collect()
    }

    /// The connection is gone: nothing will be answered.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Sent> {
        self.repeats = false;
        std::mem::take(&mut self.sent).into_iter()
    }
}

impl Sent {
    fn is_ours(&self) -> bool {
        matches!(self.ask.reply, Reply::Rejoin | Reply::Barrier | Reply::Repair)
    }

    fn expects(&self, name: &str) -> bool {
        self.ask.expects.contains(&name)
    }

    /// Whether this may be its answer, as far as one can tell.
    fn fits(&self, label: &Label<'_>) -> bool {
        let same_session = match (&self.session, &label.session) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        let same_path = match (&self.ask.path, &label.path) {
            (Some(ours), Some(theirs)) => plain(ours) == plain(theirs),
            _ => true,
        };
        self.expects(&label.name) && same_session && same_path
    }
}

/// A path without what may be left away.
fn plain(path: &str) -> &str {
    let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
    if path == "." { "" } else { path }
}
