//! Where to connect to, as whom, and how patiently.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::dial::{Dial, Tcp};

/// Settings of a [`Client`](super::Client); all but the address have the defaults of the original.
///
/// ```
/// use rejoin_diminuendo::client::ClientOptions;
/// let options = ClientOptions { token: "secret".into(), ..ClientOptions::new("ws://localhost:8080/ws") };
/// assert!(options.auto_reconnect);
/// ```
#[derive(Clone)]
pub struct ClientOptions {
    /// The gateway's WebSocket.
    pub url: String,
    /// A JWT or an API key. Empty where the gateway wants none.
    pub token: String,
    /// Whether to connect again when the connection is lost.
    pub auto_reconnect: bool,
    /// The wait before each attempt.
    pub reconnect_delay: Duration,
    /// How often to say that we are there. Zero: never.
    pub ping_interval: Duration,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long connecting and signing in may take.
    pub connect_timeout: Duration,
    /// Whether sessions that were joined are joined again, each from what was heard last, when the connection comes back.
    pub auto_rejoin: bool,
    /// Whether a hole in a session's numbers is taken for a loss, and what is missing asked for.
    ///
    /// Rejoin's numbers have holes where nothing is missing. Useful only with the original gateway.
    pub repair_gaps: bool,
    /// Whether requests carry an id. A gateway that repeats it leaves no doubt about whose answer an answer is; others
    /// do not notice.
    pub request_ids: bool,
    /// What opens connections: TCP, unless something else is needed.
    pub dial: Arc<dyn Dial>,
}

impl ClientOptions {
    pub fn new(url: impl Into<String>) -> ClientOptions {
        ClientOptions {
            url: url.into(),
            token: String::new(),
            auto_reconnect: true,
            reconnect_delay: Duration::from_secs(1),
            ping_interval: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            auto_rejoin: true,
            repair_gaps: false,
            request_ids: true,
            dial: Arc::new(Tcp),
        }
    }

    /// The same with a token.
    pub fn token(self, token: impl Into<String>) -> ClientOptions {
        ClientOptions { token: token.into(), ..self }
    }
}

impl From<&str> for ClientOptions {
    fn from(url: &str) -> ClientOptions {
        ClientOptions::new(url)
    }
}

impl From<String> for ClientOptions {
    fn from(url: String) -> ClientOptions {
        ClientOptions::new(url)
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.token.is_empty() { "" } else { "…" };
        out.debug_struct("ClientOptions").field("url", &self.url).field("token", &token).finish_non_exhaustive()
    }
}
