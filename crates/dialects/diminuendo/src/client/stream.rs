//! Events as a stream that loses nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc};

use super::Event;

/// Text of events that wait in one stream. When it is full the socket is not read, so a slow reader costs no more memory.
const ROOM: u32 = 4 << 20;
/// What the smallest event counts for: about a thousand of them fit.
const LEAST: u32 = 4 << 10;

type Item = (Event, Option<OwnedSemaphorePermit>);

/// All events, in order, from the moment of asking on: a [`Stream`]. It ends when the client is disconnected for good.
///
/// When it is not read, nothing more is read from the socket: answers to requests do not come either. So keep reading it,
/// or drop it.
#[derive(Debug)]
pub struct Events {
    items: mpsc::UnboundedReceiver<Item>, // bounded by `room`
    room: Arc<Semaphore>,
}

impl Events {
    /// The next event; `None` once the client is disconnected for good.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|task| self.poll_event(task)).await
    }

    fn poll_event(&mut self, task: &mut Context<'_>) -> Poll<Option<Event>> {
        // Taking it gives its room back.
        self.items.poll_recv(task).map(|item| item.map(|(event, _)| event))
    }
}

impl Stream for Events {
    type Item = Event;
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll_event(task)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Whoever waits for room need not wait any longer.
        self.room.close();
    }
}

/// The other end of every stream.
#[derive(Default)]
pub(super) struct Streams(Mutex<Vec<End>>);

#[derive(Clone)]
pub(super) struct End {
    items: mpsc::UnboundedSender<Item>,
    room: Arc<Semaphore>,
}

impl Streams {
    pub(super) fn add(&self) -> Events {
        let (items_in, items) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(ROOM as usize));
        self.lock().push(End { items: items_in, room: room.clone() });
        Events { items, room }
    }

    /// Those that are still read.
    pub(super) fn ends(&self) -> Vec<End> {
        let mut ends = self.lock();
        ends.retain(|end| !end.items.is_closed());
        ends.clone()
    }

    /// Ends them all.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<End>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl End {
    /// Waits until there is room for so much text.
    pub(super) async fn room(&self, size: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        let cost = u32::try_from(size).unwrap_or(ROOM).clamp(LEAST, ROOM);
        self.room.clone().acquire_many_owned(cost).await
    }

    pub(super) fn give(&self, event: Event, room: Option<OwnedSemaphorePermit>) {
        let _ = self.items.send((event, room)); // nobody may be left to read it
    }
}
