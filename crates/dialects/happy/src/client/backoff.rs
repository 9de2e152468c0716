//! How long to wait before the next attempt.

use std::time::Duration;

use aws_lc_rs::rand;

/// Doubling waits up to a cap, each up to a half longer or shorter, so that a thousand clients do not come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, tries: 0 }
    }

    pub(super) fn worked(&mut self) {
        self.tries = 0;
    }

    pub(super) fn next_wait(&mut self) -> Duration {
        // Beyond this the cap holds anyway, and the power must not overflow.
        let doubled = self.first.saturating_mul(1 << self.tries.min(16));
        self.tries = self.tries.saturating_add(1);
        (doubled.mul_f64(0.5 + chance())).min(self.longest)
    }
}

/// The wait before a change is tried again that lost against another: longer the more often it has lost.
pub(super) fn after_conflict(failures: u32) -> Duration {
    const SHORTEST: f64 = 250.0;
    const LONGEST: f64 = 1_000.0;
    const SLOWEST: u32 = 50;
    let most = SHORTEST + (LONGEST - SHORTEST) / f64::from(SLOWEST) * f64::from(failures.min(SLOWEST));
    Duration::from_millis((most * chance()) as u64)
}

/// From 0 up to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).expect("the system gives random bytes");
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_begin_anew_once_it_worked() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, longest);
        let waits: Vec<_> = (0..40).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] >= first / 2 && waits[0] <= first * 3 / 2);
        assert!(waits[10..].iter().all(|wait| *wait == longest));
        backoff.worked();
        assert!(backoff.next_wait() <= first * 3 / 2);
    }

    #[test]
    fn a_change_that_lost_often_waits_at_most_a_second() {
        for failures in [0, 1, 50, u32::MAX] {
            assert!(after_conflict(failures) <= Duration::from_secs(1));
        }
    }
}
