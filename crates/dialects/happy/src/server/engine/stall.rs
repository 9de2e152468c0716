//! Whether a client that has something to read reads it.

use rejoin_core::position::Millis;

use super::STALLED_MS;

/// How far the client was when it was first seen waiting, and when.
#[derive(Debug, Default)]
pub(super) struct Stall(Option<(u64, Millis)>);

impl Stall {
    /// Says whether nothing was read for too long. `progress` only grows.
    pub(super) fn is_over(&mut self, waiting: bool, progress: u64, now: Millis) -> bool {
        if !waiting {
            self.0 = None;
            return false;
        }
        let (seen, since) = *self.0.get_or_insert((progress, now));
        if seen != progress {
            self.0 = Some((progress, now));
            return false;
        }
        now.saturating_sub(since) >= STALLED_MS
    }
}
