//! A session that polls: what its requests and its task have in common.
//!
//! A poll takes all that waits, or waits itself. A post hands over its packets, and is answered when they are safe with us:
//! so nothing is out of order when a WebSocket takes over, for clients let both end before that.

mod posted;
mod switching;
mod under_way;

use std::sync::{Mutex, MutexGuard};

use axum::body::Body;
use rejoin_socket::Socket;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

pub(super) use self::posted::Posted;
use self::under_way::UnderWay;
use super::outgoing::{Packet, Queue};
use super::refused::Refused;
use crate::packet::payload::SEPARATOR;
use crate::packet::{Engine, LARGEST};

pub(super) struct Session {
    state: Mutex<State>,
    /// Each wakes the one who may wait for it.
    task: Notify,
    poll: Notify,
    post: Notify,
    over: CancellationToken,
}

struct State {
    outbox: Queue,
    /// Bytes that polls took.
    taken: u64,
    posted: Option<Posted>,
    /// Posted packets that the task has not done with. Until then no other body is read.
    occupied: bool,
    /// A request of its kind is under way; clients make one at a time.
    polls: bool,
    posts: bool,
    carrier: Carrier,
    _place: Option<OwnedSemaphorePermit>,
}

/// What carries the packets.
enum Carrier {
    Polling,
    /// Polling, while a WebSocket is being tried.
    Trying,
    /// The same, and the client waits for its poll to end.
    Switching,
    /// A WebSocket; it lies here until the task takes it.
    Socket(Option<Box<Socket>>),
}

/// What wakes the task.
pub(super) enum News {
    Posted(Posted),
    /// All that waited was taken.
    Taken,
    Switched(Switched),
    Gone,
}

/// What a new carrier begins with.
pub(super) struct Switched {
    pub(super) socket: Box<Socket>,
    /// What no poll took, and no task has heard.
    pub(super) outbox: Queue,
    pub(super) posted: Option<Posted>,
}

impl Session {
    pub(super) fn new(place: OwnedSemaphorePermit) -> Session {
        let state = State {
            outbox: Queue::default(),
            taken: 0,
            posted: None,
            occupied: false,
            polls: false,
            posts: false,
            carrier: Carrier::Polling,
            _place: Some(place),
        };
        Session {
            state: Mutex::new(state),
            task: Notify::new(),
            poll: Notify::new(),
            post: Notify::new(),
            over: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Nothing more is said or heard.
    pub(super) fn end(&self) {
        self.over.cancel();
        self.task.notify_one();
    }

    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// For the task.
impl Session {
    pub(super) fn push(&self, packets: &mut Queue) {
        self.lock().outbox.append(packets);
        self.poll.notify_one();
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().outbox.bytes()
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().outbox.is_full(0)
    }

    pub(super) fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// All packets of a post were heard.
    pub(super) fn heard(&self) {
        self.lock().occupied = false;
        self.post.notify_one();
    }

    /// What happens next. May be dropped and called again at any time.
    pub(super) async fn news(&self, listening: bool, writing: bool) -> News {
        loop {
            if self.over.is_cancelled() {
                return News::Gone;
            }
            if let Some(news) = self.lock().news(listening, writing) {
                return news;
            }
            self.task.notified().await;
        }
    }
}

impl State {
    fn news(&mut self, listening: bool, writing: bool) -> Option<News> {
        if let Carrier::Socket(socket) = &mut self.carrier
            && let Some(socket) = socket.take()
        {
            let (outbox, posted) = (std::mem::take(&mut self.outbox), self.posted.take());
            return Some(News::Switched(Switched { socket, outbox, posted }));
        }
        if listening && let Some(posted) = self.posted.take() {
            return Some(News::Posted(posted));
        }
        (writing && self.outbox.is_empty()).then_some(News::Taken)
    }
}

/// For requests.
impl Session {
    /// Takes what waits to be told, and waits for something if there is nothing.
    pub(super) async fn poll(&self) -> Result<String, Refused> {
        let mut under_way = UnderWay::begin(self, |state| &mut state.polls)?;
        let payload = loop {
            if let Some(payload) = self.lock().payload() {
                break payload;
            }
            tokio::select! {
                () = self.poll.notified() => {}
                () = self.over() => break Engine::Close.to_string(),
            }
        };
        self.task.notify_one();
        under_way.done = true;
        Ok(payload)
    }

    /// Hands over what a client says, once all that it said before was heard.
    pub(super) async fn post(&self, body: Body) -> Result<(), Refused> {
        let mut under_way = UnderWay::begin(self, |state| &mut state.posts)?;
        let posted = tokio::select! {
            posted = async {
                while self.lock().occupied {
                    self.post.notified().await;
                }
                Posted::read(body).await
            } => posted?,
            () = self.over() => return Err(Refused::Session),
        };
        {
            let mut state = self.lock();
            if matches!(state.carrier, Carrier::Socket(_)) {
                return Err(Refused::Request);
            }
            state.occupied = true;
            state.posted = Some(posted);
        }
        self.task.notify_one();
        under_way.done = true;
        Ok(())
    }
}

impl State {
    fn payload(&mut self) -> Option<String> {
        let nothing = self.outbox.is_empty();
        match self.carrier {
            // What is left goes the other way.
            Carrier::Socket(_) => return Some(Engine::Noop.to_string()),
            Carrier::Switching if nothing => return Some(Engine::Noop.to_string()),
            _ if nothing => return None,
            _ => {}
        }
        let mut payload = Vec::new();
        while let Some(next) = self.outbox.first().map(Packet::text) {
            if !payload.is_empty() {
                if payload.len() + 1 + next.len() > LARGEST {
                    break;
                }
                payload.push(SEPARATOR as u8);
            }
            payload.extend_from_slice(next);
            self.outbox.pop();
        }
        self.taken += payload.len() as u64;
        Some(String::from_utf8(payload).expect("packets are text"))
    }
}
