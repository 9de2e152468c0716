//! What sessions are given by whoever puts the gateway together.

use std::sync::Arc;

use rejoin_ports::clock::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Clients that poll at the same time. Every known one uses a WebSocket; this is for networks that have none.
const POLLING_SESSIONS: usize = 1_000;

#[derive(Clone)]
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// Knows of every connection's task, so that a stop can wait for them.
    pub tasks: TaskTracker,
    /// Connections end.
    pub stop: CancellationToken,
    /// Sessions that poll at the same time; one more is told to try later. Each may hold one request's body and a full outbox.
    pub polling_sessions: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            polling_sessions: POLLING_SESSIONS,
        }
    }
}
