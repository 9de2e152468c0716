//! Events that wait for their answers.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::sync::oneshot;

use super::Error;

/// Answers that are waited for at once: more than anybody asks for over one socket.
const WAITING: usize = 4_096;

#[derive(Default)]
pub(super) struct Calls {
    /// Numbers are not used again, also not on another connection.
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
}

/// One of them. Dropped, it waits no longer.
pub(super) struct Call<'a> {
    pub(super) id: u64,
    calls: &'a Calls,
    answer: Answer,
}

/// An answer that will come, unless the connection is lost: then it is dropped.
pub(in crate::client) type Answer = oneshot::Receiver<Value>;

impl Calls {
    /// For whoever waits as long as the connection lasts.
    pub(super) fn expect(&self) -> Result<(u64, Answer), Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING {
            return Err(Error::OutboxFull { items: waiting.len(), bytes: 0 });
        }
        waiting.insert(id, sender);
        Ok((id, answer))
    }

    pub(super) fn begin(&self) -> Result<Call<'_>, Error> {
        let (id, answer) = self.expect()?;
        Ok(Call { id, calls: self, answer })
    }

    pub(super) fn answered(&self, id: u64, value: Value) {
        if let Some(caller) = self.waiting().remove(&id) {
            let _ = caller.send(value); // it may have stopped waiting
        }
    }

    /// The connection is lost: no answer will come.
    pub(super) fn clear(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Value>>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}

impl Call<'_> {
    pub(super) async fn answer(mut self) -> Result<Value, Error> {
        (&mut self.answer).await.map_err(|_| Error::NotConnected)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.waiting().remove(&self.id);
    }
}
