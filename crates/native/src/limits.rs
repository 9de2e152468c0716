//! How much one request, and one person, may ask for.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::who::Identity;

use crate::problem::Problem;

/// The bounds of the door.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A JSON body, in bytes.
    pub json_bytes: usize,
    /// A command's body. A prompt may have 4 MiB of text, and JSON writes a quote or a line's end as two bytes.
    pub command_bytes: usize,
    /// A file that is written.
    pub file_bytes: usize,
    /// A message on a socket: 4 MiB of text and what stands around it.
    pub frame_bytes: usize,
    /// A message on a socket that ends it.
    pub hard_frame_bytes: usize,
    /// How long a body may take to arrive.
    pub body_ms: u64,
    /// Requests of one identity in a second, on average. Generous: it stops a loop that went wild, not a busy program.
    pub requests_per_second: NonZeroU32,
    /// Requests of one identity at once.
    pub burst: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            json_bytes: 1 << 20,
            command_bytes: (8 << 20) + (64 << 10),
            file_bytes: 16 << 20,
            frame_bytes: (4 << 20) + (64 << 10),
            hard_frame_bytes: 8 << 20,
            body_ms: 60_000,
            requests_per_second: const { NonZeroU32::new(5_000).unwrap() },
            burst: const { NonZeroU32::new(10_000).unwrap() },
        }
    }
}

/// Who has nothing left is forgotten once in so many checks, so that the table stays as small as who is active.
const SWEEP_EVERY: u64 = 8_192;

/// How fast each identity asks.
pub(crate) struct Rates {
    limiter: DefaultKeyedRateLimiter<(TenantId, UserId)>,
    clock: DefaultClock,
    checks: AtomicU64,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Rates {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.burst);
        Rates { limiter: RateLimiter::dashmap(quota), clock: DefaultClock::default(), checks: AtomicU64::new(0) }
    }

    /// Counts one request.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), Problem> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        let key = (identity.tenant.clone(), identity.user.clone());
        self.limiter.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            Problem::new("rate_limited", "too many requests").retry_after(wait.as_millis().max(1) as u64)
        })
    }
}
