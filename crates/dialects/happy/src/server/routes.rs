//! All HTTP routes, a file per noun. They read requests and write answers; what is done is in the nouns' own files.

mod access_keys;
mod account;
mod artifacts;
mod attachments;
mod auth;
mod connect;
mod cors;
mod friends;
mod kv;
mod machines;
mod messages;
mod push;
mod query;
mod service;
mod sessions;
mod usage;
mod voice;

use axum::Json;
use axum::Router;
use axum::extract::OriginalUri;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::{Value, json};

use super::Hall;

pub(super) fn all(hall: &Hall) -> Router {
    Router::new()
        .merge(access_keys::routes())
        .merge(account::routes())
        .merge(artifacts::routes())
        .merge(attachments::routes())
        .merge(auth::routes())
        .merge(connect::routes())
        .merge(friends::routes())
        .merge(kv::routes())
        .merge(machines::routes())
        .merge(messages::routes())
        .merge(push::routes())
        .merge(service::routes())
        .merge(sessions::routes())
        .merge(usage::routes())
        .merge(voice::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(axum::middleware::from_fn(cors::allow))
        .with_state(hall.clone())
}

/// The greeting alone.
pub(super) fn greeting() -> MethodRouter {
    get(service::greet).layer(axum::middleware::from_fn(cors::allow))
}

/// There is no such route. Clients that look for a newer one know by the `path` that it is not there.
async fn unknown(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let told = json!({ "error": "Not found", "path": path, "method": method.as_str() });
    (StatusCode::NOT_FOUND, Json(told)).into_response()
}

/// What is answered where there is nothing more to say.
fn success() -> Json<Value> {
    Json(json!({ "success": true }))
}
