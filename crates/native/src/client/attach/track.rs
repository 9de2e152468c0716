//! How far a subscription is, and so what is new to it.

use rejoin_core::position::{Epoch, Heard, Position};

/// The position of a subscription. It only ever moves forward, except when a gap begins it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track(Heard);

/// What an event is to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    /// It was told before.
    Known,
    /// It belongs to another life of the log, and no gap said so.
    Foreign,
}

impl Track {
    pub(super) fn at(heard: Heard) -> Track {
        Track(heard)
    }
    pub(super) fn heard(&self) -> Heard {
        self.0
    }
    /// Numbers may be left out, where deltas have faded or a log was lifted; they never go back.
    pub(super) fn take(&mut self, at: Position) -> Taken {
        if self.is_foreign(at.epoch) {
            return Taken::Foreign;
        }
        if at.seq <= self.0.seq {
            return Taken::Known;
        }
        self.0 = at.into();
        Taken::New
    }
    /// A snapshot replaces whatever was known.
    pub(super) fn begin_anew(&mut self, at: Position) {
        self.0 = at.into();
    }
    /// The gateway has told everything up to here.
    pub(super) fn caught_up(&mut self, at: Position) {
        if !self.is_foreign(at.epoch) && at.seq >= self.0.seq {
            self.0 = at.into();
        }
    }
    fn is_foreign(&self, epoch: Epoch) -> bool {
        self.0.epoch.is_some_and(|own| own != epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, seq: u64) -> Position {
        Position { epoch: Epoch(epoch), seq }
    }

    #[test]
    fn an_event_is_new_once() {
        let mut track = Track::at(Heard::NOTHING);
        assert_eq!(track.take(at(1, 1)), Taken::New);
        assert_eq!(track.take(at(1, 1)), Taken::Known);
        assert_eq!(track.take(at(1, 5)), Taken::New);
        assert_eq!(track.take(at(1, 4)), Taken::Known);
        assert_eq!(track.heard(), at(1, 5).into());
    }

    #[test]
    fn another_life_is_recognised_until_a_snapshot_begins_it() {
        let mut track = Track::at(at(1, 5).into());
        assert_eq!(track.take(at(2, 900)), Taken::Foreign);
        track.caught_up(at(2, 900));
        assert_eq!(track.heard(), at(1, 5).into());
        track.begin_anew(at(2, 3));
        assert_eq!(track.take(at(2, 4)), Taken::New);
    }
}
