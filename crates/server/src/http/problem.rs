//! Problem documents (RFC 9457) of the server itself, and reading the code out of anybody's.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;

const TYPE: &str = "application/problem+json";
/// The longest problem document that is read for its code. Some hold a session's snapshot, and are left alone.
const LONGEST: usize = 16 << 10;

pub(crate) fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let document = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail,
    });
    (status, [(CONTENT_TYPE, TYPE)], document.to_string()).into_response()
}

#[derive(Deserialize)]
struct Coded {
    code: String,
}

/// The code of a problem document, and the same response.
pub(crate) async fn code(response: Response) -> (Response, Option<String>) {
    let headers = response.headers();
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let length = length.or_else(|| usize::try_from(axum::body::HttpBody::size_hint(response.body()).exact()?).ok());
    let is_problem = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(TYPE.as_bytes()));
    if !is_problem || length.is_none_or(|length| length > LONGEST) {
        return (response, None);
    }
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, LONGEST).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a problem document broke off");
        Bytes::new()
    });
    let code = serde_json::from_slice::<Coded>(&bytes).ok().map(|coded| coded.code);
    (Response::from_parts(head, Body::from(bytes)), code)
}
