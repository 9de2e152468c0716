//! Phones, and what sessions tell them.

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::success;
use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::push::{self, Event, LONGEST, Outcome};
use crate::server::who::Signed;

/// The longest title and body, as JavaScript counts, and what else goes with them, in bytes.
const TITLE: usize = 200;
const BODY: usize = 500;
const DATA: usize = 3 << 10;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/push-tokens", get(list).post(add))
        .route("/v1/push-tokens/{token}", delete(remove))
        .route("/v1/sessions/{session}/push-event", post(tell))
}

#[derive(Deserialize)]
struct New {
    token: String,
}

async fn add(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(New { token }): Body<New>,
) -> Result<Json<Value>, Refused> {
    if token.is_empty() || token.len() > LONGEST {
        return Err(Refused::body("token", "must have 1 to 512 bytes"));
    }
    push::add(&hall, &who, &token).await?;
    Ok(success())
}

async fn remove(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(token): Path<String>,
) -> Result<Json<Value>, Refused> {
    push::remove(&hall, &who, &token).await?;
    Ok(success())
}

async fn list(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "tokens": push::list(&hall, &who).await? })))
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Done,
    Permission,
    Question,
}

#[derive(Deserialize)]
struct Told {
    kind: Kind,
    title: String,
    body: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
}

async fn tell(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
    Body(Told { kind, title, body, data }): Body<Told>,
) -> Result<Json<Outcome>, Refused> {
    let length = |text: &str| text.encode_utf16().count();
    if !(1..=TITLE).contains(&length(&title)) {
        return Err(Refused::body("title", "must have 1 to 200 characters"));
    }
    if !(1..=BODY).contains(&length(&body)) {
        return Err(Refused::body("body", "must have 1 to 500 characters"));
    }
    let data = data.unwrap_or_default();
    if serde_json::to_string(&data).is_ok_and(|data| data.len() > DATA) {
        return Err(Refused::body("data", "is too long"));
    }
    let kind = match kind {
        Kind::Done => "done",
        Kind::Permission => "permission",
        Kind::Question => "question",
    };
    Ok(Json(push::tell(&hall, &who, &session, Event { kind, title, body, data }).await?))
}
