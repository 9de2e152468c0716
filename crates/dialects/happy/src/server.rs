//! The door: what Happy's command lines, daemons and apps connect to.
//!
//! A [`Door`] is made once, and its routes are put wherever it shall stand: at the root of a listener of its own, or below
//! `/happy`. What an account's things are stands in a file per noun ([`session`], [`message`], [`machine`] …), which both the
//! HTTP routes ([`routes`]) and the events of sockets ([`work`]) use. Whoever is connected hears of changes from the account's
//! [`hub::Room`], which reads the account's feed: what is told is what was kept, in the order in which it was kept.

mod access_key;
mod account;
mod artifact;
mod attachment;
mod auth;
mod body;
mod bucket;
mod connect;
mod connection;
pub mod engine;
mod failure;
mod friend;
mod hub;
mod id;
mod instant;
mod kv;
mod machine;
mod message;
mod options;
mod outside;
mod presence;
mod push;
mod record;
mod routes;
mod rpc;
mod session;
mod shelf;
mod token;
mod usage;
mod vault;
mod voice;
mod who;
mod work;

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use rejoin_ports::gateway::Gateway;

pub use bucket::S3;
pub use options::{GitHub, Options, Registration};
pub use push::EXPO;
pub use voice::{RevenueCat, Voice};

use axum::Router;
use axum::routing::MethodRouter;
use hub::Hub;
use presence::Presence;
use token::Tokens;

/// The name of this door, in authors, carriers and records.
pub const DOOR: &str = "happy";

/// The door. All that its routes share is made once, wherever they are put.
#[derive(Clone)]
pub struct Door {
    hall: Hall,
    /// One for all places where they connect: a session that begins at one may go on at another.
    sockets: Router,
}

/// What all requests and connections share.
#[derive(Clone)]
pub(crate) struct Hall(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) gateway: Gateway,
    pub(crate) options: Options,
    tokens: Tokens,
    hub: Hub,
    presence: Presence,
    challenges: auth::Challenges,
    attempts: auth::Attempts,
    /// Requests to be let in.
    desk: auth::Desk,
    /// Ways to GitHub and back.
    ways: connect::State,
    uploads: attachment::Uploads,
    leftovers: bucket::Leftovers,
    vault: vault::Vault,
    outside: OnceLock<reqwest::Client>,
}

impl Door {
    pub fn new(gateway: Gateway, options: Options) -> Door {
        let engine = engine::Options {
            clock: options.clock.clone(),
            tasks: options.tasks.clone(),
            stop: options.stop.clone(),
            ..engine::Options::default()
        };
        let seed = &options.seed;
        let shared = Shared {
            gateway,
            tokens: Tokens::new(seed),
            hub: Hub::default(),
            presence: Presence::default(),
            challenges: Default::default(),
            attempts: Default::default(),
            desk: auth::Desk::new(seed),
            ways: connect::State::new(seed),
            uploads: Default::default(),
            leftovers: Default::default(),
            vault: vault::Vault::new(seed),
            outside: OnceLock::new(),
            options,
        };
        let hall = Hall(Arc::new(shared));
        Presence::look_after(&hall);
        bucket::Leftovers::look_after(&hall);
        let served = hall.clone();
        let sockets = engine::routes(move |peer| connection::serve(served.clone(), peer), engine);
        Door { hall, sockets }
    }

    /// Everything, for a listener of its own and for below `/happy` of one that is shared.
    ///
    /// The server should put a `ConnectInfo<SocketAddr>` into each request.
    pub fn routes(&self) -> Router {
        routes::all(&self.hall).merge(self.sockets())
    }

    /// For `/happy/` of a listener that is shared: apps look for the greeting at the address as somebody typed it.
    pub fn greeting(&self) -> MethodRouter {
        routes::greeting()
    }

    /// Where Socket.IO clients connect: `/v1/updates/`. On a shared listener it stands at the root as well, because they take the
    /// path of an address for a namespace.
    pub fn sockets(&self) -> Router {
        self.sockets.clone()
    }

    /// Writes down what is only remembered so far. For the end, when no connection is left.
    pub async fn close(&self) {
        self.hall.presence.write_down(&self.hall, true).await;
    }
}

impl Deref for Hall {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
