//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait. A gateway that restarts is back within a fraction of a second.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: somebody who looks at a screen should not wait longer once the gateway is back.
const LONGEST: Duration = Duration::from_secs(10);

/// Doubling waits up to a cap, each a random half shorter, so that a thousand clients do not come back at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    tries: u32,
    chance: u64,
}

impl Backoff {
    pub fn new(seed: u64) -> Backoff {
        Backoff {
            tries: 0,
            chance: seed | 1, // the generator stands still at zero
        }
    }
    /// Seeded differently in every process and for every use.
    pub fn fresh() -> Backoff {
        let (high, low) = uuid::Uuid::now_v7().as_u64_pair();
        Backoff::new(high ^ low)
    }
    /// How many waits there were since it last worked.
    pub fn tries(&self) -> u32 {
        self.tries
    }
    pub fn worked(&mut self) {
        self.tries = 0;
    }
    pub fn next_wait(&mut self) -> Duration {
        // Beyond this the cap holds anyway, and the shift must not overflow.
        let doubled = FIRST * (1 << self.tries.min(16));
        self.tries = self.tries.saturating_add(1);
        let most = doubled.min(LONGEST).as_millis() as u64;
        Duration::from_millis(most / 2 + self.random() % (most / 2 + 1))
    }
    /// Xorshift: chance enough to spread clients.
    fn random(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_begin_anew_once_it_worked() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for tries in 0..40u32 {
                let most = (FIRST * (1 << tries.min(16))).min(LONGEST);
                let wait = backoff.next_wait();
                assert!(most / 2 <= wait && wait <= most, "{wait:?} of {most:?}");
            }
            backoff.worked();
            assert!(backoff.next_wait() <= FIRST);
        }
    }

    #[test]
    fn two_clients_do_not_come_back_at_the_same_time() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..8).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_ne!(waits(11), waits(12_345_678));
    }
}
