//! Machines of an account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use rejoin_ports::gateway::Failure;
use serde_json::{Value, json};

use super::success;
use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::machine::{self, Register};
use crate::server::who::Signed;
use crate::wire::Machine;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/machines", get(list).post(register))
        .route("/v1/machines/{machine}", get(find).delete(remove))
}

async fn list(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Vec<Machine>>, Refused> {
    Ok(Json(machine::list(&hall, &who).await?))
}

async fn register(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(wanted): Body<Register>,
) -> Result<Json<Value>, Refused> {
    let elsewhere = Refused::Told(StatusCode::CONFLICT, "Machine is registered to another account");
    let machine = machine::register(&hall, &who, wanted).await?.ok_or(elsewhere)?;
    Ok(Json(json!({ "machine": machine })))
}

async fn find(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(machine): Path<String>,
) -> Result<Json<Value>, Refused> {
    let machine = machine::find(&hall, &who, &machine).await.map_err(missing)?;
    Ok(Json(json!({ "machine": machine })))
}

async fn remove(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(machine): Path<String>,
) -> Result<Json<Value>, Refused> {
    machine::delete(&hall, &who, &machine).await.map_err(missing)?;
    Ok(success())
}

fn missing(failure: Failure) -> Refused {
    Refused::or_missing("Machine not found")(failure)
}
