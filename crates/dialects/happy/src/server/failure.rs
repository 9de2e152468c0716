//! How a request is refused: the statuses and bodies that this dialect's clients know.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rejoin_ports::gateway::Failure;
use rejoin_ports::sign_in::NotSignedIn;
use serde_json::json;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Something in it has not the shape that it must have: `body/tag must be string`.
    Shape(String),
    /// It is no JSON.
    Syntax(String),
    /// Its body is too large, or of a kind that is not read.
    Framework(StatusCode, &'static str),
    /// The route's own words.
    Told(StatusCode, &'static str),
    /// Nobody knows why: it is not the client's fault.
    Inside,
    /// Too much at once.
    Busy { retry_ms: u64 },
}

impl Refused {
    pub(crate) const NOT_FOUND: fn(&'static str) -> Refused = |text| Refused::Told(StatusCode::NOT_FOUND, text);

    /// Something of the body is not as it must be.
    pub(crate) fn body(field: &str, must: &str) -> Refused {
        Refused::Shape(format!("body/{field} {must}"))
    }

    pub(crate) fn query(field: &str, must: &str) -> Refused {
        Refused::Shape(format!("querystring/{field} {must}"))
    }

    pub(crate) fn params(field: &str, must: &str) -> Refused {
        Refused::Shape(format!("params/{field} {must}"))
    }

    /// As [`From`], with the route's words for what is not there.
    pub(crate) fn or_missing(missing: &'static str) -> impl Fn(Failure) -> Refused {
        move |failure| match failure {
            Failure::NotFound(_) => Refused::NOT_FOUND(missing),
            other => other.into(),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        match failure {
            Failure::NotFound(what) => Refused::Told(
                StatusCode::NOT_FOUND,
                match what {
                    "session" => "Session not found",
                    _ => "Not found",
                },
            ),
            Failure::TooBusy { retry_ms } => Refused::Busy { retry_ms },
            Failure::Closing => Refused::Busy { retry_ms: 1_000 },
            Failure::Invalid { field, why } => Refused::body(field, &why),
            Failure::Refused(refusal) => match refusal.code() {
                "forbidden" => Refused::Told(StatusCode::FORBIDDEN, "Forbidden"),
                "too_long" => Refused::Framework(StatusCode::PAYLOAD_TOO_LARGE, "Something in it is too long"),
                _ => Refused::Told(StatusCode::CONFLICT, "Not possible now"),
            },
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "happy: a request failed");
                Refused::Inside
            }
        }
    }
}

impl From<NotSignedIn> for Refused {
    fn from(why: NotSignedIn) -> Refused {
        match why {
            NotSignedIn::Missing => Refused::Told(StatusCode::UNAUTHORIZED, "Missing authorization header"),
            NotSignedIn::Invalid | NotSignedIn::Expired => Refused::Told(StatusCode::UNAUTHORIZED, "Invalid token"),
            NotSignedIn::TooMany { retry_ms } => Refused::Busy { retry_ms },
            NotSignedIn::Unavailable => Refused::Told(StatusCode::UNAUTHORIZED, "Authentication failed"),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let framework = |status: StatusCode, error: &str, message: &str| {
            (status, Json(json!({ "error": error, "message": message, "statusCode": status.as_u16() }))).into_response()
        };
        match self {
            Refused::Shape(message) => framework(StatusCode::BAD_REQUEST, "Error", &message),
            Refused::Syntax(message) => framework(StatusCode::BAD_REQUEST, "SyntaxError", &message),
            Refused::Framework(status, message) => framework(status, "Error", message),
            Refused::Told(status, error) => (status, Json(json!({ "error": error }))).into_response(),
            Refused::Inside => {
                framework(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", "An unexpected error occurred")
            }
            Refused::Busy { retry_ms } => {
                let seconds = retry_ms.div_ceil(1_000).max(1).to_string();
                let told = json!({ "error": "Too many requests. Try again soon." });
                (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds)], Json(told)).into_response()
            }
        }
    }
}
