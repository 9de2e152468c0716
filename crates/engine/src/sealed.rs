//! Sealed messages: added by owners, and shown by pages of their own numbers.

mod finding;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use rejoin_core::event::{Event, Logged};
use rejoin_core::header::SessionKind;
use rejoin_core::id::{CommandId, MessageId, SessionId, UserId};
use rejoin_core::position::{Millis, Seq};
use rejoin_core::refusal::Refusal;
use rejoin_core::session::Session;
use rejoin_core::who::{Author, Identity};
use rejoin_ports::gateway::{
    Caller, Failure, LARGEST_SEALING, MOST_SEALED_AT_ONCE, MOST_SEALED_IN_PAGE, Sealed, SealedMark, SealedMessage,
    SealedPage, SealedSession, Sealing,
};
use rejoin_ports::store::{PAGE_EVENTS, StoreError, receipt_name};

use crate::engine::Engine;
use crate::owner::Request;
pub(crate) use finding::Places;

/// About how many bytes of content a page has at most.
const PAGE_CONTENT: usize = 8 << 20;
/// How many events are read at once at least.
const LEAST_READ: usize = 64;

/// Messages to be sealed, with what the receipts of their local names are called.
pub(crate) struct Sealings {
    pub(crate) messages: Vec<Sealing>,
    pub(crate) names: Vec<Option<[u8; 16]>>,
}

impl Sealings {
    pub(crate) fn new(messages: Vec<Sealing>) -> Sealings {
        let name = |message: &Sealing| Some(receipt_name(&KEEPER, &CommandId::of_local(message.local.as_ref()?)));
        let names = messages.iter().map(name).collect();
        Sealings { messages, names }
    }
}

/// Whose the receipts of local names are: they belong to the session, whoever seals.
pub(crate) static KEEPER: LazyLock<UserId> = LazyLock::new(|| Author::gateway().user);

/// Where a message is that somebody wanted to seal.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) seq: u64,
    /// Absent for one that was there before the request: whoever wants to know reads it.
    pub(crate) fresh: Option<Fresh>,
    pub(crate) existed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    pub(crate) id: MessageId,
    pub(crate) number: u64,
    pub(crate) at: Millis,
}

#[async_trait]
impl Sealed for Engine {
    async fn seal(
        &self,
        caller: &Caller,
        session: &SessionId,
        messages: Vec<Sealing>,
    ) -> Result<Vec<SealedMark>, Failure> {
        let header = self.let_in(&caller.identity, session).await?;
        if self.inner.is_read_only(session) {
            return Err(Failure::ReadOnly);
        }
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        if messages.len() > MOST_SEALED_AT_ONCE || bytes > LARGEST_SEALING {
            return Err(Refusal::TooLong.into());
        }
        let wanted = Arc::new(Sealings::new(messages));
        let seal = |reply| Request::Seal { caller: caller.clone(), wanted: wanted.clone(), reply };
        let done = self.inner.request(session, || header, crate::sessions::patience(caller), seal).await?;
        let before = self.read_again(session, &done.sealed).await?;
        let mark = |(put, message): (&Put, &Sealing)| {
            let Fresh { id, number, at } = match &put.fresh {
                Some(fresh) => fresh.clone(),
                None => before.get(&put.seq).cloned().ok_or(Failure::NotFound("session"))?, // deleted meanwhile
            };
            let local = message.local.clone();
            Ok(SealedMark { id, number, local, at, seq: put.seq, existed: put.existed })
        };
        done.sealed.iter().zip(&wanted.messages).map(mark).collect()
    }

    async fn sealed_after(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> Result<SealedPage, Failure> {
        let log = self.look(identity, session).await?.log()?;
        let mut page = Filling::new(most);
        let mut at = self.behind_number(session, &log, after).await?;
        'reading: while at < log.tip {
            let batch = self.inner.store.read(session, at, page.room()).await?.batch;
            let Some(last) = batch.last() else { break };
            for (_, line) in batch.iter() {
                let logged = read(line)?;
                if logged.seq.get() > log.tip || !page.take(logged, |number| number > after) {
                    break 'reading;
                }
            }
            if page.last().is_some_and(|last| last.number >= log.sealed) {
                break;
            }
            at = last.get();
        }
        if let Some(last) = page.last() {
            self.inner.places.remember(session, &log, last.number, last.seq);
        }
        Ok(page.done())
    }

