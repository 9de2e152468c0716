//! Reading bodies: bounded in bytes and in time, and checked before they are believed.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::Api;
use crate::problem::Problem;
use crate::shape::Shape;

/// A JSON body of the usual size.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: JsonSchema + DeserializeOwned + 'static> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Json<T>, Problem> {
        let value = value(api, request, api.limits.json_bytes).await?;
        shaped(value).map(Json)
    }
}

/// Any JSON, up to `most` bytes.
pub(crate) async fn value(api: &Api, request: Request, most: usize) -> Result<Value, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::new("unsupported_media_type", "the body must be application/json"));
    }
    parse(&read(api, request, most).await?)
}

/// Reads JSON without repeating any of it in the problem.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    // A value has no shape to miss, so these messages are about syntax alone.
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed("", format!("no JSON: {error}")))
}

/// Checks JSON against the schema of `T`, and makes one of it.
pub(crate) fn shaped<T: JsonSchema + DeserializeOwned + 'static>(value: Value) -> Result<T, Problem> {
    Shape::of::<T>().check(&value)?;
    serde_json::from_value(value).map_err(|error| {
        // An id with blanks, say. serde's own words may repeat what was sent, so they stay here.
        tracing::debug!(kind = ?error.classify(), "native: a body passed its schema and not its type");
        Problem::malformed("", "a field has a value that cannot be (an id is printable ASCII without blanks)")
    })
}

/// The whole body, up to `most` bytes, within the time that bodies have.
pub(crate) async fn read(api: &Api, request: Request, most: usize) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let late = api.clock.now().saturating_add(api.limits.body_ms);
    tokio::select! {
        body = collect(request.into_body(), most) => body,
        () = api.clock.until(late) => Err(Problem::new("request_timeout", "the body did not arrive in time")),
    }
}

async fn collect(body: Body, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(most)),
        Err(_) => Err(Problem::malformed("", "the body ended before its end")),
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new("body_too_large", format!("the body is over {most} bytes")).with("most", most)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}
