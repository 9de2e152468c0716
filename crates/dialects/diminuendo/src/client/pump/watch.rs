//! Whether anybody is there: pings, and connections that died without a word.

use std::time::Duration;

use tokio::time::Instant;

use crate::names::{HEARTBEAT_MS, STALE_MS};

/// How much longer than its heartbeat a gateway may be silent.
const GRACE: Duration = Duration::from_millis(STALE_MS - HEARTBEAT_MS);

#[derive(Debug)]
pub(super) struct Watch {
    /// Zero: no pings.
    interval: Duration,
    next_ping: Instant,
    heard_at: Instant,
    /// A ping that nothing followed.
    pinged_at: Option<Instant>,
    /// How long the gateway may be silent.
    silence: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl Watch {
    pub(super) fn new(interval: Duration, now: Instant) -> Watch {
        let silence = Duration::from_millis(STALE_MS);
        Watch { interval, next_ping: now + interval, heard_at: now, pinged_at: None, silence }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pinged_at = None;
    }

    /// The gateway says how often it speaks.
    pub(super) fn heartbeat(&mut self, every: Duration) {
        self.silence = every.saturating_add(GRACE).min(Duration::from_secs(3600)); // whatever it says, once an hour
    }

    /// When to look again. Only who has joined something hears heartbeats.
    pub(super) fn wake_at(&self, joined: bool) -> Option<Instant> {
        let ping = (!self.interval.is_zero()).then_some(self.next_ping);
        [ping, self.dead_at(joined)].into_iter().flatten().min()
    }

    fn dead_at(&self, joined: bool) -> Option<Instant> {
        let silent = self.heard_at + self.silence;
        match (joined, self.pinged_at) {
            (true, _) => Some(silent),
            (false, Some(pinged)) => Some(silent.max(pinged + GRACE)),
            (false, None) => None,
        }
    }

    /// `listening`: whether we read what comes. Not reading, we cannot hear, and silence means nothing.
    pub(super) fn due(&mut self, now: Instant, joined: bool, listening: bool) -> Due {
        if !listening {
            self.heard(now);
        }
        if self.dead_at(joined).is_some_and(|at| at <= now) {
            return Due::Dead;
        }
        if self.interval.is_zero() || now < self.next_ping {
            return Due::Nothing;
        }
        self.next_ping = now + self.interval;
        self.pinged_at.get_or_insert(now);
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pings_are_sent_every_interval_and_never_without_one() {
        let start = Instant::now();
        let mut watch = Watch::new(30 * SECOND, start);
        assert_eq!(watch.due(start + 29 * SECOND, false, true), Due::Nothing);
        assert_eq!(watch.due(start + 30 * SECOND, false, true), Due::Ping);
        assert_eq!(watch.due(start + 31 * SECOND, false, true), Due::Nothing);
        watch.heard(start + 31 * SECOND);
        assert_eq!(watch.due(start + 60 * SECOND, false, true), Due::Ping);
        let mut silent = Watch::new(Duration::ZERO, start);
        assert_eq!(silent.wake_at(false), None);
        assert_eq!(silent.due(start + 3600 * SECOND, false, true), Due::Nothing);
    }

    #[test]
    fn a_joined_client_takes_35_silent_seconds_for_a_dead_connection() {
        let start = Instant::now();
        let mut watch = Watch::new(Duration::ZERO, start);
        watch.heartbeat(30 * SECOND);
        assert_eq!(watch.due(start + 34 * SECOND, true, true), Due::Nothing);
        assert_eq!(watch.due(start + 35 * SECOND, true, true), Due::Dead);
    }

    #[test]
    fn a_ping_that_nothing_follows_is_waited_for_a_little() {
        let start = Instant::now();
        let mut watch = Watch::new(60 * SECOND, start);
        assert_eq!(watch.due(start + 60 * SECOND, false, true), Due::Ping);
        assert_eq!(watch.due(start + 64 * SECOND, false, true), Due::Nothing);
        assert_eq!(watch.due(start + 65 * SECOND, false, true), Due::Dead);
    }

    #[test]
    fn who_does_not_read_hears_nothing() {
        let start = Instant::now();
        let mut watch = Watch::new(Duration::ZERO, start);
        assert_eq!(watch.due(start + 100 * SECOND, true, false), Due::Nothing);
        assert_eq!(watch.due(start + 134 * SECOND, true, true), Due::Nothing);
    }
}
