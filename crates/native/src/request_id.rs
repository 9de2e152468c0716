//! Every answer carries `x-request-id`: the caller's own, or one of ours. What went wrong inside is logged under it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::problem::Cause;

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
const LONGEST: usize = 128;

pub(crate) async fn tell(request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).filter(|id| is_plain(id.as_bytes()));
    let id = given.cloned().unwrap_or_else(mint);
    // Never the query: a key may stand in it.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if let Some(Cause(cause)) = response.extensions_mut().remove() {
        let id = id.to_str().unwrap_or_default();
        tracing::error!(request.id = id, %method, path, cause, "native: a request failed");
    }
    response.headers_mut().insert(HEADER, id);
    response
}

fn is_plain(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn mint() -> HeaderValue {
    let mut text = uuid::Uuid::encode_buffer();
    let id = uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(id).expect("a UUID is plain ASCII")
}
