//! Other people, and what an account is told of them.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Query, limit};
use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::friend::{self, Act};
use crate::server::who::Signed;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/user/search", get(search))
        .route("/v1/user/{id}", get(find))
        .route("/v1/friends", get(list))
        .route("/v1/friends/add", post(add))
        .route("/v1/friends/remove", post(remove))
        .route("/v1/feed", get(feed))
}

async fn find(State(hall): State<Hall>, Signed(who): Signed, Path(id): Path<String>) -> Result<Json<Value>, Refused> {
    let user = friend::find(&hall, &who, &id).await.map_err(Refused::or_missing("User not found"))?;
    Ok(Json(json!({ "user": user })))
}

#[derive(Deserialize)]
struct Search {
    query: String,
}

async fn search(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Query(Search { query }): Query<Search>,
) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "users": friend::search(&hall, &who, &query).await? })))
}

async fn list(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "friends": friend::list(&hall, &who).await? })))
}

#[derive(Deserialize)]
struct Whom {
    uid: String,
}

async fn add(State(hall): State<Hall>, Signed(who): Signed, Body(whom): Body<Whom>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "user": friend::act(&hall, &who, &whom.uid, Act::Add).await? })))
}

async fn remove(State(hall): State<Hall>, Signed(who): Signed, Body(whom): Body<Whom>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "user": friend::act(&hall, &who, &whom.uid, Act::Remove).await? })))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

async fn feed(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refused> {
    let most = limit(wanted.limit, 200, 50)?;
    let (before, after) = (cursor("before", wanted.before)?, cursor("after", wanted.after)?);
    let (items, more) = friend::read_feed(&hall, &who, before, after, most).await?;
    Ok(Json(json!({ "items": items, "hasMore": more })))
}

/// `0-<number>`
fn cursor(field: &'static str, text: Option<String>) -> Result<Option<u64>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let number = text.strip_prefix("0-").and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| Refused::query(field, "must be a cursor"))
}
