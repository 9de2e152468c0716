//! What can go wrong. The texts of the original are kept to the letter.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use super::event::ErrorEvent;
use crate::wire::{Code, same_code};

/// Why something could not be asked of the gateway, or was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Connecting or signing in took too long.
    #[error("Connection timeout while waiting for authentication")]
    ConnectTimeout,
    #[error("Authentication required but no token was provided")]
    AuthRequired,
    /// The gateway says no.
    #[error("{code}: {message}")]
    Gateway { code: String, message: String, retry_after: Option<Duration> },
    /// No answer came in time. Whether it was done is not known.
    #[error("Request timeout for {0}")]
    Timeout(&'static str),
    /// There is no connection, or it was lost before the answer came.
    #[error("WebSocket not connected")]
    NotConnected,
    /// Too many messages wait for a connection or for an answer; this one was not sent.
    #[error("{0} messages wait already")]
    OutboxFull(usize),
    /// The gateway answered with something that this version does not understand.
    #[error("{0}: the answer cannot be read")]
    Unreadable(&'static str),
    /// The connection could not be opened, or broke.
    #[error("{doing}")]
    Socket { doing: &'static str, source: Arc<dyn StdError + Send + Sync> },
}

impl Error {
    pub(crate) fn socket(doing: &'static str, source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Socket { doing, source: Arc::new(source) }
    }

    /// The gateway's word for it, if it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Gateway { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the gateway gave this reason, however it spells it.
    pub fn is(&self, code: Code) -> bool {
        self.code().is_some_and(|word| same_code(word, code.as_str()))
    }
}

impl From<&ErrorEvent> for Error {
    fn from(event: &ErrorEvent) -> Error {
        Error::Gateway {
            code: event.code.clone(),
            message: event.message.clone(),
            retry_after: event.retry_after_ms.map(Duration::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_the_original() {
        for (error, text) in [
            (Error::ConnectTimeout, "Connection timeout while waiting for authentication"),
            (Error::AuthRequired, "Authentication required but no token was provided"),
            (Error::Timeout("join_session"), "Request timeout for join_session"),
            (Error::NotConnected, "WebSocket not connected"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn a_code_is_known_in_either_spelling() {
        for code in ["SESSION_NOT_FOUND", "SessionNotFound"] {
            let error = Error::Gateway { code: code.into(), message: "gone".into(), retry_after: None };
            assert!(error.is(Code::SessionNotFound));
            assert!(!error.is(Code::Forbidden));
        }
    }
}
