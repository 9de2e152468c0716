//! What can go wrong, each for a thing that a caller can do about it.

use std::error::Error as StdError;
use std::sync::Arc;

/// Why something could not be asked of the server, or was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server says no, in its own words.
    #[error("{doing}: {status} {text}")]
    Http {
        doing: &'static str,
        status: u16,
        text: String,
        /// It does not know the route at all: it is of an older generation.
        unknown_route: bool,
    },
    /// The socket is not let in, and another attempt would end the same way: the token is not valid, say.
    #[error("the server refuses the connection: {0}")]
    Refused(String),
    /// The server understood, and did not do it.
    #[error("{doing}: {text}")]
    Rejected { doing: &'static str, text: String },
    /// No answer came in time. Whether it was done is not known.
    #[error("{0}: no answer in time")]
    Timeout(&'static str),
    /// There is no connection, or it was lost before the answer came.
    #[error("not connected")]
    NotConnected,
    /// Somebody here closed the client.
    #[error("the client is closed")]
    Closed,
    /// Too much waits to be sent; this was not added.
    #[error("the outbox is full: {items} messages of {bytes} bytes wait")]
    OutboxFull { items: usize, bytes: usize },
    #[error("{what}: {size} bytes are more than the {limit} that fit")]
    TooLarge { what: &'static str, size: usize, limit: usize },
    /// It was handed over again and again and is not among what the server shows. Older servers only.
    #[error("message: whether it arrived is not known")]
    Unconfirmed,
    /// The server answered with something that this version does not understand.
    #[error("{0}: the answer cannot be read")]
    Unreadable(&'static str),
    /// It is sealed under a key that is not known here, or damaged.
    #[error("{0}: cannot be opened")]
    Sealed(&'static str),
    /// It could not be done here, or the way to the server is broken.
    #[error("{doing}")]
    Io { doing: &'static str, source: Arc<dyn StdError + Send + Sync> },
}

impl Error {
    pub(crate) fn io(doing: &'static str, source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Io { doing, source: Arc::new(source) }
    }

    /// The status of an HTTP answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Http { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether what was asked for does not exist, for a server that knows what that is.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Http { status: 404, unknown_route: false, .. })
    }

    /// Whether the server is too old to know what was asked.
    pub fn is_unknown_route(&self) -> bool {
        matches!(self, Error::Http { unknown_route: true, .. })
    }

    /// Whether nobody is let in with this token.
    pub fn is_refused(&self) -> bool {
        matches!(self, Error::Refused(_) | Error::Http { status: 401, .. })
    }
}
