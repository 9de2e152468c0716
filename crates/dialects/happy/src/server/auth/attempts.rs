//! Who failed to sign in too often has to wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use rejoin_core::position::Millis;

/// Failures of an address in a window, and the window.
const MOST: u32 = 30;
const WINDOW_MS: Millis = 60_000;
/// Addresses that are remembered. Beyond it those whose window is over are forgotten, and then all.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(crate) struct Attempts {
    failed: Mutex<HashMap<IpAddr, (Millis, u32)>>,
}

impl Attempts {
    /// How long somebody has to wait, if they have to.
    pub(crate) fn blocked(&self, peer: IpAddr, now: Millis) -> Option<Millis> {
        let failed = self.failed.lock().expect("no holder of this lock panics");
        let (since, count) = failed.get(&network(peer))?;
        let left = (since + WINDOW_MS).checked_sub(now).filter(|left| *left > 0)?;
        (*count >= MOST).then_some(left)
    }

    pub(crate) fn failed(&self, peer: IpAddr, now: Millis) {
        let mut failed = self.failed.lock().expect("no holder of this lock panics");
        if failed.len() >= REMEMBERED {
            failed.retain(|_, (since, _)| *since + WINDOW_MS > now);
            if failed.len() >= REMEMBERED {
                failed.clear();
            }
        }
        let (since, count) = failed.entry(network(peer)).or_insert((now, 0));
        if *since + WINDOW_MS <= now {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }
}

/// Whoever has one address of IPv6 has 2^64 of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => IpAddr::V6((u128::from(peer) & !u128::from(u64::MAX)).into()),
        peer => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_thirty_times_waits_for_the_rest_of_the_minute() {
        let attempts = Attempts::default();
        let (ann, bob): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        (0..29).for_each(|_| attempts.failed(ann, 1_000));
        assert_eq!(attempts.blocked(ann, 1_000), None);
        attempts.failed(ann, 31_000);
        assert_eq!(attempts.blocked(ann, 31_000), Some(30_000));
        assert_eq!(attempts.blocked(bob, 31_000), None);
        assert_eq!(attempts.blocked(ann, 61_000), None);
    }

    #[test]
    fn neighbours_of_one_network_are_one() {
        let attempts = Attempts::default();
        (0..30).for_each(|n| attempts.failed(format!("2001:db8::{n:x}").parse().unwrap(), 1));
        assert!(attempts.blocked("2001:db8::ffff".parse().unwrap(), 1).is_some());
        assert!(attempts.blocked("2001:db8:0:1::1".parse().unwrap(), 1).is_none());
    }
}
