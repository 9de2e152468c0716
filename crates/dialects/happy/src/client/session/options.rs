//! How a session is run.

use uuid::Uuid;

use super::super::outbox::OutboxOptions;

/// The key under which usage is reported: what the original's clients use.
const USAGE: &str = "claude-session";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Where hearing begins.
    pub start: Start,
    pub outbox: OutboxOptions,
    /// Whether people may run commands and look at files in the session's folder: the calls that every command line of the
    /// original answers. They need metadata with a path.
    pub common_handlers: bool,
    /// The name under which usage is reported. None: that of the original in a new session; one of its own in a session
    /// that goes on, where the numbers of the life before would otherwise be replaced.
    pub usage_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Behind what the session had when it was created or loaded.
    Now,
    /// Behind this number; 0 is the beginning. See [`SessionClient::cursor`](super::SessionClient::cursor).
    After(u64),
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions { start: Start::Now, outbox: OutboxOptions::default(), common_handlers: true, usage_key: None }
    }
}

impl SessionOptions {
    pub(super) fn usage_key(&self, seq: u64) -> String {
        match (&self.usage_key, seq) {
            (Some(key), _) => key.clone(),
            (None, 0) => USAGE.to_owned(),
            (None, _) => format!("{USAGE}-{}", Uuid::now_v7().simple()),
        }
    }
}

impl Start {
    pub(super) fn after(self, loaded: u64) -> u64 {
        match self {
            Start::Now => loaded,
            Start::After(seq) => seq,
        }
    }
}
