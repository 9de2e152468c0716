//! When to ping a quiet client, and when to take it for dead.

/// Told of the time and of all that is heard, says what is due. Times are milliseconds of any
/// clock that does not run backwards.
#[derive(Debug, Clone)]
pub struct Keepalive {
    quiet_ms: u64,
    patience_ms: u64,
    last: Last,
}

/// The last thing that matters.
#[derive(Debug, Clone, Copy)]
enum Last {
    Heard { at_ms: u64 },
    Pinged { at_ms: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing, before this time.
    Nothing { until_ms: u64 },
    /// Send a ping now; it counts as sent.
    Ping,
    /// Nothing came since the ping: the peer is gone.
    Dead,
}

impl Keepalive {
    /// Pings after `quiet_ms` without an inbound frame, and waits `patience_ms` for any frame.
    pub fn new(quiet_ms: u64, patience_ms: u64, now_ms: u64) -> Keepalive {
        Keepalive { quiet_ms, patience_ms, last: Last::Heard { at_ms: now_ms } }
    }

    /// Any frame counts, not pongs alone: some clients never answer pings, but speak.
    pub fn heard(&mut self, now_ms: u64) {
        self.last = Last::Heard { at_ms: now_ms };
    }

    pub fn due(&mut self, now_ms: u64) -> Due {
        let (at_ms, wait_ms) = match self.last {
            Last::Heard { at_ms } => (at_ms, self.quiet_ms),
            Last::Pinged { at_ms } => (at_ms, self.patience_ms),
        };
        let waited_ms = now_ms.saturating_sub(at_ms);
        if waited_ms < wait_ms {
            return Due::Nothing { until_ms: at_ms.saturating_add(wait_ms) };
        }
        // Asked this late, it was we who slept (a suspended machine, say), and the answer may lie
        // unread in the socket: the peer gets another chance.
        let overslept = waited_ms >= self.patience_ms.saturating_mul(2);
        if matches!(self.last, Last::Pinged { .. }) && !overslept {
            return Due::Dead;
        }
        self.last = Last::Pinged { at_ms: now_ms };
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Keepalive {
        Keepalive::new(30_000, 10_000, 1_000)
    }

    #[test]
    fn a_client_that_speaks_is_never_pinged() {
        let mut keepalive = fresh();
        for now in (1_000..500_000).step_by(29_999) {
            keepalive.heard(now);
            assert_eq!(keepalive.due(now + 29_999), Due::Nothing { until_ms: now + 30_000 });
        }
    }

    #[test]
    fn a_quiet_client_is_pinged_once_and_then_dead() {
        let mut keepalive = fresh();
        assert_eq!(keepalive.due(30_999), Due::Nothing { until_ms: 31_000 });
        assert_eq!(keepalive.due(31_000), Due::Ping);
        assert_eq!(keepalive.due(31_000), Due::Nothing { until_ms: 41_000 });
        assert_eq!(keepalive.due(40_999), Due::Nothing { until_ms: 41_000 });
        assert_eq!(keepalive.due(41_000), Due::Dead);
    }

    #[test]
    fn an_answer_starts_the_quiet_time_anew() {
        let mut keepalive = fresh();
        assert_eq!(keepalive.due(31_000), Due::Ping);
        keepalive.heard(40_999);
        assert_eq!(keepalive.due(41_000), Due::Nothing { until_ms: 70_999 });
        assert_eq!(keepalive.due(70_999), Due::Ping);
    }

    #[test]
    fn a_suspended_server_does_not_take_everybody_for_dead() {
        let mut keepalive = fresh();
        assert_eq!(keepalive.due(31_000), Due::Ping);
        assert_eq!(keepalive.due(3_631_000), Due::Ping);
        assert_eq!(keepalive.due(3_641_000), Due::Dead);
    }

    #[test]
    fn a_clock_that_steps_back_does_nothing() {
        let mut keepalive = fresh();
        assert_eq!(keepalive.due(0), Due::Nothing { until_ms: 31_000 });
    }
}
