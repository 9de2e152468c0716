//! How many connections there are, and how many there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio_util::task::TaskTracker;

/// Counts connections. Those that became sockets count as their tasks.
#[derive(Clone)]
pub struct Connections(Arc<Counts>);

struct Counts {
    most: usize,
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    sockets: TaskTracker,
}

/// One connection, counted until it is dropped.
pub(crate) struct Counted(Arc<Counts>);

impl Connections {
    /// `sockets` tracks the tasks of those that left HTTP.
    pub fn new(most: usize, sockets: TaskTracker) -> Connections {
        let (open, accepted, refused) = Default::default();
        Connections(Arc::new(Counts { most, open, accepted, refused, sockets }))
    }

    /// `None`: there are as many as there may be.
    pub(crate) fn admit(&self) -> Option<Counted> {
        let counts = &self.0;
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        let open = counts.open.fetch_add(1, Ordering::Relaxed) + counts.sockets.len();
        let counted = Counted(counts.clone()); // counts back when it is dropped, also below
        if open >= counts.most {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(counted)
    }

    pub fn http(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }
    pub fn sockets(&self) -> usize {
        self.0.sockets.len()
    }
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
