//! Sessions: begun, listed, put away, deleted.

use std::cmp::Reverse;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rejoin_core::position::Millis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Query, limit};
use super::success;
use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::session::{self, Begin};
use crate::server::who::Signed;
use crate::wire::Session;

/// What the oldest list shows.
const LISTED: usize = 150;
/// How recently an active session was heard of.
const ACTIVE_MS: Millis = 15 * 60_000;
const CURSOR: &str = "cursor_v1_";

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/sessions", get(list).post(begin))
        .route("/v2/sessions", get(page))
        .route("/v2/sessions/active", get(active))
        .route("/v1/sessions/{session}", delete(remove))
        .route("/v1/sessions/{session}/archive", post(archive))
}

/// As the first routes show them.
fn with_last_message(session: Session) -> Value {
    let mut shown = serde_json::to_value(session).expect("a plain session");
    shown["lastMessage"] = Value::Null;
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    tag: String,
    metadata: String,
    /// Clients send it, and nobody keeps it.
    #[serde(default, rename = "agentState")]
    _agent_state: Option<String>,
    #[serde(default)]
    data_encryption_key: Option<String>,
}

async fn begin(State(hall): State<Hall>, Signed(who): Signed, Body(new): Body<New>) -> Result<Json<Value>, Refused> {
    let New { tag, metadata, data_encryption_key, .. } = new;
    let session = session::begin(&hall, &who, Begin { tag, metadata, data_encryption_key }).await?;
    Ok(Json(json!({ "session": with_last_message(session) })))
}

async fn list(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Value>, Refused> {
    let mut listed = session::all(&hall, &who).await?;
    listed.truncate(LISTED);
    let cards = session::cards(&hall, &who, listed).await?;
    Ok(Json(json!({ "sessions": cards.into_iter().map(with_last_message).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
struct Most {
    #[serde(default)]
    limit: Option<usize>,
}

async fn active(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Query(most): Query<Most>,
) -> Result<Json<Value>, Refused> {
    let most = limit(most.limit, 500, LISTED)?;
    let since = hall.now().saturating_sub(ACTIVE_MS);
    let mut listed = session::all(&hall, &who).await?;
    listed.retain(|(_, seen)| seen.active && seen.active_at > since);
    listed.sort_by_key(|(_, seen)| Reverse(seen.active_at));
    listed.truncate(most);
    Ok(Json(json!({ "sessions": session::cards(&hall, &who, listed).await? })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    changed_since: Option<Millis>,
}

async fn page(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refused> {
    let most = limit(wanted.limit, 200, 50)?;
    if wanted.changed_since == Some(0) {
        return Err(Refused::query("changedSince", "must be > 0"));
    }
    let bad_cursor = Refused::Told(StatusCode::BAD_REQUEST, "Invalid cursor format");
    let before = match &wanted.cursor {
        Some(cursor) => Some(cursor.strip_prefix(CURSOR).filter(|id| !id.is_empty()).ok_or(bad_cursor)?),
        None => None,
    };
    let mut listed = session::all(&hall, &who).await?;
    listed.retain(|(header, seen)| {
        let changed = header.updated_at.max(seen.written_at);
        let is_before = before.is_none_or(|before| header.id.as_str() < before);
        is_before && wanted.changed_since.is_none_or(|since| changed > since)
    });
    listed.sort_by(|(one, _), (other, _)| other.id.as_str().cmp(one.id.as_str()));
    let more = listed.len() > most;
    listed.truncate(most);
    let next = listed.last().filter(|_| more).map(|(header, _)| format!("{CURSOR}{}", header.id));
    let cards = session::cards(&hall, &who, listed).await?;
    Ok(Json(json!({ "sessions": cards, "nextCursor": next, "hasNext": more })))
}

async fn archive(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
) -> Result<Json<Value>, Refused> {
    session::archive(&hall, &who, &session).await?;
    Ok(success())
}

async fn remove(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
) -> Result<Json<Value>, Refused> {
    let missing = Refused::or_missing("Session not found or not owned by user");
    session::delete(&hall, &who, &session).await.map_err(missing)?;
    Ok(success())
}
