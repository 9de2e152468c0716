//! What happens, as streams. Whoever tells waits for whoever reads.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

/// Items that wait in one stream. When it is full, whoever tells waits.
const WAITING: usize = 256;

/// Items in order, from the moment of asking on. It ends when the client is closed.
///
/// Keep reading it, or drop it: what is not taken holds up what comes behind.
#[derive(Debug)]
pub struct Events<T>(mpsc::Receiver<T>);

impl<T> Events<T> {
    /// The next one; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<T> {
        self.0.recv().await
    }
}

impl<T> Stream for Events<T> {
    type Item = T;
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().0.poll_recv(task)
    }
}

/// The other ends.
pub(super) struct Streams<T>(Arc<Mutex<Ends<T>>>);

struct Ends<T> {
    /// None once there is nothing more to tell.
    open: Option<Vec<mpsc::Sender<T>>>,
}

impl<T> Default for Streams<T> {
    fn default() -> Streams<T> {
        Streams(Arc::new(Mutex::new(Ends { open: Some(Vec::new()) })))
    }
}

impl<T> Clone for Streams<T> {
    fn clone(&self) -> Streams<T> {
        Streams(self.0.clone())
    }
}

impl<T: Clone> Streams<T> {
    pub(super) fn add(&self) -> Events<T> {
        let (end, events) = mpsc::channel(WAITING);
        if let Some(open) = &mut self.lock().open {
            open.push(end);
        }
        Events(events)
    }

    /// Tells everybody who listens, as soon as each has room.
    pub(super) async fn tell(&self, item: T) {
        for end in self.ends() {
            let _ = end.send(item.clone()).await; // it may have been dropped just now
        }
    }

    /// Whether anybody listens.
    pub(super) fn is_heard(&self) -> bool {
        !self.ends().is_empty()
    }

    /// Ends them all.
    pub(super) fn close(&self) {
        self.lock().open = None;
    }

    fn ends(&self) -> Vec<mpsc::Sender<T>> {
        let mut ends = self.lock();
        let Some(open) = &mut ends.open else { return Vec::new() };
        open.retain(|end| !end.is_closed());
        open.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ends<T>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
