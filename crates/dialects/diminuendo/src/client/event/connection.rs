//! The connection, what went wrong, and what happens to the gateway.

use serde::Deserialize;

use super::payload::payloads;
use crate::wire::Identity;

/// The socket is open: `connected` among the lifecycle's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened;

/// The socket is not open any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disconnected {
    /// Another attempt follows by itself.
    pub will_reconnect: bool,
    /// Why, if nobody here wanted it.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    pub protocol_version: u64,
    #[serde(default)]
    pub requires_auth: bool,
}

/// The gateway's own `connected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Connected {
    pub client_id: String,
    pub heartbeat_interval_ms: Option<u64>,
    pub ts: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Authenticated {
    pub identity: Identity,
}

/// The gateway could not do something that this connection asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ErrorEvent {
    pub code: String,
    pub message: String,
    pub retry_after_ms: Option<u64>,
    /// What was asked for, where the gateway says it: the message's `type`, and its session.
    #[serde(skip)]
    pub about: Option<About>,
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub message: &'static str,
    pub session_id: Option<String>,
    /// Of a `run_turn`.
    pub client_turn_id: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerShutdown {
    pub ts: Option<u64>,
    pub grace_ms: Option<u64>,
    pub reason: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReplayComplete {
    pub session_id: String,
    pub from_seq: u64,
    pub to_seq: u64,
    pub count: u64,
    pub truncated: bool,
}

payloads! {
    /// The gateway is there.
    Heartbeat session {}
}
