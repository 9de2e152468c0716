//! A map that many tasks use at once: in shards, so that they seldom wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};

use rejoin_core::id::SessionId;

const SHARDS: usize = 64;

pub(crate) struct Registry<T> {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<SessionId, T>>>,
}

impl<T> Registry<T> {
    pub(crate) fn new() -> Registry<T> {
        Registry { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
    /// The shard that knows of `id`. Held for moments only, never across an await.
    pub(crate) fn shard(&self, id: &SessionId) -> MutexGuard<'_, HashMap<SessionId, T>> {
        let at = self.hasher.hash_one(id.as_str()) as usize % SHARDS;
        self.shards[at].lock().expect("no holder of this lock panics")
    }
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().expect("no holder of this lock panics").len()).sum()
    }
}
