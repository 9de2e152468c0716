//! The native API: REST, SSE and WebSocket on the session log itself, described by OpenAPI.
//!
//! [`router`] is the server side. Every route comes out of one table ([`operations`]) that also makes the OpenAPI
//! document, so none exists without its description. Doors know the gateway only by the traits of `rejoin-ports`.

mod agents;
mod answer;
mod api;
mod attached;
mod body;
mod budget;
pub mod client;
mod commands;
mod events;
mod feed;
mod files;
mod identity;
mod integrations;
mod keys;
mod limits;
mod members;
mod messages;
mod openapi;
mod operations;
mod problem;
mod query;
mod rendition;
mod request_id;
mod sessions;
mod shape;
mod socket;
mod sse;
mod terminals;
mod usage;
mod workspaces;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn;
use axum::routing::{any, get};
use rejoin_ports::gateway::Gateway;

pub use api::{Hangup, Options};
pub use limits::Limits;
pub use problem::{CODES, Code};
pub use sessions::{CreateSession, PatchSession, SessionNow};
pub use socket::close;

use api::Api;
use problem::Problem;

/// The name of this door, in authors and in rendered batches.
pub const DOOR: &str = "native";

/// Everything under `/api/v1`, and `/openapi.json`.
///
/// The server should put a `ConnectInfo<SocketAddr>` into each request, so that failed sign-ins can be counted by
/// address, and a [`Hangup`], so that a stalled event stream can be cut off.
pub fn router(gateway: Gateway, options: Options) -> Router {
    let api = Api::new(gateway, options);
    let routes = operations::all()
        .into_iter()
        .fold(Router::new(), |router, operation| router.route(operation.path, operation.route));
    let routes = routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(request_id::tell))
        .with_state(api);
    // Outside of the nest, which does not take its own name with a slash behind it.
    let bare = Router::new()
        .route("/openapi.json", get(openapi::serve))
        .route(&format!("{}/", openapi::BASE), any(unknown_path))
        .layer(from_fn(request_id::tell));
    Router::new().nest(openapi::BASE, routes).merge(bare)
}

async fn unknown_path(uri: Uri) -> Problem {
    tracing::debug!(path = uri.path(), "native: no such path");
    Problem::new("not_found", "there is no such path")
}

async fn wrong_method(method: Method) -> Problem {
    tracing::debug!(%method, "native: no such method");
    Problem::new("method_not_allowed", "this path does not know that method; see the Allow header")
}
