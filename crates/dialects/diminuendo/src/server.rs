//! The door: a WebSocket that Diminuendo clients connect to, and a page that says how we are.
//!
//! A [`Door`] is made once and its routes are put wherever it shall stand. A connection is one task
//! ([`connection`]): it hears requests ([`request`]), does one after the other ([`work`]), follows the sessions that were
//! joined ([`followed`]) and what happens in the tenant ([`tenant`]).

mod connection;
mod failure;
mod followed;
mod health;
mod options;
mod rate;
mod rendition;
mod request;
mod tenant;
mod viewers;
mod who;
mod work;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use rejoin_ports::gateway::Gateway;
use rejoin_socket::{Accept, Limits, Upgrade};

pub use health::{Dependency, Health, Probe};
pub use options::Options;

use crate::names::{self, Naming};
use tenant::Tenants;
use viewers::Viewers;

/// The name of this door, in authors and in rendered batches.
pub const DOOR: &str = "diminuendo";

/// How this door closes a socket, beside the codes of the WebSocket itself.
pub mod close {
    /// Nobody signed in in time, or the sign-in is over.
    pub const NOT_SIGNED_IN: u16 = 4001;
    /// None of the versions that the client speaks.
    pub const VERSION: u16 = 4002;
    /// The client took nothing for two minutes. Everything is there when it comes back with `afterSeq`.
    pub const STALLED: u16 = 4008;
}

/// A larger message ends the connection; up to here it is answered with an error.
const FAR_TOO_LARGE: usize = 2 << 20;
/// What the kernel holds for a client that does not read. What is beyond it stays in the log.
const SEND_BUFFER: usize = 112 << 10;

/// The door. All that its routes share is made once, wherever they are put.
#[derive(Clone)]
pub struct Door(Hall);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Hall(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) gateway: Gateway,
    pub(crate) options: Options,
    pub(crate) viewers: Viewers,
    pub(crate) tenants: Tenants,
}

impl Deref for Hall {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Door {
    pub fn new(gateway: Gateway, options: Options) -> Door {
        let tenants = Tenants::new(gateway.clone(), &options);
        Door(Hall(Arc::new(Shared { gateway, options, viewers: Viewers::default(), tenants })))
    }

    /// `/ws` and `/health`, for a listener of its own or to be nested.
    ///
    /// The server should put a `ConnectInfo<SocketAddr>` into each request, so that failed sign-ins are counted by address.
    pub fn routes(&self) -> Router {
        Router::new().route("/ws", any(open)).route("/health", get(health::page)).with_state(self.0.clone())
    }
}

async fn open(
    State(door): State<Hall>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Upgrade,
) -> Response {
    if !door.options.origins.admit(&headers) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not open a socket here").into_response();
    }
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let dotted = format!("protocolVersion={}", names::DOTTED_VERSION);
    let asks_for_dots = query.is_some_and(|query| query.split('&').any(|pair| pair == dotted));
    let (version, naming) = match asks_for_dots {
        true => (names::DOTTED_VERSION, Naming::Dotted),
        false => (names::PROTOCOL_VERSION, door.options.event_naming),
    };
    let how = Accept::new(Limits::new(names::LARGEST_MESSAGE, FAR_TOO_LARGE))
        .send_buffer(SEND_BUFFER)
        .tracked_by(&door.options.tasks);
    upgrade.accept(how, move |socket| connection::serve(door, connection::Begin { peer, version, naming }, socket))
}
