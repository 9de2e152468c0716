//! How many connections look at a session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rejoin_core::id::SessionId;
use tokio::sync::watch;

#[derive(Default)]
pub(crate) struct Viewers {
    pub(super) connections: AtomicUsize,
    sessions: Arc<Mutex<HashMap<SessionId, Audience>>>,
}

struct Audience {
    /// Connections, and how often each looks: while one joins again, twice.
    by: HashMap<Arc<str>, usize>,
    count: watch::Sender<usize>,
}

/// A connection counts while it holds this.
pub(super) struct Viewing {
    sessions: Arc<Mutex<HashMap<SessionId, Audience>>>,
    session: SessionId,
    connection: Arc<str>,
    /// Tells of others who come and go.
    pub(super) count: watch::Receiver<usize>,
}

impl Viewers {
    pub(super) fn look(&self, session: &SessionId, connection: &Arc<str>) -> Viewing {
        let mut sessions = self.sessions.lock().expect("no holder of this lock panics");
        let audience = sessions
            .entry(session.clone())
            .or_insert_with(|| Audience { by: HashMap::new(), count: watch::Sender::new(0) });
        *audience.by.entry(connection.clone()).or_default() += 1;
        audience.tell();
        // Whoever comes is not told of itself: its snapshot says it.
        let mut count = audience.count.subscribe();
        count.mark_unchanged();
        Viewing { sessions: self.sessions.clone(), session: session.clone(), connection: connection.clone(), count }
    }

    pub(super) fn connected(self: &Viewers) -> Connected<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(self)
    }
}

/// A connection, as the health page counts them.
pub(super) struct Connected<'a>(&'a Viewers);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Audience {
    fn tell(&self) {
        let now = self.by.len();
        self.count.send_if_modified(|count| std::mem::replace(count, now) != now);
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        let mut sessions = self.sessions.lock().expect("no holder of this lock panics");
        let Some(audience) = sessions.get_mut(&self.session) else { return };
        if let Some(times) = audience.by.get_mut(&self.connection) {
            *times -= 1;
            if *times == 0 {
                audience.by.remove(&self.connection);
            }
        }
        audience.tell();
        if audience.by.is_empty() {
            sessions.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_once_and_until_it_has_left() {
        let viewers = Viewers::default();
        let session = SessionId::new("s").unwrap();
        let (ann, bob): (Arc<str>, Arc<str>) = ("ann".into(), "bob".into());
        let mut first = viewers.look(&session, &ann);
        assert!(!first.count.has_changed().unwrap());
        let again = viewers.look(&session, &ann);
        assert!(!first.count.has_changed().unwrap());
        let other = viewers.look(&session, &bob);
        assert!(first.count.has_changed().unwrap());
        assert_eq!(*first.count.borrow_and_update(), 2);
        drop(again);
        assert!(!first.count.has_changed().unwrap());
        drop(other);
        assert_eq!(*first.count.borrow_and_update(), 1);
        drop(first);
        assert!(viewers.sessions.lock().unwrap().is_empty());
    }
}
