//! What time brings: pings, and ends.

use rejoin_core::position::Millis;

use super::farewell::Ending;
use super::{Packet, Peer};
use crate::packet::Engine;
use crate::server::engine::PING_INTERVAL_MS;
use crate::server::engine::heartbeat::Due;

impl Peer {
    pub(super) fn wake_at(&mut self, at: Millis) {
        let clock = self.hall.options.clock.clone();
        self.timer = Box::pin(async move { clock.until(at).await });
    }

    pub(super) fn look_at_the_time(&mut self) {
        let now = self.now();
        if self.undecided.is_none() && self.join_by.is_some_and(|by| by <= now) {
            tracing::debug!("happy: a client joined nothing");
            return self.end(Ending::Idle);
        }
        if self.stall.is_over(self.waiting() > 0, self.line.progress(), now) {
            tracing::debug!("happy: a client reads nothing");
            return self.end(Ending::Gone);
        }
        let excused = self.deaf || self.line.is_busy();
        let due = match self.heartbeat.due(now, excused) {
            Due::Nothing { until } => until,
            Due::Ping => {
                self.deaf = false;
                self.say(Packet::new(&Engine::Ping("").to_string()));
                now + PING_INTERVAL_MS
            }
            Due::Dead => {
                tracing::debug!("happy: a client does not answer");
                return self.end(Ending::Gone);
            }
        };
        let due = self.join_by.filter(|by| *by > now).map_or(due, |by| by.min(due));
        // The machine's clock may be set back while we wait.
        self.wake_at(due.clamp(now + 1, now + PING_INTERVAL_MS));
    }
}
