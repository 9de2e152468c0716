//! Where requests find their polling session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Semaphore;

use super::polling::Session;
use super::sid;

type Known = Arc<Mutex<HashMap<String, Arc<Session>>>>;

/// The sessions that began with polling. Those that have a WebSocket by now are still known, and no longer counted.
pub(super) struct Sessions {
    known: Known,
    places: Arc<Semaphore>,
}

/// A session's place among the others, until this is dropped.
pub(super) struct Registered {
    sid: String,
    known: Known,
    session: Arc<Session>,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Sessions {
        Sessions { known: Known::default(), places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))) }
    }

    /// A new session, unless there are too many.
    pub(super) fn begin(&self) -> Option<Registered> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (sid, session) = (sid::random(), Arc::new(Session::new(place)));
        lock(&self.known).insert(sid.clone(), Arc::clone(&session));
        Some(Registered { sid, known: Arc::clone(&self.known), session })
    }

    pub(super) fn find(&self, sid: &str) -> Option<Arc<Session>> {
        lock(&self.known).get(sid).cloned()
    }
}

impl Registered {
    pub(super) fn sid(&self) -> &str {
        &self.sid
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.known).remove(&self.sid);
        self.session.end();
    }
}

fn lock(known: &Known) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
    known.lock().expect("no holder of this lock panics")
}
