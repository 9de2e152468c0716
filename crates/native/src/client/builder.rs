//! How a client is set up.

use std::sync::Arc;
use std::time::Duration;

use rejoin_core::id::ClientId;
use rejoin_ports::clock::{Clock, SystemClock};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::problem::Error;
use super::{Client, Inner};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take, from the request to its last byte. Streams are exempt.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a request that got lost on the way is sent again.
const RETRIES: u32 = 4;

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    key: Option<String>,
    client: Option<ClientId>,
    capabilities: Vec<String>,
    control: bool,
    user_agent: String,
    connect_timeout: Duration,
    request_timeout: Duration,
    retries: u32,
    clock: Arc<dyn Clock>,
}

impl ClientBuilder {
    pub(super) fn new(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            key: None,
            client: None,
            capabilities: Vec::new(),
            control: false,
            user_agent: concat!("rejoin/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT,
            request_timeout: ANSWER,
            retries: RETRIES,
            clock: Arc::new(SystemClock),
        }
    }
    /// An API key (`rjn_…`) or another token that the gateway takes.
    pub fn key(mut self, key: impl Into<String>) -> ClientBuilder {
        self.key = Some(key.into());
        self
    }
    /// The name of this program, the same after a restart: control belongs to it.
    pub fn client_id(mut self, client: ClientId) -> ClientBuilder {
        self.client = Some(client);
        self
    }
    /// What this client can do for an agent that asks for it.
    pub fn capabilities<T: Into<String>>(mut self, capabilities: impl IntoIterator<Item = T>) -> ClientBuilder {
        self.capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }
    /// This client knows of control, and is bound by it. It needs a client id.
    pub fn control(mut self, control: bool) -> ClientBuilder {
        self.control = control;
        self
    }
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> ClientBuilder {
        self.user_agent = user_agent.into();
        self
    }
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = timeout;
        self
    }
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.request_timeout = timeout;
        self
    }
    /// How often a request that got lost on the way is sent again; 0 for never.
    pub fn retries(mut self, retries: u32) -> ClientBuilder {
        self.retries = retries;
        self
    }
    /// The time that waits are measured with.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> ClientBuilder {
        self.clock = clock;
        self
    }

    pub fn build(self) -> Result<Client, Error> {
        let url: Url =
            self.url.parse().map_err(|why| Error::Setting(format!("`{}` is no address: {why}", self.url)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            let why = format!("`{}` does not begin with http:// or https://", self.url);
            return Err(Error::Setting(why));
        }
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, value("user agent", &self.user_agent)?);
        if let Some(key) = &self.key {
            let mut bearer = value("key", &format!("Bearer {key}"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        if let Some(client) = &self.client {
            headers.insert(named("x-rejoin-client"), value("client id", client.as_str())?);
        }
        if !self.capabilities.is_empty() {
            let list = value("capabilities", &self.capabilities.join(","))?;
            headers.insert(named("x-rejoin-capabilities"), list);
        }
        if self.control {
            headers.insert(named("x-rejoin-control"), HeaderValue::from_static("1"));
        }
        let mut http = reqwest::Client::builder()
            .default_headers(headers.clone())
            // An API that answers with another address is not ours, and must not be handed the key.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout);
        if url.scheme() == "http" {
            // Reading the system's certificates costs more than a whole request to a gateway nearby.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|source| Error::transport("client: setting up HTTP", source))?;
        Ok(Client(Arc::new(Inner {
            http,
            url,
            headers,
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            retries: self.retries,
            clock: self.clock,
        })))
    }
}

fn named(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn value(what: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::Setting(format!("the {what} has characters that no header takes")))
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .field("key", &self.key.as_ref().map(|_| "…"))
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
