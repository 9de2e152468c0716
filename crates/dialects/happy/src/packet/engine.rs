//! Engine.IO: what keeps a connection, and carries the rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Unreadable;

/// What a ping says that tries a new transport, and the pong that answers it.
pub const PROBE: &str = "probe";

/// One Engine.IO packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine<'a> {
    /// What the server says first; see [`Open`].
    Open(&'a str),
    Close,
    Ping(&'a str),
    Pong(&'a str),
    /// A Socket.IO packet; see [`Message`](super::Message).
    Message(&'a str),
    /// From now on the new transport is used.
    Upgrade,
    /// Ends a poll that has nothing to say.
    Noop,
}

impl<'a> Engine<'a> {
    pub fn decode(text: &'a str) -> Result<Engine<'a>, Unreadable> {
        let kind = text.chars().next().ok_or(Unreadable::Empty)?;
        let rest = &text[kind.len_utf8()..];
        Ok(match kind {
            '0' => Engine::Open(rest),
            '1' => Engine::Close,
            '2' => Engine::Ping(rest),
            '3' => Engine::Pong(rest),
            '4' => Engine::Message(rest),
            '5' => Engine::Upgrade,
            '6' => Engine::Noop,
            // How polling packs bytes into text.
            'b' => return Err(Unreadable::Binary),
            other => return Err(Unreadable::Kind(other)),
        })
    }
}

impl fmt::Display for Engine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Open(open) => write!(out, "0{open}"),
            Engine::Close => out.write_str("1"),
            Engine::Ping(payload) => write!(out, "2{payload}"),
            Engine::Pong(payload) => write!(out, "3{payload}"),
            Engine::Message(message) => write!(out, "4{message}"),
            Engine::Upgrade => out.write_str("5"),
            Engine::Noop => out.write_str("6"),
        }
    }
}

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    pub sid: String,
    #[serde(default)]
    pub upgrades: Vec<String>,
    /// Milliseconds from a pong to the next ping.
    pub ping_interval: u64,
    /// Milliseconds from a ping to its pong.
    pub ping_timeout: u64,
    #[serde(default)]
    pub max_payload: Option<u64>,
}
