//! What is said in a session, each message once and in order, whatever the connection does.
//!
//! A cursor stands behind the last message of which everything before has been handed on. What comes next on the socket is
//! handed on at once; anything else, and every new connection, makes us read from the cursor on. So whoever takes their
//! time costs nothing but that: what does not fit is dropped here and read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::{Api, Error};
use crate::wire::Message;

/// Live messages that wait to be handed on, and about how many KiB of them. A longer one waits alone.
const WAITING: usize = 2_048;
const WAITING_KIB: u32 = 4 << 10;
/// How long a message waits for room before it is dropped, to be read again. Whoever takes all that comes makes room in that
/// time; whoever does not costs it once, until they have caught up.
const ROOM: Duration = Duration::from_millis(20);
/// Messages of one page; fewer once a page was too large.
const PAGE: u32 = 100;
/// The wait before a second attempt at reading; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Where messages are handed on to. It may take its time.
#[async_trait]
pub(super) trait Hand<T>: Send + Sync + 'static {
    async fn message(&self, message: Message);
    /// Something else that keeps its place among the messages.
    async fn other(&self, other: T);
}

/// Where live messages are put in.
pub(super) struct Inlet<T> {
    arrivals: mpsc::Sender<Arrival<T>>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Everything up to this number has been handed on.
    seen: AtomicU64,
    /// Something is on the server that did not come this way.
    is_behind: AtomicBool,
    /// That is being read right now.
    is_reading: AtomicBool,
    woken: Notify,
    room: Arc<Semaphore>,
}

enum Arrival<T> {
    Message(Message, OwnedSemaphorePermit),
    /// From one number to another.
    Own(u64, u64),
    Other(T),
}

pub(super) struct Inbox<T, H> {
    api: Api,
    session: String,
    hand: H,
    arrivals: mpsc::Receiver<Arrival<T>>,
    shared: Arc<Shared>,
    /// The server keeps no numbers that we could ask for.
    is_old: Arc<AtomicBool>,
    page: u32,
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Inlet<T> {
        Inlet { arrivals: self.arrivals.clone(), shared: self.shared.clone() }
    }
}

impl<T> Inlet<T> {
    pub(super) async fn message(&self, message: Message) {
        let kib = u32::try_from(message.content.c.len() >> 10).unwrap_or(u32::MAX).saturating_add(1).min(WAITING_KIB);
        let room = match self.shared.room.clone().try_acquire_many_owned(kib) {
            Ok(room) => Some(room),
            Err(_) => self.soon(self.shared.room.clone().acquire_many_owned(kib)).await,
        };
        let place = match self.arrivals.try_reserve() {
            Ok(place) => Some(place),
            Err(_) => self.soon(self.arrivals.reserve()).await,
        };
        match (room, place) {
            (Some(room), Some(place)) => place.send(Arrival::Message(message, room)),
            _ => self.catch_up(),
        }
    }

    /// What comes while we wait, unless there is much to be read again anyway.
    async fn soon<R, E>(&self, comes: impl Future<Output = Result<R, E>>) -> Option<R> {
        let is_late = self.shared.is_behind.load(Ordering::Acquire) || self.shared.is_reading.load(Ordering::Acquire);
        if is_late {
            return None;
        }
        timeout(ROOM, comes).await.ok()?.ok()
    }

    /// Messages with these numbers are our own, and are not told here.
    pub(super) fn own(&self, first: u64, last: u64) {
        if self.arrivals.try_send(Arrival::Own(first, last)).is_err() {
            self.catch_up();
        }
    }

    /// False: there is no room, and it is lost.
    pub(super) fn other(&self, other: T) -> bool {
        self.arrivals.try_send(Arrival::Other(other)).is_ok()
    }

    /// There may be something on the server that does not come this way.
    pub(super) fn catch_up(&self) {
        self.shared.is_behind.store(true, Ordering::Release);
        self.shared.woken.notify_one();
    }

    pub(super) fn seen(&self) -> u64 {
        self.shared.seen.load(Ordering::Acquire)
    }
}

