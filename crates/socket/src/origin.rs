//! Which web pages may open a socket here.
//!
//! Browsers let any page connect anywhere and only say in `Origin` who it is, so a door that
//! trusts cookies, the local network or `--dev` must look at it.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::ORIGIN;
use http::{HeaderMap, Uri};

/// An allow-list. Absent means no browser, and is admitted, as are pages from this machine.
///
/// Deliberately absent: "the same as `Host`". A name that an attacker lets point at 127.0.0.1 passes
/// that test.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    any: bool,
    listed: Vec<Origin>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin like https://example.com:8443, nor `*`")]
pub struct BadOrigin(String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// Reads a configured list; `*` admits everybody.
    pub fn new<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> Result<Origins, BadOrigin> {
        let mut origins = Origins::default();
        for entry in list {
            match entry.as_ref().trim() {
                "*" => origins.any = true,
                other => {
                    let origin = Origin::read(other).ok_or_else(|| BadOrigin(other.to_owned()))?;
                    origins.listed.push(origin);
                }
            }
        }
        Ok(origins)
    }

    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let mut stated = headers.get_all(ORIGIN).iter();
        match (stated.next(), stated.next()) {
            _ if self.any => true,
            (None, _) => true,
            (Some(one), None) => one
                .to_str()
                .ok()
                .and_then(Origin::read)
                .is_some_and(|origin| origin.is_loopback() || self.listed.contains(&origin)),
            (Some(_), Some(_)) => false,
        }
    }
}

impl Origin {
    /// `null` and everything with a path, a query or a user is no origin.
    fn read(text: &str) -> Option<Origin> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority()?;
        let host = authority.host();
        if !matches!(text.get(scheme.len() + 3 + authority.as_str().len()..), Some("" | "/")) {
            return None;
        }
        // What is left of the authority is a port, and no user stands before the host.
        let port = match authority.as_str().strip_prefix(host)? {
            "" => None,
            rest => Some(rest.strip_prefix(':')?.parse().ok()?),
        };
        let port = port.filter(|port| !matches!((scheme.as_str(), port), ("http", 80) | ("https", 443)));
        Some(Origin { scheme, host: host.to_ascii_lowercase(), port })
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.as_str();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        matches!(self.scheme.as_str(), "http" | "https")
            && (host == "localhost"
                || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
                || bare.is_some_and(|ip| ip.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(list: &[&str], stated: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in stated {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        Origins::new(list).unwrap().admit(&headers)
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_admitted() {
        assert!(admits(&[], &[]));
        for local in [
            "http://localhost",
            "http://localhost:3000",
            "https://LOCALHOST:8443",
            "http://127.0.0.1:7717",
            "http://127.8.9.1",
            "http://[::1]:5173",
        ] {
            assert!(admits(&[], &[local]), "{local}");
        }
    }

    #[test]
    fn pages_that_only_look_local_are_refused() {
        for foreign in [
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "http://127.0.0.1.evil.com",
            "http://evil.com",
            "http://evil.com/localhost",
            "http://0.0.0.0:7717",
            "http://127.1:99999",
            "tauri://localhost",
            "null",
            "",
            "localhost",
        ] {
            assert!(!admits(&[], &[foreign]), "{foreign}");
        }
        assert!(!admits(&[], &["http://localhost", "http://evil.com"]));
    }

    #[test]
    fn a_listed_origin_is_admitted_with_its_scheme_and_port() {
        let list = ["https://App.Example.com", "tauri://localhost", "http://lan.example:8080/"];
        for good in
            ["https://app.example.com", "https://app.example.com:443", "tauri://localhost", "http://lan.example:8080"]
        {
            assert!(admits(&list, &[good]), "{good}");
        }
        for bad in
            ["http://app.example.com", "https://app.example.com:8443", "https://example.com", "http://lan.example"]
        {
            assert!(!admits(&list, &[bad]), "{bad}");
        }
        assert!(admits(&["*"], &["null"]));
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_refused() {
        for entry in ["example.com", "https://example.com/app", "https://", "null"] {
            assert_eq!(Origins::new([entry]).unwrap_err(), BadOrigin(entry.to_owned()));
        }
    }
}
