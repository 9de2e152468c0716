//! Messages on their way: kept in order until the server has confirmed them, and if wanted beyond the end of the process.

mod confirmed;
mod file;
mod flush;
mod sent;
mod socket;

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

use super::Error;
use super::api::NewMessage;
use crate::wire::Posted;
use file::File;
pub(super) use flush::Flusher;
pub use sent::Sent;

/// Messages of one request: what servers take.
const BATCH: usize = 100;
/// Sealed bytes of one request, unless one message alone has more.
const BATCH_BYTES: usize = 4 << 20;
/// Ids of ours that are remembered, for the server tells us of our own messages too. Older ones were told long ago.
const OWN: usize = 20_000;

/// Where messages wait, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxOptions {
    /// Messages that may wait.
    pub items: usize,
    /// Sealed bytes that may wait.
    pub bytes: usize,
    /// A file that keeps what waits, so that it is sent after a restart of the process.
    ///
    /// It belongs to one session and to one process at a time. What is in it is sealed. It is written before sending
    /// returns, and not synced: it survives the end of the process, not that of the machine.
    pub file: Option<PathBuf>,
}

impl Default for OutboxOptions {
    fn default() -> OutboxOptions {
        OutboxOptions { items: 10_000, bytes: 64 << 20, file: None }
    }
}

/// Cheap to clone; all clones are one outbox.
#[derive(Clone)]
pub(super) struct Outbox(Arc<Shared>);

struct Shared {
    options: OutboxOptions,
    state: Mutex<State>,
    /// There is something to send.
    filled: Notify,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    file: Option<File>,
    own: Own,
    pushed: u64,
    /// Why nothing more is taken.
    end: Option<Error>,
}

struct Item {
    message: Arc<NewMessage>,
    /// Whoever waits for the outcome.
    asker: Option<oneshot::Sender<Result<Posted, Error>>>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    settled: u64,
    /// The last one that was not taken: its place, and why.
    failed: Option<(u64, Error)>,
    end: Option<Error>,
}

impl Outbox {
    /// Opens it, with what an earlier process left in its file.
    pub(super) fn open(options: &OutboxOptions, session: &str) -> Result<Outbox, Error> {
        let mut state = State::default();
        if let Some(path) = &options.file {
            let (file, left) = File::open(path, session)?;
            for message in left {
                state.push(Arc::new(message), None);
            }
            state.file = Some(file);
        }
        Ok(Outbox(Arc::new(Shared {
            options: options.clone(),
            state: Mutex::new(state),
            filled: Notify::new(),
            progress: watch::Sender::default(),
        })))
    }

    /// Adds a sealed message behind those that wait.
    pub(super) fn push(&self, content: String) -> Result<Sent, Error> {
        self.push_as(content, &Uuid::now_v7().to_string())
    }

    /// The same under an id that whoever asks will find again.
    pub(super) fn push_as(&self, content: String, local_id: &str) -> Result<Sent, Error> {
        let message = Arc::new(NewMessage { content, local_id: local_id.to_owned() });
        let (asker, outcome) = oneshot::channel();
        let sent = Sent::new(message.local_id.clone(), outcome);
        let mut state = self.state();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        let (items, bytes) = (state.items.len(), state.bytes);
        let fits = items < self.0.options.items && bytes + message.content.len() <= self.0.options.bytes;
        // One that is larger than all the room there is goes alone.
        if !fits && items > 0 {
            return Err(Error::OutboxFull { items, bytes });
        }
        if let Some(file) = &mut state.file {
            file.put(&message)?;
        }
        state.push(message, Some(asker));
        drop(state);
        self.0.filled.notify_one();
        Ok(sent)
    }

    /// Whether a message that the server tells of is ours.
    pub(super) fn is_own(&self, local_id: &str) -> bool {
        self.state().own.has(local_id)
    }

