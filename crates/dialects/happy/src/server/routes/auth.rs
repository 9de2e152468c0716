//! Signing in.

use std::net::SocketAddr;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::Query;
use super::success;
use crate::server::Hall;
use crate::server::auth::{self, Kind, Proof};
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::who::Signed;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/auth", post(enter))
        .route("/v1/auth/request", post(ask_as_terminal))
        .route("/v1/auth/request/status", get(status))
        .route("/v1/auth/response", post(answer_terminal))
        .route("/v1/auth/account/request", post(ask_as_device))
        .route("/v1/auth/account/response", post(answer_device))
}

const BAD_KEY: Refused = Refused::Told(StatusCode::UNAUTHORIZED, "Invalid public key");

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

async fn enter(State(hall): State<Hall>, peer: Peer, Body(proof): Body<Proof>) -> Result<Json<Value>, Refused> {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer.ip());
    let now = hall.now();
    if let Some(retry_ms) = peer.and_then(|peer| hall.attempts.blocked(peer, now)) {
        return Err(Refused::Busy { retry_ms });
    }
    match auth::enter(&hall, &proof).await? {
        Some(token) => Ok(Json(json!({ "success": true, "token": token }))),
        None => {
            if let Some(peer) = peer {
                hall.attempts.failed(peer, now);
                tracing::info!(%peer, door = crate::server::DOOR, "a sign-in failed");
            }
            Err(Refused::Told(StatusCode::UNAUTHORIZED, "Invalid signature"))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ask {
    public_key: String,
    #[serde(default, rename = "supportsV2")]
    supports_v2: Option<bool>,
}

async fn ask_as_terminal(State(hall): State<Hall>, Body(wanted): Body<Ask>) -> Result<Json<Value>, Refused> {
    ask(&hall, Kind::Terminal, wanted).await
}

async fn ask_as_device(State(hall): State<Hall>, Body(wanted): Body<Ask>) -> Result<Json<Value>, Refused> {
    ask(&hall, Kind::Device, wanted).await
}

async fn ask(hall: &Hall, kind: Kind, wanted: Ask) -> Result<Json<Value>, Refused> {
    let key = auth::key(&wanted.public_key).ok_or(BAD_KEY)?;
    Ok(Json(match auth::ask(hall, kind, &key, wanted.supports_v2.unwrap_or(false)).await? {
        Some((token, response)) => json!({ "state": "authorized", "token": token, "response": response }),
        None => json!({ "state": "requested" }),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Which {
    public_key: String,
}

async fn status(State(hall): State<Hall>, Query(which): Query<Which>) -> Result<Json<Value>, Refused> {
    let state = match auth::key(&which.public_key) {
        Some(key) => auth::state(&hall, &key).await?,
        None => auth::State::NotFound,
    };
    let (status, supports_v2) = match state {
        auth::State::NotFound => ("not_found", false),
        auth::State::Pending { supports_v2 } => ("pending", supports_v2),
        auth::State::Authorized => ("authorized", false),
    };
    Ok(Json(json!({ "status": status, "supportsV2": supports_v2 })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    public_key: String,
    response: String,
}

async fn answer_terminal(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(given): Body<Answer>,
) -> Result<Json<Value>, Refused> {
    let key = auth::key(&given.public_key).ok_or(BAD_KEY)?;
    auth::answer(&hall, &who, Kind::Terminal, &key, &given.response).await.map_err(missing())?;
    Ok(success())
}

async fn answer_device(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(given): Body<Answer>,
) -> Result<Json<Value>, Refused> {
    let key = auth::key(&given.public_key).ok_or(BAD_KEY)?;
    auth::answer(&hall, &who, Kind::Device, &key, &given.response).await.map_err(missing())?;
    Ok(success())
}

fn missing() -> impl Fn(rejoin_ports::gateway::Failure) -> Refused {
    Refused::or_missing("Request not found")
}
