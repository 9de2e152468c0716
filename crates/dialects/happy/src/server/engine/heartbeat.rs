//! When to ping, and when to take a client for gone.
//!
//! Clients count our pings and leave when one stays out, so they are sent also to those who speak.

use rejoin_core::position::Millis;

use super::{PING_INTERVAL_MS, PING_TIMEOUT_MS};

#[derive(Debug)]
pub(super) enum Heartbeat {
    Answered { at: Millis },
    Pinged { at: Millis },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing, before this time.
    Nothing { until: Millis },
    /// Send a ping now; it counts as sent.
    Ping,
    /// The ping was not answered.
    Dead,
}

impl Heartbeat {
    pub(super) fn answered(now: Millis) -> Heartbeat {
        Heartbeat::Answered { at: now }
    }

    /// What is due. `excused` is a client that may well have answered, had it been heard or been able to read so far.
    pub(super) fn due(&mut self, now: Millis, excused: bool) -> Due {
        let (at, wait) = match *self {
            Heartbeat::Answered { at } => (at, PING_INTERVAL_MS),
            Heartbeat::Pinged { at } => (at, PING_TIMEOUT_MS),
        };
        let waited = now.saturating_sub(at);
        if waited < wait {
            return Due::Nothing { until: at + wait };
        }
        // Asked this late, it was we who slept, and the answer may lie unread.
        let overslept = waited >= 2 * PING_TIMEOUT_MS;
        if matches!(self, Heartbeat::Pinged { .. }) && !excused && !overslept {
            return Due::Dead;
        }
        *self = Heartbeat::Pinged { at: now };
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_follows_each_pong_and_its_silence_is_the_end() {
        let mut heart = Heartbeat::answered(1_000);
        assert_eq!(heart.due(15_999, false), Due::Nothing { until: 16_000 });
        assert_eq!(heart.due(16_000, false), Due::Ping);
        heart = Heartbeat::answered(17_000);
        assert_eq!(heart.due(31_999, false), Due::Nothing { until: 32_000 });
        assert_eq!(heart.due(32_000, false), Due::Ping);
        assert_eq!(heart.due(76_999, false), Due::Nothing { until: 77_000 });
        assert_eq!(heart.due(77_000, false), Due::Dead);
    }

    #[test]
    fn an_excuse_is_another_ping() {
        let mut heart = Heartbeat::answered(0);
        assert_eq!(heart.due(15_000, true), Due::Ping);
        assert_eq!(heart.due(60_000, true), Due::Ping);
        assert_eq!(heart.due(105_000, false), Due::Dead);
    }

    #[test]
    fn a_suspended_server_does_not_take_everybody_for_dead() {
        let mut heart = Heartbeat::answered(0);
        assert_eq!(heart.due(15_000, false), Due::Ping);
        assert_eq!(heart.due(3_600_000, false), Due::Ping);
        assert_eq!(heart.due(3_645_000, false), Due::Dead);
    }
}
