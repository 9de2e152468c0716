//! Answers in JSON.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::problem::Problem;

pub(crate) type Outcome = Result<Response, Problem>;

/// A whole list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Outcome {
    let body = serde_json::to_vec(value).map_err(Problem::internal)?;
    Ok(raw_json(status, body))
}

pub(crate) fn ok(value: &impl Serialize) -> Outcome {
    json(StatusCode::OK, value)
}

/// JSON that is written already.
pub(crate) fn raw_json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

pub(crate) fn nothing() -> Outcome {
    Ok(StatusCode::NO_CONTENT.into_response())
}
