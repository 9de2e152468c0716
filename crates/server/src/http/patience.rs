//! How long a connection may keep us waiting for a request's head.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

/// hyper knows one timeout for the head of a request, and lets it run while a used connection waits for its next one as
/// well. Clients keep used connections for a minute; who never asked anything gets less.
#[derive(Clone)]
pub(super) struct Patience {
    used: Arc<AtomicBool>,
    more: Duration,
}

impl Patience {
    /// `head` for the first request, `idle` from then on.
    pub(super) fn new(head: Duration, idle: Duration) -> Patience {
        Patience { used: Arc::default(), more: idle.saturating_sub(head) }
    }

    pub(super) fn is_used(&self) {
        self.used.store(true, Ordering::Relaxed);
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let more = if self.used.load(Ordering::Relaxed) { self.more } else { Duration::ZERO };
        TokioTimer::new().sleep_until(deadline + more)
    }
    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}
