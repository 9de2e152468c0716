//! How many messages a connection sends.

use std::collections::VecDeque;

use rejoin_core::position::Millis;

/// The window that slides.
const WINDOW_MS: Millis = 10_000;
/// Windows within a minute in which it was too much, before the connection is closed.
const PATIENCE: usize = 5;
const MINUTE_MS: Millis = 60_000;

pub(super) struct Rate {
    most: usize,
    taken: VecDeque<Millis>,
    /// When a window was found full for the first time.
    exceeded: VecDeque<Millis>,
}

/// Whether a message is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    TooMany {
        retry_ms: Millis,
    },
    /// And it has been so for long.
    Incorrigible,
}

impl Rate {
    pub(super) fn new(most: u32) -> Rate {
        Rate { most: most as usize, taken: VecDeque::new(), exceeded: VecDeque::new() }
    }

    pub(super) fn count(&mut self, now: Millis) -> Verdict {
        while self.taken.front().is_some_and(|at| at.saturating_add(WINDOW_MS) <= now) {
            self.taken.pop_front();
        }
        if self.taken.len() < self.most {
            self.taken.push_back(now);
            return Verdict::Taken;
        }
        while self.exceeded.front().is_some_and(|at| at.saturating_add(MINUTE_MS) <= now) {
            self.exceeded.pop_front();
        }
        if self.exceeded.back().is_none_or(|at| at.saturating_add(WINDOW_MS) <= now) {
            self.exceeded.push_back(now);
        }
        if self.exceeded.len() >= PATIENCE {
            return Verdict::Incorrigible;
        }
        let first = self.taken.front().copied().unwrap_or(now);
        Verdict::TooMany { retry_ms: first.saturating_add(WINDOW_MS).saturating_sub(now).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_those_refused_do_not_count() {
        let mut rate = Rate::new(60);
        for at in 0..60 {
            assert_eq!(rate.count(at * 100), Verdict::Taken);
        }
        for _ in 0..100 {
            assert_eq!(rate.count(6_000), Verdict::TooMany { retry_ms: 4_000 });
        }
        assert_eq!(rate.count(10_000), Verdict::Taken);
        assert!(matches!(rate.count(10_000), Verdict::TooMany { .. }));
    }

    #[test]
    fn who_never_learns_is_let_go() {
        let mut rate = Rate::new(1);
        let verdicts: Vec<_> =
            (0..5).flat_map(|window| [rate.count(window * 10_000), rate.count(window * 10_000)]).collect();
        assert_eq!(verdicts.last(), Some(&Verdict::Incorrigible));
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Incorrigible).count(), 1);
    }
}
