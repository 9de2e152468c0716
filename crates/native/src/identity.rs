//! Who asks: the extractors that every handler of this door begins with.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rejoin_core::command::Command;
use rejoin_core::id::ClientId;
use rejoin_core::who::{Author, Identity};
use rejoin_ports::gateway::Caller;
use rejoin_ports::sign_in::{Carrier, SignedIn, Standing};

use crate::DOOR;
use crate::api::Api;
use crate::problem::Problem;
use crate::query::pairs;

/// Parameters that every request may have. `key` only where a header cannot be set.
pub(crate) const COMMON: &[&str] = &["key", "client", "capabilities", "control"];

/// How many capabilities a client may name, and how long each may be.
const MOST_CAPABILITIES: usize = 64;
const LONGEST_CAPABILITY: usize = 128;

/// A signed-in caller and the client it uses.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) signed: SignedIn,
    pub(crate) client: Option<ClientId>,
    capabilities: Vec<String>,
    /// The client knows of control and is bound by it. For good, once it has spoken of it.
    pub(crate) control: bool,
    /// The name of the socket, for those who do not want to hear what they said themselves.
    pub(crate) connection: Option<String>,
}

/// A caller who may show its key in the query, since browsers set no headers on event streams and sockets.
pub(crate) struct Listener(pub(crate) Who);

impl FromRequestParts<Api> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Who, Problem> {
        Who::enter(parts, api, false).await
    }
}

impl FromRequestParts<Api> for Listener {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Listener, Problem> {
        let streams = wants_events(&parts.headers) || parts.headers.contains_key("upgrade");
        Who::enter(parts, api, streams).await.map(Listener)
    }
}

/// Whether an answer should be a stream of events.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all("accept")
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .filter_map(|kind| kind.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

impl Who {
    async fn enter(parts: &Parts, api: &Api, key_in_query: bool) -> Result<Who, Problem> {
        let query = pairs(parts)?;
        let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
        let header = |name: &str| {
            let value = parts.headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let token = bearer(&parts.headers).or_else(|| asked("key").filter(|_| key_in_query));
        let carrier = Carrier { token: token.map(str::to_owned), peer: peer(parts), door: DOOR };
        let signed = api.gateway.sign_in.sign_in(carrier).await?;
        api.rates.check(&signed.identity)?;

        let client = header("x-rejoin-client").or_else(|| asked("client"));
        let client = client.map(ClientId::new).transpose();
        let client = client.map_err(|bad| Problem::malformed("client", bad))?;
        let listed = header("x-rejoin-capabilities").or_else(|| asked("capabilities"));
        let control = header("x-rejoin-control").or_else(|| asked("control"));
        Ok(Who {
            signed,
            client,
            capabilities: capabilities(listed.unwrap_or_default())?,
            control: matches!(control, Some("1" | "true")),
            connection: None,
        })
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.signed.identity
    }

    /// The caller as it stands now: the role may have changed since it signed in.
    pub(crate) fn caller(&self) -> Caller {
        let mut identity = self.signed.identity.clone();
        if let Standing::Changed(role) = *self.signed.standing.borrow() {
            identity.role = role;
        }
        let author = Author {
            user: identity.user.clone(),
            door: DOOR.to_owned(),
            client: self.client.clone(),
            connection: self.connection.clone(),
        };
        Caller {
            identity,
            author: Arc::new(author),
            capabilities: self.capabilities.clone(),
            speaks_control: self.control && self.client.is_some(),
        }
    }

    /// The caller of a command. Whoever speaks of control with it is bound by control.
    pub(crate) fn caller_of(&self, command: &Command) -> Caller {
        Caller { speaks_control: self.client.is_some() && (self.control || is_of_control(command)), ..self.caller() }
    }
}

pub(crate) fn is_of_control(command: &Command) -> bool {
    matches!(command, Command::Claim { .. } | Command::Release | Command::Takeover | Command::RespondTakeover { .. })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    connected.map(|ConnectInfo(address)| address.ip())
}

fn capabilities(listed: &str) -> Result<Vec<String>, Problem> {
    let names = listed.split(',').map(str::trim);
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let fits = names.len() <= MOST_CAPABILITIES && names.iter().all(|name| name.len() <= LONGEST_CAPABILITY);
    fits.then_some(names).ok_or_else(|| {
        let why = format!("at most {MOST_CAPABILITIES} names of {LONGEST_CAPABILITY} bytes, with commas between them");
        Problem::malformed("capabilities", why)
    })
}
