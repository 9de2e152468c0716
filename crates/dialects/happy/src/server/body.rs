//! Bodies of requests: JSON, read with a bound on each and on all together.

use std::sync::LazyLock;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::failure::Refused;

/// The largest body.
pub(super) const LARGEST: usize = 100 << 20;
/// What all bodies that are being read may hold together, in units of [`UNIT`].
const TOGETHER: usize = (256 << 20) / UNIT;
const UNIT: usize = 64 << 10;
static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(TOGETHER));

/// A body of JSON, of the shape that the route reads. An empty one is `{}`.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Json<T>, Refused> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.is_empty() && !essence.eq_ignore_ascii_case("application/json") {
            return Err(Refused::Framework(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"));
        }
        let (bytes, _room) = read(request.into_body(), LARGEST).await?;
        let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Json).map_err(|error| {
            // What is no JSON at all is told first, wherever it stands.
            let syntax = serde_json::from_slice::<serde::de::IgnoredAny>(text).err();
            match syntax {
                Some(error) => Refused::Syntax(error.to_string()),
                None => Refused::Shape(format!("body/ {error}")),
            }
        })
    }
}

/// A body of bytes.
pub(super) async fn bytes(body: Body, most: usize) -> Result<Bytes, Refused> {
    read(body, most).await.map(|(bytes, _)| bytes)
}

async fn read(body: Body, most: usize) -> Result<(Bytes, Vec<SemaphorePermit<'static>>), Refused> {
    let too_large = || Refused::Framework(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large");
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(too_large()); // before it comes
    }
    let mut stream = body.into_data_stream();
    let (mut room, mut held) = (Vec::new(), 0);
    let (mut read, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refused::Framework(StatusCode::BAD_REQUEST, "The body ended too early"))?;
        length += chunk.len();
        if length > LARGEST {
            return Err(too_large());
        }
        if length > most {
            // Read past it: a client that is cut off while it sends does not hear why.
            (read, room, held) = (BytesMut::new(), Vec::new(), 0);
            continue;
        }
        read.extend_from_slice(&chunk);
        while held < read.len() {
            // Nobody waits for room while holding some: two who did could wait for each other.
            room.push(ROOM.try_acquire().map_err(|_| Refused::Busy { retry_ms: 1_000 })?);
            held += UNIT;
        }
    }
    if length > most { Err(too_large()) } else { Ok((read.freeze(), room)) }
}
