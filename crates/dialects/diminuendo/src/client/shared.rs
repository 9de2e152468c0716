//! What a client and the task behind it share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::handlers::Handlers;
use super::pump::given::Given;
use super::pump::{OUTBOX, Pump};
use super::stream::Streams;
use super::{ClientOptions, Error, frame};
use crate::wire::Identity;

pub(super) struct Shared {
    pub(super) options: ClientOptions,
    pub(super) handlers: Arc<Handlers>,
    pub(super) streams: Streams,
    pub(super) state: watch::Sender<State>,
    /// Room for messages that wait.
    pub(super) room: Arc<Semaphore>,
    /// The way to the task, while there is one that goes on.
    running: Mutex<Option<Running>>,
    ids: AtomicU64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// There is a task: connecting, connected, waiting to connect again, or parting.
    pub(super) runs: bool,
    pub(super) connected: bool,
    pub(super) authenticated: bool,
    pub(super) identity: Option<Identity>,
}

struct Running {
    given: mpsc::Sender<Given>,
    stop: CancellationToken,
}

impl Shared {
    pub(super) fn new(options: ClientOptions) -> Shared {
        Shared {
            options,
            handlers: Arc::default(),
            streams: Streams::default(),
            state: watch::Sender::default(),
            room: Arc::new(Semaphore::new(OUTBOX)),
            running: Mutex::new(None),
            ids: AtomicU64::new(1),
        }
    }

    /// Starts the task, unless there is one: then `None`. The task before must have ended.
    pub(super) fn start(self: &Arc<Shared>) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let mut running = self.running();
        if running.is_some() || self.state.borrow().runs {
            return None;
        }
        let (given, given_out) = mpsc::channel(OUTBOX);
        let (first, outcome) = oneshot::channel();
        let stop = CancellationToken::new();
        let pump = Pump::new(self.clone(), stop.clone(), given_out);
        *running = Some(Running { given, stop });
        self.state.send_modify(|state| state.runs = true);
        tokio::spawn(pump.run(first));
        Some(outcome)
    }

    /// Whether there is a task that goes on.
    pub(super) fn goes_on(&self) -> bool {
        self.running().is_some()
    }

    /// Hands a message to the task.
    pub(super) fn give(&self, given: Given) -> Result<(), Error> {
        let running = self.running();
        let running = running.as_ref().ok_or(Error::NotConnected)?;
        running.given.try_send(given).map_err(|why| match why {
            mpsc::error::TrySendError::Full(_) => Error::OutboxFull(OUTBOX),
            mpsc::error::TrySendError::Closed(_) => Error::NotConnected,
        })
    }

    pub(super) fn next_id(&self) -> String {
        frame::id(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells the task to part. From now on nothing can be sent.
    pub(super) fn stop(&self) {
        if let Some(running) = self.running().take() {
            running.stop.cancel();
        }
        self.closed();
    }

    // What follows is for the task.

    pub(super) fn opened(&self, stop: &CancellationToken) {
        self.state.send_modify(|state| state.connected = !stop.is_cancelled());
    }

    pub(super) fn signed_in(&self, stop: &CancellationToken, identity: Option<Identity>) {
        self.state.send_modify(|state| {
            if !stop.is_cancelled() {
                state.authenticated = true;
                state.identity = identity;
            }
        });
    }

    /// There is no connection any more.
    pub(super) fn closed(&self) {
        self.state.send_modify(|state| *state = State { runs: state.runs, ..State::default() });
    }

    /// The task will not connect again.
    pub(super) fn retire(&self, stop: &CancellationToken) {
        stop.cancel(); // so that it is known for this one
        self.running().take_if(|running| running.stop.is_cancelled());
    }

    /// The task has ended.
    pub(super) fn ended(&self) {
        self.streams.close();
        self.state.send_modify(|state| *state = State::default());
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().expect("no holder of this lock panics")
    }
}
