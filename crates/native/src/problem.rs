//! What went wrong, as RFC 9457 problem documents, and the one table from codes to statuses.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rejoin_core::refusal::Refusal;
use rejoin_ports::gateway::{Failure, FilesFailure};
use rejoin_ports::sign_in::NotSignedIn;
use rejoin_ports::store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A stable word for one thing that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub code: &'static str,
    pub status: u16,
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($code:literal $status:literal $meaning:literal)*) => {
        /// Every code that this door answers with.
        pub const CODES: &[Code] = &[$(Code { code: $code, status: $status, meaning: $meaning }),*];
    };
}

codes! {
    // The request itself.
    "malformed" 400 "The body or a parameter is not JSON, or not of the right shape; `field` names the place."
    "bad_upgrade" 400 "A WebSocket handshake that cannot be answered."
    "not_found" 404 "It does not exist, or not for you."
    "method_not_allowed" 405 "The path does not know the method; `Allow` names those it knows."
    "request_timeout" 408 "The body did not arrive in time."
    "position_gone" 410 "The log no longer has that position, or it belongs to another life of the log. `snapshot` is the session now, `tip` where the log stands."
    "body_too_large" 413 "The body, or a message on a socket, is over the limit, which `most` names in bytes."
    "unsupported_media_type" 415 "The body is not `application/json`."
    "invalid_request" 422 "Well formed, but it makes no sense; `field` says where."
    "upgrade_required" 426 "The path speaks WebSocket only."
    "rate_limited" 429 "Too many requests of this identity; wait `retryAfterMs`."
    "internal" 500 "A fault of the gateway. It is in its log, under the request's id."

    // Sign-in.
    "unauthenticated" 401 "Nothing was shown to sign in with."
    "invalid_token" 401 "The key or token is not valid."
    "token_expired" 401 "The key or token has expired."
    "origin_refused" 403 "A web page of that origin may not open a socket here."
    "too_many_attempts" 429 "Too many failed sign-ins; wait `retryAfterMs`."
    "sign_in_unavailable" 503 "Sign-in cannot be checked at the moment."

    // Who may do what.
    "forbidden" 403 "The role does not allow it."
    "not_controller" 403 "Another client has control; `holder` names it."
    "not_eligible" 403 "The client lacks a capability that the ask requires."
    "last_owner" 409 "The tenant has no other owner: this one can be neither removed nor made less."
    "client_required" 409 "It needs a client id: `x-rejoin-client`, or `?client=`."

    // How the session stands.
    "busy" 409 "A turn is running."
    "not_running" 409 "No turn is running."
    "session_closed" 409 "The session is closed; reopen it first."
    "session_ended" 409 "The session has ended: it can be read and forked."
    "session_not_ended" 409 "The session has not ended."
    "session_archived" 409 "The session is archived; unarchive it first."
    "session_sealed" 409 "The session is end-to-end encrypted: the gateway runs no agent for it."
    "session_not_sealed" 409 "The session is not end-to-end encrypted."
    "not_waiting" 409 "Nobody waits for an answer to that ask (any more)."
    "queue_full" 409 "The queue holds as many prompts as it may."
    "too_little" 409 "There is too little to compact."
    "compacting" 409 "The session is compacting already."
    "budget_exceeded" 409 "The budget is used up."
    "host_away" 409 "The session's workspace is on another host; it can still be read."
    "read_only" 503 "The session failed too often and can only be read until the gateway is restarted."

    // Control.
    "already_controlled" 409 "Another client has control already."
    "already_controller" 409 "This client has control already."
    "uncontrolled" 409 "Nobody has control."
    "takeover_pending" 409 "A takeover is waiting for an answer."
    "no_takeover_pending" 409 "No takeover is waiting for an answer."
    "takeover_mismatch" 409 "The takeover was asked for by another client."
    "control_in_grace" 409 "Control is in its grace period."

    // What the command names.
    "no_such_item" 404 "There is no such queue item."
    "no_such_message" 404 "There is no such message in what is visible of the session."
    "no_such_grant" 404 "There is no such grant."
    "wrong_answer" 422 "That answer does not fit the ask."
    "too_long" 422 "A title, label, name or text is too long, or there are too many."
    "empty" 422 "The text is empty."
    "id_reused" 409 "The command's id was used for another command before."
    "version_conflict" 409 "Somebody else changed it; `version` is what it has now."
    "version_mismatch" 409 "The register has another version; `version` and `value` are what it has now."

    // Files.
    "path_outside_workspace" 403 "The path leads outside the workspace."
    "file_not_found" 404 "There is no such file or folder."
    "is_a_folder" 409 "The path names a folder."
    "not_a_folder" 409 "The path does not name a folder."
    "file_too_large" 413 "The file is over the limit, which `most` names in bytes."
    "invalid_path" 422 "That is no path."
    "file_failed" 422 "The file system refused it."

    // Terminals.
    "too_many_terminals" 409 "The session, or the gateway, has as many terminals as it may, which `most` names; end one."
    "terminal_not_started" 422 "The terminal's command was not started."
    "terminal_ended" 409 "What ran in the terminal has ended, or reads nothing any more."
    "terminal_busy" 409 "What runs in the terminal does not read what is typed; it was not typed."
    "no_screen" 409 "It has no screen to give a size to: it was opened with plain pipes."

    // The gateway.
    "too_busy" 429 "Too much at once; wait `retryAfterMs`."
    "stopping" 503 "The gateway is stopping: it takes answers and interrupts, and no new turns."
    "store_locked" 503 "The store is locked by another process."
    "store_read_only" 503 "The store's folder or file is read-only."
    "store_corrupt" 503 "The store is damaged."
    "store_failed" 503 "The store failed."
    "disk_full" 507 "The disk is full."
}

