//! Access keys of pairs of a session and a machine.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Hall;
use crate::server::access_key::{self, Changed};
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::who::Signed;

/// The longest one.
const LONGEST: usize = 256 << 10;

pub(super) fn routes() -> Router<Hall> {
    Router::new().route("/v1/access-keys/{session}/{machine}", get(find).post(create).put(update))
}

type Pair = Path<(String, String)>;

async fn find(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path((session, machine)): Pair,
) -> Result<Json<Value>, Refused> {
    let missing = Refused::or_missing("Session or machine not found");
    let key = access_key::find(&hall, &who, &session, &machine).await.map_err(missing)?;
    Ok(Json(json!({ "accessKey": key })))
}

#[derive(Deserialize)]
struct New {
    data: String,
}

async fn create(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path((session, machine)): Pair,
    Body(New { data }): Body<New>,
) -> Result<Json<Value>, Refused> {
    bounded(&data)?;
    let missing = Refused::or_missing("Session or machine not found");
    let exists = Refused::Told(StatusCode::CONFLICT, "Access key already exists");
    let made = access_key::create(&hall, &who, &session, &machine, data).await.map_err(missing)?;
    Ok(Json(json!({ "success": true, "accessKey": made.ok_or(exists)? })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    data: String,
    expected_version: u64,
}

async fn update(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path((session, machine)): Pair,
    Body(Update { data, expected_version }): Body<Update>,
) -> Result<Json<Value>, Refused> {
    bounded(&data)?;
    let missing = Refused::or_missing("Access key not found");
    let changed = access_key::update(&hall, &who, &session, &machine, expected_version, &data).await;
    Ok(Json(match changed.map_err(missing)? {
        Changed::Done(version) => json!({ "success": true, "version": version }),
        Changed::Mismatch { version, data } => json!({
            "success": false,
            "error": "version-mismatch",
            "currentVersion": version,
            "currentData": data,
        }),
    }))
}

fn bounded(data: &str) -> Result<(), Refused> {
    if data.len() > LONGEST { Err(Refused::body("data", "is too long")) } else { Ok(()) }
}
