//! Requests that do not become or belong to a session, in the words that client libraries know.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("Transport unknown")]
    Transport,
    #[error("Session ID unknown")]
    Session,
    #[error("Bad handshake method")]
    Method,
    #[error("Bad request")]
    Request,
    #[error("Too many sessions")]
    TooMany,
    #[error("Unsupported protocol version")]
    Version,
    #[error("Payload too large")]
    TooLarge,
}

impl Refused {
    /// Numbers of the protocol. It has none for what is only here, and clients look at the status alone.
    fn code(self) -> u8 {
        match self {
            Refused::Transport => 0,
            Refused::Session => 1,
            Refused::Method => 2,
            Refused::Request | Refused::TooLarge => 3,
            Refused::TooMany => 4,
            Refused::Version => 5,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Refused::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Transport | Refused::Session | Refused::Method | Refused::Request | Refused::Version => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code(), "message": self.to_string() }).to_string();
        let answer = (self.status(), [(CONTENT_TYPE, "application/json")], body);
        match self {
            Refused::TooMany => ([(RETRY_AFTER, "1")], answer).into_response(),
            _ => answer.into_response(),
        }
    }
}
