//! What goes out next.

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Pump;
use super::given::{Given, Reply, What};
use super::outbox::Next;
use super::pending::Sent;
use crate::client::frame;

/// After so many messages that nothing shows to have arrived, a ping finds out.
const UNSURE: usize = 16;

impl Pump {
    /// The next message to write.
    pub(super) fn next_frame(&mut self, now: Instant) -> Option<Utf8Bytes> {
        if let Some(given) = self.ahead.pop_front() {
            return Some(self.asked(given, now));
        }
        if self.pending.hold_others() || self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        match self.outbox.next(self.number)? {
            Next::Ask(given) => Some(self.asked(given, now)),
            Next::Tell { frame, left } => {
                self.number += 1;
                if let Some(session) = left {
                    self.joined.leave(&session);
                    self.pending.leave(&session);
                }
                if self.outbox.unsure() >= UNSURE && self.pending.unanswered_pings() == 0 {
                    self.ping(Reply::Nobody);
                }
                Some(frame)
            }
        }
    }

    /// A request goes out.
    fn asked(&mut self, given: Given, now: Instant) -> Utf8Bytes {
        let Given { kind, id, frame, session, what, room } = given;
        if let What::Ask(ask) = what {
            let number = self.number;
            self.pending.push(Sent { kind, id, session, ask, number, at: now, left: false, _room: room });
        }
        self.number += 1;
        frame
    }

    pub(super) fn ping(&mut self, reply: Reply) {
        self.ahead.push_back(frame::ping(self.shared.next_id(), &self.shared.options, reply));
    }

    /// Joins again what was joined before, from where it stood.
    pub(super) fn rejoin(&mut self) {
        for (session, last) in self.joined.all() {
            let given = frame::join(self.shared.next_id(), &self.shared.options, session, last, Reply::Rejoin);
            self.ahead.push_back(given);
        }
        // A turn that began is told again, and need not be asked for again: whatever tells of it comes before this answer.
        if self.outbox.is_unsure_of_turns() {
            self.ping(Reply::Barrier);
        }
    }
}
