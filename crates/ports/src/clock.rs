//! Time, so that tests can move it by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rejoin_core::position::Millis;
use tokio::sync::watch;

/// Tells the time and waits for a moment.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Millis;
    /// Returns when `now()` is `at` or later.
    async fn until(&self, at: Millis);
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// The longest single sleep: the machine's clock may be set while we wait, so we look again.
const LONGEST_NAP: Duration = Duration::from_secs(60);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Millis {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
    }
    async fn until(&self, at: Millis) {
        while let Some(wait) = at.checked_sub(self.now()).filter(|wait| *wait > 0) {
            tokio::time::sleep(Duration::from_millis(wait).min(LONGEST_NAP)).await;
        }
    }
}

/// A clock that stands still until somebody moves it.
#[derive(Debug, Clone)]
pub struct HandClock(Arc<watch::Sender<Millis>>);

impl HandClock {
    pub fn at(now: Millis) -> HandClock {
        HandClock(Arc::new(watch::Sender::new(now)))
    }
    pub fn advance(&self, by: Millis) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Millis {
        *self.0.borrow()
    }
    async fn until(&self, at: Millis) {
        let mut now = self.0.subscribe();
        // The sender lives as long as we do, so waiting does not fail.
        let _ = now.wait_for(|now| *now >= at).await;
    }
}