/// The status of a code. A code that the table lacks is a fault of ours, and is answered as one.
pub(crate) fn status(code: &str) -> StatusCode {
    CODES
        .iter()
        .find(|known| known.code == code)
        .and_then(|known| StatusCode::from_u16(known.status).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A problem on its way to a client.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// Boxed, and mostly absent: a problem is the other half of every result here.
    members: Option<Box<Map<String, Value>>>,
    retry_ms: Option<u64>,
    /// What only our own log is told.
    cause: Option<Cause>,
}

/// The inner reason of an answer, for the log. It travels in the response's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

/// How a problem document looks; further members depend on the code.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemDocument<'a> {
    /// Always `about:blank`: `code` says what it is.
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    status: u16,
    /// The stable word to switch on.
    code: &'a str,
    /// For a person to read; its wording may change.
    detail: &'a str,
    #[serde(flatten)]
    members: Option<&'a Map<String, Value>>,
}

impl Problem {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { code, detail: detail.into(), members: None, retry_ms: None, cause: None }
    }
    /// Something in what was sent is not of the right shape. `why` must not repeat what was sent.
    pub(crate) fn malformed(field: &str, why: impl std::fmt::Display) -> Problem {
        let detail = match field {
            "" => why.to_string(),
            field => format!("{field}: {why}"),
        };
        let problem = Problem::new("malformed", detail);
        match field {
            "" => problem,
            field => problem.with("field", field),
        }
    }
    /// A fault of ours: the client learns only that there was one.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Problem {
        Problem {
            cause: Some(Cause(cause.to_string())),
            ..Problem::new("internal", "the gateway made a mistake; its log says more")
        }
    }
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.members.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }
    pub(crate) fn retry_after(mut self, ms: u64) -> Problem {
        self.retry_ms = Some(ms);
        self.with("retryAfterMs", ms)
    }
    pub(crate) fn status(&self) -> StatusCode {
        status(self.code)
    }
    /// What the log should be told, if anything.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_ref().map(|cause| cause.0.as_str())
    }
    /// As a message on a socket: the answer to the command `id`.
    pub(crate) fn to_refused(&self, id: Option<&str>) -> Value {
        let mut refused = Map::new();
        if let Some(id) = id {
            refused.insert("id".into(), id.into());
        }
        refused.insert("code".into(), self.code.into());
        refused.insert("detail".into(), self.detail.as_str().into());
        refused.insert("status".into(), self.status().as_u16().into());
        refused.extend(
            self.members.iter().flat_map(|members| members.iter()).map(|(name, value)| (name.clone(), value.clone())),
        );
        Value::Object(refused)
    }
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let status = self.status();
        let document = ProblemDocument {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code,
            detail: &self.detail,
            members: self.members.as_deref(),
        };
        serde_json::to_vec(&document).expect("a problem is plain JSON")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, self.to_json()).into_response();
        let headers = response.headers_mut();
        if let Some(ms) = self.retry_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let problem = Problem::new(refusal.code(), refusal.to_string());
        match refusal {
            Refusal::NotController { holder: Some(holder) } => {
                problem.with("holder", serde_json::to_value(holder).unwrap_or_default())
            }
            Refusal::VersionMismatch { version, value } => problem.with("version", version).with("value", value),
            _ => problem,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let detail = match error {
            StoreError::Full { .. } => "the disk is full; nothing was lost, and nothing was kept",
            StoreError::Closed => "the gateway is stopping",
            _ => "the store is in trouble; try again later",
        };
        let problem = Problem::new(error.code(), detail);
        match error {
            StoreError::Closed => problem,
            error => Problem { cause: Some(Cause(error.to_string())), ..problem },
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        let problem = Problem::new(failure.code(), failure.to_string());
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Store(error) => error.into(),
            Failure::Invalid { field, .. } => problem.with("field", field),
            Failure::Conflict { version } => problem.with("version", version),
            Failure::TooBusy { retry_ms } => problem.retry_after(retry_ms),
            Failure::NotFound(_)
            | Failure::IdReused
            | Failure::LastOwner
            | Failure::HostAway
            | Failure::ReadOnly
            | Failure::Closing => problem,
        }
    }
}

impl From<FilesFailure> for Problem {
    fn from(failure: FilesFailure) -> Problem {
        use rejoin_ports::agent::FileError;
        match failure {
            FilesFailure::Failed(failure) => failure.into(),
            FilesFailure::File(FileError::Store(error)) => error.into(),
            FilesFailure::File(error) => {
                let problem = Problem::new(error.code(), error.to_string());
                match error {
                    FileError::TooLarge { most } => problem.with("most", most),
                    _ => problem,
                }
            }
        }
    }
}

impl From<NotSignedIn> for Problem {
    fn from(why: NotSignedIn) -> Problem {
        let problem = Problem::new(why.code(), why.to_string());
        match why {
            NotSignedIn::TooMany { retry_ms } => problem.retry_after(retry_ms),
            NotSignedIn::Missing | NotSignedIn::Invalid | NotSignedIn::Expired | NotSignedIn::Unavailable => problem,
        }
    }
}
