//! Challenges that have served: whoever listens in cannot use them again, for as long as they are remembered.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use aws_lc_rs::digest::{Context, SHA256};

/// Challenges that are remembered; then the oldest are forgotten.
const REMEMBERED: usize = 100_000;

type Mark = [u8; 16];

#[derive(Default)]
pub(crate) struct Challenges(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    marks: HashSet<Mark>,
    order: VecDeque<Mark>,
}

impl Challenges {
    /// Whether this key's challenge has not served before. From now on it has.
    pub(super) fn is_new(&self, key: &[u8], challenge: &[u8]) -> bool {
        let mut digest = Context::new(&SHA256);
        digest.update(key);
        digest.update(challenge);
        let mark: Mark = digest.finish().as_ref()[..16].try_into().expect("SHA-256 has 32 bytes");
        let mut seen = self.0.lock().expect("no holder of this lock panics");
        if !seen.marks.insert(mark) {
            return false;
        }
        seen.order.push_back(mark);
        if seen.order.len() > REMEMBERED {
            let oldest = seen.order.pop_front().expect("just counted");
            seen.marks.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_serves_once_for_each_key() {
        let challenges = Challenges::default();
        assert!(challenges.is_new(&[1; 32], b"challenge"));
        assert!(!challenges.is_new(&[1; 32], b"challenge"));
        assert!(challenges.is_new(&[2; 32], b"challenge"));
        assert!(challenges.is_new(&[1; 32], b""));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let challenges = Challenges::default();
        (0..REMEMBERED + 1).for_each(|n| assert!(challenges.is_new(&[1; 32], &n.to_be_bytes())));
        assert_eq!(challenges.0.lock().unwrap().marks.len(), REMEMBERED);
        assert!(!challenges.is_new(&[1; 32], &1_usize.to_be_bytes()));
        assert!(challenges.is_new(&[1; 32], &0_usize.to_be_bytes()));
    }
}
