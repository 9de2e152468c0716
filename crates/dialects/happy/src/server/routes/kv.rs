//! The key-value store of an account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Query, limit};
use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::kv::{self, Entry, LISTED, MOST, Mutation, Outcome};
use crate::server::who::Signed;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/kv", get(list).post(mutate))
        .route("/v1/kv/bulk", post(bulk))
        .route("/v1/kv/{key}", get(find))
}

async fn find(State(hall): State<Hall>, Signed(who): Signed, Path(key): Path<String>) -> Result<Json<Entry>, Refused> {
    Ok(Json(kv::find(&hall, &who, &key).await?.ok_or(Refused::NOT_FOUND("Key not found"))?))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    limit: Option<usize>,
}

async fn list(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refused> {
    let most = limit(wanted.limit, LISTED, 100)?;
    let items = kv::list(&hall, &who, &wanted.prefix, most).await?;
    Ok(Json(json!({ "items": items })))
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

async fn bulk(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(Keys { keys }): Body<Keys>,
) -> Result<Json<Value>, Refused> {
    if !(1..=MOST).contains(&keys.len()) {
        return Err(Refused::body("keys", "must have 1 to 100 items"));
    }
    Ok(Json(json!({ "values": kv::bulk(&hall, &who, &keys).await? })))
}

#[derive(Deserialize)]
struct Mutations {
    mutations: Vec<Mutation>,
}

async fn mutate(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(Mutations { mutations }): Body<Mutations>,
) -> Result<Response, Refused> {
    Ok(match kv::mutate(&hall, &who, mutations).await? {
        Outcome::Done(results) => Json(json!({ "success": true, "results": results })).into_response(),
        Outcome::Mismatch(errors) => {
            (StatusCode::CONFLICT, Json(json!({ "success": false, "errors": errors }))).into_response()
        }
    })
}
