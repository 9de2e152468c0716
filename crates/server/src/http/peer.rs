//! Who is at the other end, also behind a proxy that is trusted to say so.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;

const FORWARDED: &str = "x-forwarded-for";
/// Hops that are looked at. Longer chains are not how anybody runs a gateway.
const MOST_HOPS: usize = 16;

/// Proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<[IpAddr]>);

impl Proxies {
    pub fn new(trusted: Vec<IpAddr>) -> Proxies {
        Proxies(trusted.iter().map(IpAddr::to_canonical).collect())
    }

    /// The nearest address that is not a trusted proxy. Whatever stands further away in the header, its sender made up.
    pub(super) fn client(&self, connected: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if self.0.is_empty() || !self.trusts(connected.ip()) {
            return connected;
        }
        let lines = headers.get_all(FORWARDED).iter().rev();
        let hops = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
        let mut nearest = connected.ip();
        for hop in hops.take(MOST_HOPS) {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
            nearest = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        SocketAddr::new(nearest, connected.port())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], connected: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        let proxies = Proxies::new(trusted.iter().map(|ip| ip.parse().unwrap()).collect());
        proxies.client(SocketAddr::new(connected.parse().unwrap(), 1), &headers).ip().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_about_its_own_neighbour() {
        let proxy = &["10.0.0.1", "10.0.0.2"];
        assert_eq!(client(&[], "10.0.0.1", &["1.1.1.1"]), "10.0.0.1");
        assert_eq!(client(proxy, "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(client(proxy, "10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(client(proxy, "10.0.0.1", &["6.6.6.6, 1.1.1.1"]), "1.1.1.1");
        assert_eq!(client(proxy, "10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.0.0.2"]), "1.1.1.1");
        assert_eq!(client(proxy, "::ffff:10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(client(proxy, "10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client(proxy, "10.0.0.1", &[]), "10.0.0.1");
    }
}
