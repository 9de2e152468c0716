//! How a client behaves: whom it talks to, as what, and how patiently.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Error, Server};
use crate::wire::Millis;

/// Settings of everything that talks to one server.
///
/// ```
/// use std::time::Duration;
/// use rejoin_happy::client::Options;
/// let options = Options { request_timeout: Duration::from_secs(5), ..Options::new("http://127.0.0.1:7717/happy").unwrap() };
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub server: Server,
    /// What the server may count us as: `<type>/<version>`.
    pub label: String,
    /// How long opening a connection may take, sign-in included.
    pub connect_timeout: Duration,
    /// How long an HTTP answer may take.
    pub request_timeout: Duration,
    /// How long an acknowledgement over the socket may take before it is asked for again.
    pub ack_timeout: Duration,
    /// How long a remote call may take. Servers give up after half a minute or a minute.
    pub call_timeout: Duration,
    /// The first wait before connecting again. It doubles up to `longest_delay`, and each is a random half longer or shorter.
    pub reconnect_delay: Duration,
    pub longest_delay: Duration,
    /// How long a change of metadata or state is tried, through lost connections and against others who change it as well.
    pub change_patience: Duration,
    /// How long [`flush`](super::SessionClient::flush) waits for the server to confirm what was said.
    pub flush_patience: Duration,
    /// How often a machine says that it is there.
    pub heartbeat: Duration,
    /// What time it is, for what is written into messages.
    pub clock: Clock,
}

impl Options {
    pub fn new(url: &str) -> Result<Options, Error> {
        Ok(Options::for_server(Server::new(url)?))
    }

    /// The server of `HAPPY_SERVER_URL`, or the public one.
    pub fn from_env() -> Result<Options, Error> {
        Ok(Options::for_server(Server::from_env()?))
    }

    pub fn for_server(server: Server) -> Options {
        Options {
            server,
            label: concat!("rejoin/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(60),
            ack_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(65),
            reconnect_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(5),
            change_patience: Duration::from_secs(10 * 60),
            flush_patience: Duration::from_secs(60),
            heartbeat: Duration::from_secs(20),
            clock: Clock::default(),
        }
    }
}

/// Tells the time: the machine's, unless a test has its own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    pub fn now(&self) -> Millis {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Clock {
        let since = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::new(move || since().as_millis() as Millis)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Clock")
    }
}
