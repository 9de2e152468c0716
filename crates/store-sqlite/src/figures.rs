//! What the store counts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use rejoin_ports::store::StoreFigures;

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) commits: AtomicU64,
    pub(crate) works: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) commit_micros: AtomicU64,
    pub(crate) waiting: AtomicI64,
    pub(crate) wal_bytes: AtomicU64,
    pub(crate) database_bytes: AtomicU64,
    pub(crate) sessions: AtomicI64,
}

impl Figures {
    pub(crate) fn now(&self) -> StoreFigures {
        StoreFigures {
            commits: self.commits.load(Relaxed),
            works: self.works.load(Relaxed),
            events: self.events.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            commit_micros: self.commit_micros.load(Relaxed),
            waiting: self.waiting.load(Relaxed).max(0) as u64,
            wal_bytes: self.wal_bytes.load(Relaxed),
            database_bytes: self.database_bytes.load(Relaxed),
            sessions: self.sessions.load(Relaxed).max(0) as u64,
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}
