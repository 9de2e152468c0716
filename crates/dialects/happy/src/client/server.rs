//! Where the server is.

use std::fmt;

use reqwest::Url;

use super::Error;

/// The server of the original's makers.
const PUBLIC: &str = "https://api.cluster-fluster.com";
const URL_VARIABLE: &str = "HAPPY_SERVER_URL";
/// What Socket.IO is asked for, always at the root of the host.
const SOCKET: &str = "/v1/updates/";

/// A server's address. What is below its path is HTTP; Socket.IO stands at the root, and the path is its namespace.
///
/// ```
/// use rejoin_happy::client::Server;
/// let server = Server::new("http://127.0.0.1:7717/happy").unwrap();
/// assert_eq!(server.to_string(), "http://127.0.0.1:7717/happy");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    base: Url,
    /// Without a slash at its end; empty at the root.
    path: String,
}

impl Server {
    pub fn new(url: &str) -> Result<Server, Error> {
        let base = Url::parse(url.trim()).map_err(|why| Error::io("reading the server's address", why))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(Error::Unreadable("the server's address"));
        }
        let path = base.path().trim_end_matches('/').to_owned();
        Ok(Server { base, path })
    }

    /// `HAPPY_SERVER_URL`, or the public one.
    pub fn from_env() -> Result<Server, Error> {
        match std::env::var(URL_VARIABLE) {
            Ok(url) if !url.trim().is_empty() => Server::new(&url),
            _ => Server::new(PUBLIC),
        }
    }

    /// The address of a route, which begins with a slash.
    pub(super) fn http(&self, route: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{route}", self.path));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    pub(super) fn socket(&self) -> Url {
        let mut url = self.base.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).expect("both are schemes of the web");
        url.set_path(SOCKET);
        url.set_query(Some("EIO=4&transport=websocket"));
        url.set_fragment(None);
        url
    }

    /// `/` at the root.
    pub(super) fn namespace(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// Whether an address that the server named is its own, so that it may see the token.
    pub(super) fn owns(&self, url: &Url) -> bool {
        let inside = |path: &str| path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'));
        url.origin() == self.base.origin() && inside(url.path())
    }

    pub(super) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_a_namespace_for_sockets_and_a_folder_for_http() {
        for url in ["http://host:7717/happy", "http://host:7717/happy/"] {
            let server = Server::new(url).unwrap();
            assert_eq!(server.namespace(), "/happy");
            assert_eq!(server.http("/v1/sessions").as_str(), "http://host:7717/happy/v1/sessions");
            assert_eq!(server.socket().as_str(), "ws://host:7717/v1/updates/?EIO=4&transport=websocket");
        }
    }

    #[test]
    fn a_server_at_the_root_has_the_plain_namespace() {
        let server = Server::new("https://happy.example").unwrap();
        assert_eq!(server.namespace(), "/");
        assert_eq!(server.http("/v1/sessions").as_str(), "https://happy.example/v1/sessions");
        assert_eq!(server.socket().as_str(), "wss://happy.example/v1/updates/?EIO=4&transport=websocket");
    }

    #[test]
    fn the_token_goes_to_the_server_alone() {
        let server = Server::new("http://host/happy").unwrap();
        let owns = |url: &str| server.owns(&Url::parse(url).unwrap());
        assert!(owns("http://host/happy/v1/sessions/s/attachments/a.enc"));
        for other in [
            "http://host/happyother/x",
            "http://host/x",
            "https://host/happy/x",
            "http://hos/happy/x",
            "http://host:1/happy/x",
        ] {
            assert!(!owns(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_address_of_the_web_is_refused() {
        for url in ["", "host", "ftp://host", "file:///x"] {
            assert!(Server::new(url).is_err(), "{url}");
        }
    }
}
