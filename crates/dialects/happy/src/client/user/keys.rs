//! Keys to the records of an account, found once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use super::super::Account;
use super::super::key::Key;

/// Keys that are kept; the oldest goes first. One that is missed costs a look at the lists.
const KEPT: usize = 4_096;

#[derive(Default)]
pub(super) struct KeyRing(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    /// By the record's id. None: there is no such record, or no key to it.
    known: HashMap<String, Option<Key>>,
    order: VecDeque<String>,
}

impl KeyRing {
    pub(super) fn add(&self, id: &str, key: Option<Key>) {
        let mut ring = self.ring();
        if ring.known.insert(id.to_owned(), key).is_none() {
            ring.order.push_back(id.to_owned());
        }
        while ring.order.len() > KEPT
            && let Some(oldest) = ring.order.pop_front()
        {
            ring.known.remove(&oldest);
        }
    }

    /// The key to a session; looked for on the server if it is not known.
    pub(super) async fn session(&self, account: &Account, id: &str) -> Option<Key> {
        if let Some(known) = self.known(id) {
            return known;
        }
        match account.session(id).await {
            Ok(found) => self.add(id, found.map(|session| session.key)),
            Err(error) => {
                tracing::debug!(session.id = id, %error, "happy: there is no key to a session");
                return None; // it may be found another time
            }
        }
        self.known(id).flatten()
    }

    pub(super) async fn machine(&self, account: &Account, id: &str) -> Option<Key> {
        if let Some(known) = self.known(id) {
            return known;
        }
        let record = account.api().machine(id).await.ok()?;
        self.add(id, account.open_machine(record).ok().map(|machine| machine.key));
        self.known(id).flatten()
    }

    fn known(&self, id: &str) -> Option<Option<Key>> {
        self.ring().known.get(id).cloned()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
