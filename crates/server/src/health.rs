//! Whether the gateway can do its work, and if not, why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rejoin_ports::clock::Clock;
use rejoin_ports::store::{CommitError, Expect, Owner, Store};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::shelf::{Shelf, put};

/// The record that is written to see whether the store can.
const PROBE: (&str, &str) = ("probe", "ready");
/// How long an answer of the store is believed. Whoever asks more often gets the same.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long the store may take for one small write.
const PATIENCE: Duration = Duration::from_secs(2);

/// Knows whether we are ready.
pub(crate) struct Health {
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    stopping: AtomicBool,
    last: Mutex<Option<(Instant, Result<(), NotReady>)>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct NotReady {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

#[derive(Serialize)]
struct Probe {}

impl Health {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Health {
        Health { shelf: Shelf::new(store), clock, stopping: AtomicBool::new(false), last: Mutex::new(None) }
    }

    /// From now on others should be asked.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(NotReady { code: "stopping", detail: "the gateway is stopping".to_owned() });
        }
        let mut last = self.last.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < BELIEVED
        {
            return outcome.clone();
        }
        let outcome = self.probe().await;
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// A write, since a full or read-only disk still reads well.
    async fn probe(&self) -> Result<(), NotReady> {
        let write = put(&Owner::Gateway, PROBE.0, PROBE.1, Expect::Anything, Some(&Probe {}), self.clock.now());
        match tokio::time::timeout(PATIENCE, self.shelf.write(vec![write])).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(CommitError::Store(error))) => Err(NotReady { code: error.code(), detail: error.to_string() }),
            Ok(Err(error)) => Err(NotReady { code: "store_failed", detail: error.to_string() }),
            Err(_) => {
                let detail = format!("store: a small write took more than {} s", PATIENCE.as_secs());
                Err(NotReady { code: "store_failed", detail })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rejoin_ports::clock::HandClock;
    use rejoin_ports::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_gateway_is_ready_while_its_store_takes_writes_and_nobody_stops_it() {
        let store = Arc::new(MemoryStore::default());
        let health = Health::new(store.clone(), Arc::new(HandClock::at(1)));
        assert_eq!(health.ready().await, Ok(()));
        store.close().await.unwrap();
        assert_eq!(health.ready().await, Ok(()), "believed for a while");
        *health.last.lock().await = None;
        assert!(health.ready().await.is_err());
        health.stopping();
        assert_eq!(health.ready().await.unwrap_err().code, "stopping");
    }
}
