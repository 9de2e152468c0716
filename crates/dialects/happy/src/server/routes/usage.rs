//! What was spent.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::usage::{self, Query};
use crate::server::who::Signed;

pub(super) fn routes() -> Router<Hall> {
    Router::new().route("/v1/usage/query", post(query))
}

async fn query(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(wanted): Body<Query>,
) -> Result<Json<Value>, Refused> {
    Ok(Json(usage::query(&hall, &who, wanted).await?))
}
