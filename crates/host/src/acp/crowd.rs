//! How many agents there may be: each is a process, and some take half a gigabyte.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::{CROWDED, Failure};

/// Processes that start at a time. A start is all work and no waiting, so more would only make each slower.
const STARTS: usize = 8;

/// Shared by all agents of a gateway. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Crowd {
    places: Arc<Semaphore>,
    starts: Arc<Semaphore>,
    most: usize,
}

/// A place for one process.
#[derive(Debug)]
pub(super) struct Place {
    _held: OwnedSemaphorePermit,
}

impl Crowd {
    /// At most so many processes at a time.
    pub fn new(most: usize) -> Crowd {
        let most = most.min(Semaphore::MAX_PERMITS);
        Crowd { places: Arc::new(Semaphore::new(most)), starts: Arc::new(Semaphore::new(STARTS)), most }
    }

    pub(super) fn enter(&self) -> Result<Place, Failure> {
        match self.places.clone().try_acquire_owned() {
            Ok(held) => Ok(Place { _held: held }),
            Err(_) => Err(Failure::new(
                CROWDED,
                format!("{} agents run already; those that nobody needs end soon", self.most),
            )),
        }
    }

    /// Waits for its turn to start.
    pub(super) async fn start(&self) -> Option<OwnedSemaphorePermit> {
        self.starts.clone().acquire_owned().await.ok()
    }
}