    /// Messages and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.state();
        (state.items.len(), state.bytes)
    }

    /// Returns once everything that was pushed until now is settled.
    pub(super) async fn flush(&self, patience: Duration) -> Result<(), Error> {
        let mut progress = self.0.progress.subscribe();
        let begun = progress.borrow().settled;
        let all = self.state().pushed;
        let settled = progress.wait_for(|progress| progress.settled >= all || progress.end.is_some());
        let progress = match timeout(patience, settled).await {
            Err(_) => return Err(Error::Timeout("flushing")),
            Ok(progress) => progress.map_err(|_| Error::Closed)?.clone(),
        };
        match (progress.failed, progress.end) {
            (Some((at, error)), _) if at > begun => Err(error),
            (_, Some(end)) if progress.settled < all => Err(end),
            _ => Ok(()),
        }
    }

    /// Returns once there is room again.
    pub(super) async fn room(&self) {
        let mut progress = self.0.progress.subscribe();
        let (items, bytes) = (self.0.options.items, self.0.options.bytes);
        loop {
            progress.borrow_and_update();
            {
                let state = self.state();
                // Half of it, so that whoever waits does not come back for a single message.
                if state.end.is_some() || (state.items.len() <= items / 2 && state.bytes <= bytes / 2) {
                    return;
                }
            }
            if progress.changed().await.is_err() {
                return;
            }
        }
    }

    /// Nothing more is taken or sent. What a file keeps stays there.
    pub(super) fn end(&self, why: Error) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.end = Some(why.clone());
        for item in state.items.drain(..) {
            item.tell(Err(why.clone()));
        }
        state.file = None;
        drop(state);
        self.0.filled.notify_one();
        self.0.progress.send_modify(|progress| progress.end = Some(why));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no holder of this lock panics")
    }

    // What follows is for the one who sends.

    /// The oldest messages, up to so many; waits until there is one. None: it is over.
    async fn oldest(&self, most: usize) -> Option<Vec<Arc<NewMessage>>> {
        loop {
            {
                let state = self.state();
                if state.end.is_some() {
                    return None;
                }
                if !state.items.is_empty() {
                    return Some(state.oldest(most));
                }
            }
            self.0.filled.notified().await;
        }
    }

    /// Messages behind so many of the oldest, up to so many.
    fn behind(&self, count: usize, most: usize) -> Vec<Arc<NewMessage>> {
        let state = self.state();
        if state.end.is_some() {
            return Vec::new();
        }
        state.items.iter().skip(count).take(most).map(|item| item.message.clone()).collect()
    }

    /// Returns when messages were added, or there will be no more.
    async fn grown(&self) {
        self.0.filled.notified().await;
    }

    /// The oldest messages are settled, each with its outcome.
    fn settle(&self, outcomes: Vec<Result<Posted, Error>>) {
        let mut state = self.state();
        let mut done = Vec::with_capacity(outcomes.len());
        let mut failed = None;
        let first = self.0.progress.borrow().settled;
        for (at, outcome) in (1..).zip(outcomes) {
            let Some(item) = state.items.pop_front() else { break };
            state.bytes -= item.message.content.len();
            if let Err(error) = &outcome {
                tracing::warn!(local_id = item.message.local_id, %error, "happy: a message was not taken");
                failed = Some((first + at, error.clone()));
            }
            done.push(item.message.clone());
            item.tell(outcome);
        }
        let is_empty = state.items.is_empty();
        if let Some(file) = &mut state.file {
            file.done(&done, is_empty);
        }
        drop(state);
        self.0.progress.send_modify(|progress| {
            progress.settled += done.len() as u64;
            progress.failed = failed.or(progress.failed.take());
        });
    }
}

impl State {
    fn push(&mut self, message: Arc<NewMessage>, asker: Option<oneshot::Sender<Result<Posted, Error>>>) {
        self.bytes += message.content.len();
        self.pushed += 1;
        self.own.add(&message.local_id);
        self.items.push_back(Item { message, asker });
    }

    fn oldest(&self, most: usize) -> Vec<Arc<NewMessage>> {
        let mut bytes = 0;
        let fits = |item: &&Item| {
            bytes += item.message.content.len();
            bytes <= BATCH_BYTES || bytes == item.message.content.len()
        };
        self.items.iter().take(most).take_while(fits).map(|item| item.message.clone()).collect()
    }
}

impl Item {
    fn tell(self, outcome: Result<Posted, Error>) {
        if let Some(asker) = self.asker {
            let _ = asker.send(outcome); // it may not want to know any more
        }
    }
}

/// Ids of messages that are ours, as long as the server may still tell us of them.
#[derive(Default)]
struct Own {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Own {
    fn add(&mut self, local_id: &str) {
        if self.order.len() == OWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(local_id.to_owned());
        self.order.push_back(local_id.to_owned());
    }

    fn has(&self, local_id: &str) -> bool {
        self.known.contains(local_id)
    }
}
