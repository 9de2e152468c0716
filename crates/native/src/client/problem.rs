//! What can go wrong between a client and the gateway: one variant for each thing a caller can do about it.

use std::error::Error as StdError;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The gateway says no, and why: an RFC 9457 problem document.
#[derive(Debug, Clone, PartialEq, Deserialize, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Problem {
    /// The stable word to switch on.
    #[serde(default = "unnamed")]
    pub code: String,
    #[serde(default)]
    pub status: u16,
    /// For people.
    #[serde(default)]
    pub detail: String,
    /// What else the document says: the holder of control, a version, …
    #[serde(flatten)]
    pub more: Box<Map<String, Value>>,
}

/// The code of an answer that is no problem document: from a proxy in between, say.
const UNNAMED: &str = "http_error";

fn unnamed() -> String {
    UNNAMED.to_owned()
}

impl Problem {
    /// Reads an answer's body, and makes the best of one that is no problem document.
    pub(crate) fn from_body(status: u16, body: &[u8]) -> Problem {
        let mut problem = serde_json::from_slice::<Problem>(body).unwrap_or_else(|_| Problem {
            code: by_status(status).to_owned(),
            status,
            detail: String::new(),
            more: Box::default(),
        });
        if problem.status == 0 {
            problem.status = status;
        }
        if problem.code == UNNAMED {
            problem.code = by_status(status).to_owned();
        }
        if problem.detail.is_empty() {
            problem.detail = format!("the gateway answered {}", problem.status);
        }
        problem
    }
    pub(crate) fn new(status: u16, code: &str, detail: impl Into<String>) -> Problem {
        Problem { code: code.to_owned(), status, detail: detail.into(), more: Box::default() }
    }
    /// Nobody is signed in, or no longer.
    pub fn is_sign_in(&self) -> bool {
        self.status == 401
    }
    pub fn is_not_found(&self) -> bool {
        self.status == 404
    }
    /// Whether the same again may be taken in a moment: the gateway was too busy, stopping, or just starting.
    pub fn is_passing(&self) -> bool {
        self.is_postponed() || (matches!(self.status, 502..=504) && self.code != "read_only")
    }
    /// Whether the gateway itself asks to come again, and surely did nothing.
    pub fn is_postponed(&self) -> bool {
        self.status == 429 || self.code == "stopping"
    }
}

fn by_status(status: u16) -> &'static str {
    match status {
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not_found",
        429 => "too_busy",
        503 => "unavailable",
        _ => UNNAMED,
    }
}

/// Why something could not be asked of the gateway, or was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It said no: another request is needed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// It could not be reached, or was lost on the way: the same may work later.
    #[error("{doing}")]
    Transport { doing: String, source: Arc<dyn StdError + Send + Sync> },
    /// It said something that this version does not understand.
    #[error("{what}: it cannot be read: {why}")]
    Unreadable { what: &'static str, why: String },
    /// The subscription is over, and what was not settled by then may or may not be done.
    #[error("the subscription is closed")]
    Closed,
    /// A setting of this client cannot work.
    #[error("client: {0}")]
    Setting(String),
}

impl Error {
    pub(crate) fn transport(doing: impl Into<String>, source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Transport { doing: doing.into(), source: Arc::new(source) }
    }
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::Problem(problem) => Some(problem),
            _ => None,
        }
    }
    /// The gateway's word for it, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }
}

/// Why a command given to a subscription was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The gateway refused it; nothing was done.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// Too many wait already for an answer or a connection; it was not sent.
    #[error("{0} commands wait already")]
    Full(usize),
    /// It cannot be written as JSON; it was not sent.
    #[error("the command cannot be written: {0}")]
    Unwritable(String),
    /// The subscription ended first. Whether it was done is not known; the same id given again tells.
    #[error("the subscription ended before the command was answered")]
    Closed(#[source] Option<Error>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_page_is_a_problem_too() {
        let problem = Problem::from_body(502, b"<html>Bad Gateway</html>");
        assert_eq!((problem.status, problem.code.as_str()), (502, "http_error"));
        assert!(problem.is_passing());
    }

    #[test]
    fn a_problem_document_keeps_all_it_says() {
        let body = br#"{"type":"about:blank","title":"Conflict","status":409,"code":"version_mismatch","detail":"the register is at version 3","version":3}"#;
        let problem = Problem::from_body(409, body);
        assert_eq!(problem.to_string(), "the register is at version 3 (version_mismatch)");
        assert_eq!(problem.more["version"], 3);
    }
}
