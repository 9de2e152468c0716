//! Engine sessions: connections over a WebSocket, over polling, or over polling until a WebSocket is there.
//!
//! Each of them is one task, the door's own: it is handed a [`Peer`], which hears packets in order and only when asked to,
//! and writes what the door pushes. What carries the packets is the business of this folder alone.

mod cors;
mod heartbeat;
mod namespace;
mod options;
mod outgoing;
mod peer;
mod polling;
mod probe;
mod refused;
mod requests;
mod sessions;
mod sid;
mod stall;

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use rejoin_core::position::Millis;

pub use namespace::Namespace;
pub use options::Options;
pub use outgoing::{Full, Packet};
pub use peer::{Caller, Incoming, Peer};

use sessions::Sessions;

/// Where clients look for us. Without its last slash there is nothing.
pub const PATH: &str = "/v1/updates/";

/// From a pong to the next ping.
pub const PING_INTERVAL_MS: Millis = 15_000;
/// From a ping to its pong; who takes longer is gone.
pub const PING_TIMEOUT_MS: Millis = 45_000;
/// How long a client may be here without having joined a namespace.
pub const CONNECT_TIMEOUT_MS: Millis = 20_000;
/// A client that takes nothing for so long is let go.
pub const STALLED_MS: Millis = 120_000;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What all sessions share.
#[derive(Clone)]
struct Hall(Arc<Shared>);

struct Shared {
    options: Options,
    sessions: Sessions,
    serve: Box<dyn Fn(Peer) -> Task + Send + Sync>,
}

impl Deref for Hall {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The route of [`PATH`], for a listener of its own or to be nested; wherever it stands, its sessions are the same.
///
/// `serve` runs as the task of each connection, and says goodbye with [`Peer::part`]. The server must drive connections with
/// upgrades, and should put a `ConnectInfo<SocketAddr>` into each request.
pub fn routes<H, F>(serve: H, options: Options) -> Router
where
    H: Fn(Peer) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let sessions = Sessions::new(options.polling_sessions);
    let serve = Box::new(move |peer| Box::pin(serve(peer)) as Task);
    Router::new().route(PATH, any(requests::answer)).with_state(Hall(Arc::new(Shared { options, sessions, serve })))
}
