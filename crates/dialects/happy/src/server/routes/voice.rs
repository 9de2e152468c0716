//! Voice, which this gateway does not have. Apps know that answer.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::who::Signed;

pub(super) fn routes() -> Router<Hall> {
    Router::new().route("/v1/voice/conversations", post(none)).route("/v1/voice/usage", get(none))
}

async fn none(_: Signed) -> Refused {
    Refused::Told(StatusCode::INTERNAL_SERVER_ERROR, "Voice is not configured on this server")
}
