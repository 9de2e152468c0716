//! Failed attempts to sign in, counted per peer, so that trying keys costs the one who tries.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

use rejoin_core::position::Millis;

/// Failures that a peer has in one window. A person who pastes wrong keys stays below; a program that guesses does not.
pub const MOST_FAILURES: u32 = 10;
/// How long failures count, from the first one on.
pub const WINDOW_MS: Millis = 60_000;
/// Peers that are remembered. When there are more, those whose window is over go, and then all: a flood from that many
/// addresses is beyond what counting per address can help with.
const MOST_PEERS: usize = 10_000;

#[derive(Default)]
pub(crate) struct Attempts {
    peers: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    since: Millis,
    failures: u32,
}

impl Attempts {
    /// How long this peer must wait, if it failed too often.
    pub(crate) fn blocked(&self, peer: IpAddr, now: Millis) -> Option<u64> {
        let peers = self.peers.lock().expect("no holder of this lock panics");
        let window = peers.get(&network(peer))?;
        let left = (window.since + WINDOW_MS).saturating_sub(now);
        (window.failures >= MOST_FAILURES && left > 0).then_some(left)
    }

    pub(crate) fn failed(&self, peer: IpAddr, now: Millis) {
        let mut peers = self.peers.lock().expect("no holder of this lock panics");
        if peers.len() >= MOST_PEERS && !peers.contains_key(&network(peer)) {
            peers.retain(|_, window| window.since + WINDOW_MS > now);
            if peers.len() >= MOST_PEERS {
                peers.clear();
            }
        }
        let window = peers.entry(network(peer)).or_insert(Window { since: now, failures: 0 });
        if window.since + WINDOW_MS <= now {
            *window = Window { since: now, failures: 0 };
        }
        window.failures += 1;
    }
}

/// One host of IPv6 has a whole network of addresses to come from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(six) if !six.is_loopback() => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_attempt_within_a_minute_waits_for_its_end() {
        let attempts = Attempts::default();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        for at in 0..10 {
            assert_eq!(attempts.blocked(peer, 1_000 + at), None);
            attempts.failed(peer, 1_000 + at);
        }
        assert_eq!(attempts.blocked(peer, 2_000), Some(59_000));
        assert_eq!(attempts.blocked("192.0.2.2".parse().unwrap(), 2_000), None);
        assert_eq!(attempts.blocked(peer, 61_000), None);
        attempts.failed(peer, 61_000);
        assert_eq!(attempts.blocked(peer, 61_001), None);
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let attempts = Attempts::default();
        for host in 0..10 {
            attempts.failed(format!("2001:db8::{host:x}").parse().unwrap(), 0);
        }
        assert!(attempts.blocked("2001:db8::ffff".parse().unwrap(), 1).is_some());
        assert!(attempts.blocked("2001:db8:0:1::1".parse().unwrap(), 1).is_none());
    }

    #[test]
    fn a_flood_of_peers_does_not_grow_the_memory() {
        let attempts = Attempts::default();
        for host in 0..30_000_u32 {
            attempts.failed(IpAddr::from(host.to_be_bytes()), 0);
        }
        assert!(attempts.peers.lock().unwrap().len() <= MOST_PEERS);
    }
}