    async fn sealed_before(
        &self,
        identity: &Identity,
        session: &SessionId,
        before: u64,
        most: usize,
    ) -> Result<SealedPage, Failure> {
        let log = self.look(identity, session).await?.log()?;
        let mut page = Filling::new(most);
        let mut upto = match before.checked_sub(1) {
            Some(newest) => self.behind_number(session, &log, newest).await?,
            None => 0,
        };
        'reading: while upto > 0 {
            let found = self.inner.store.read_back(session, upto).await?;
            let Some(first) = found.batch.first() else { break };
            let lines: Vec<_> = found.batch.iter().collect();
            for (_, line) in lines.into_iter().rev() {
                if !page.take(read(line)?, |number| number < before) {
                    break 'reading;
                }
            }
            if !found.more || page.last().is_some_and(|last| last.number == 1) {
                break;
            }
            upto = first.get() - 1;
        }
        if let Some(last) = page.last() {
            self.inner.places.remember(session, &log, last.number - 1, last.seq - 1);
        }
        Ok(page.done())
    }

    async fn standing(&self, identity: &Identity, session: &SessionId) -> Result<SealedSession, Failure> {
        let Looked { fold, tip } = self.look(identity, session).await?;
        Ok(SealedSession {
            header: fold.header.clone(),
            config: fold.config.clone(),
            registers: fold.registers.clone(),
            sealed: fold.sealed,
            position: self.position(tip),
        })
    }
}

/// What there was at one moment.
struct Looked {
    fold: Arc<Session>,
    tip: u64,
}

/// What finding messages needs of that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    pub(crate) tip: u64,
    /// The newest number that was given.
    pub(crate) sealed: u64,
    /// Tells this log from another that had its name before.
    pub(crate) created_at: Millis,
}

impl Looked {
    fn log(self) -> Result<Log, Failure> {
        let Looked { fold, tip } = self;
        match fold.header.kind {
            SessionKind::Hosted => Err(Refusal::NotSealed.into()),
            SessionKind::Sealed => Ok(Log { tip, sealed: fold.sealed, created_at: fold.header.created_at }),
        }
    }
}

impl Engine {
    async fn look(&self, identity: &Identity, session: &SessionId) -> Result<Looked, Failure> {
        let follower = self.follower(identity, session).await?;
        let mut state = follower.state();
        Ok(Looked { fold: state.fold(), tip: state.tip })
    }

    /// What was put before a request, by its number in the log.
    async fn read_again(&self, session: &SessionId, puts: &[Put]) -> Result<HashMap<u64, Fresh>, Failure> {
        let mut wanted: Vec<u64> = puts.iter().filter(|put| put.fresh.is_none()).map(|put| put.seq).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = HashMap::with_capacity(wanted.len());
        let mut rest = wanted.as_slice();
        while let [next, ..] = rest {
            // Neighbours most often: what is sent again was sent together.
            let most = rest.partition_point(|seq| seq - next < PAGE_EVENTS as u64);
            let batch = self.inner.store.read(session, next - 1, (rest[most - 1] - next + 1) as usize).await?.batch;
            for (seq, line) in batch.iter() {
                if rest.first() == Some(&seq.get()) {
                    let Logged { at, event, .. } = read(line)?;
                    if let Event::SealedAdded { id, number, .. } = event {
                        found.insert(seq.get(), Fresh { id, number, at });
                    }
                    rest = &rest[1..];
                }
            }
            // What is not there was deleted from under us.
            let upto = batch.last().map_or(u64::MAX, Seq::get);
            rest = &rest[rest.partition_point(|seq| *seq <= upto)..];
        }
        Ok(found)
    }
}

fn read(line: &[u8]) -> Result<Logged, Failure> {
    let unreadable = |error: rejoin_core::event::BadLine| {
        Failure::Store(StoreError::Corrupt { doing: "reading sealed messages", why: error.to_string() })
    };
    Logged::read(line).map_err(unreadable)
}

/// A page that is being filled.
struct Filling {
    messages: Vec<SealedMessage>,
    most: usize,
    bytes: usize,
    more: bool,
}

impl Filling {
    fn new(most: usize) -> Filling {
        Filling { messages: Vec::new(), most: most.clamp(1, MOST_SEALED_IN_PAGE), bytes: 0, more: false }
    }

    /// How many events may be of use: the messages that fit, and the one that says that there are more. Other events may
    /// stand between them.
    fn room(&self) -> usize {
        (self.most - self.messages.len() + 1).clamp(LEAST_READ, PAGE_EVENTS)
    }

    fn is_full(&self) -> bool {
        self.messages.len() == self.most
    }

    fn last(&self) -> Option<&SealedMessage> {
        self.messages.last()
    }

    /// Takes an event, if it is a message that is wanted. `false`: the page is done, and there are more.
    fn take(&mut self, logged: Logged, is_wanted: impl Fn(u64) -> bool) -> bool {
        let Logged { seq, at, author, event: Event::SealedAdded { id, number, local, content }, .. } = logged else {
            return true;
        };
        if !is_wanted(number) {
            return true;
        }
        let fits = self.messages.is_empty() || self.bytes + content.len() <= PAGE_CONTENT;
        if self.is_full() || !fits {
            self.more = true;
            return false;
        }
        self.bytes += content.len();
        self.messages.push(SealedMessage { id, number, local, content, at, seq: seq.get(), author });
        true
    }

    fn done(self) -> SealedPage {
        SealedPage { messages: self.messages, more: self.more }
    }
}