impl<T: Send + 'static, H: Hand<T>> Inbox<T, H> {
    pub(super) fn new(
        api: Api,
        session: &str,
        after: u64,
        hand: H,
        is_old: Arc<AtomicBool>,
    ) -> (Inlet<T>, Inbox<T, H>) {
        let (arrivals, arrivals_out) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            seen: AtomicU64::new(after),
            is_behind: AtomicBool::new(false),
            is_reading: AtomicBool::new(false),
            woken: Notify::new(),
            room: Arc::new(Semaphore::new(WAITING_KIB as usize)),
        });
        let inbox = Inbox {
            api,
            session: session.to_owned(),
            hand,
            arrivals: arrivals_out,
            shared: shared.clone(),
            is_old,
            page: PAGE,
        };
        (Inlet { arrivals, shared }, inbox)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.hand_on_all() => {}
        }
    }

    async fn hand_on_all(&mut self) {
        let mut backoff = Backoff::new(FIRST_WAIT, self.api.options().longest_delay);
        let shared = self.shared.clone();
        loop {
            if shared.is_behind.swap(false, Ordering::AcqRel) {
                shared.is_reading.store(true, Ordering::Release);
                let caught_up = self.catch_up().await;
                shared.is_reading.store(false, Ordering::Release);
                match caught_up {
                    Ok(()) => backoff.worked(),
                    // It is gone, or nobody is let in: there is nothing to read any more.
                    Err(error) if error.is_not_found() || error.is_refused() => {
                        tracing::warn!(session.id = self.session, %error, "happy: messages cannot be read");
                    }
                    Err(error) => {
                        tracing::debug!(session.id = self.session, %error, "happy: messages are not read yet");
                        shared.is_behind.store(true, Ordering::Release);
                        sleep(backoff.next_wait()).await;
                    }
                }
                continue;
            }
            tokio::select! {
                biased;
                () = shared.woken.notified() => {}
                arrival = self.arrivals.recv() => match arrival {
                    None => return,
                    Some(Arrival::Message(message, room)) => {
                        drop(room);
                        self.live(message).await;
                    }
                    Some(Arrival::Own(first, last)) => self.own(first, last),
                    Some(Arrival::Other(other)) => self.hand.other(other).await,
                }
            }
        }
    }

    async fn live(&mut self, message: Message) {
        let seen = self.seen();
        let is_next = message.seq == seen + 1 || self.is_old.load(Ordering::Relaxed);
        match message.seq {
            seq if seq <= seen => {} // it was read before it came
            _ if is_next => self.hand_on(message).await,
            _ => self.shared.is_behind.store(true, Ordering::Release),
        }
    }

    fn own(&mut self, first: u64, last: u64) {
        let seen = self.seen();
        if first <= seen + 1 {
            self.shared.seen.store(seen.max(last), Ordering::Release);
        } else {
            self.shared.is_behind.store(true, Ordering::Release); // others have said something before
        }
    }

    async fn hand_on(&mut self, message: Message) {
        let seq = message.seq;
        self.hand.message(message).await;
        self.shared.seen.store(seq, Ordering::Release);
    }

    async fn catch_up(&mut self) -> Result<(), Error> {
        if !self.is_old.load(Ordering::Relaxed) {
            match self.read_on().await {
                Err(error) if error.is_unknown_route() => self.is_old.store(true, Ordering::Relaxed),
                outcome => return outcome,
            }
        }
        let mut newest = self.api.newest_messages(&self.session).await?;
        newest.sort_by_key(|message| message.seq);
        for message in newest {
            if message.seq > self.seen() {
                self.hand_on(message).await;
            }
        }
        Ok(())
    }

    async fn read_on(&mut self) -> Result<(), Error> {
        loop {
            let page = match self.api.messages_after(&self.session, self.seen(), self.page).await {
                Err(Error::TooLarge { .. }) if self.page > 1 => {
                    self.page /= 2;
                    continue;
                }
                page => page?,
            };
            let before = self.seen();
            for message in page.messages {
                if message.seq > self.seen() {
                    self.hand_on(message).await;
                }
            }
            // A server that promises more and gives nothing would keep us for ever.
            if !page.has_more || self.seen() == before {
                return Ok(());
            }
        }
    }

    fn seen(&self) -> u64 {
        self.shared.seen.load(Ordering::Acquire)
    }
}
