//! Engine.IO v4 and Socket.IO v5 packets: text in, text out, for both ends of a connection.
//!
//! An [`Engine`] packet is what one WebSocket text carries, or one piece of a polling [`payload`]. Its messages are Socket.IO's:
//! a [`Message`]. What stands in them as JSON is passed on as the exact text that came.

mod build;
mod engine;
mod message;
pub mod payload;

pub use build::{CONFIRMED, ack, connect, connect_error, connected, disconnect, event};
pub use engine::{Engine, Open, PROBE};
pub use message::{Body, Message};

/// The bytes of one packet, and of one polling request, that either side takes.
pub const LARGEST: usize = 1_000_000;
/// Bytes of a namespace. Ours have six at most.
pub const NAMESPACE: usize = 128;
/// The largest number of an ack: JavaScript counts no further.
pub const LARGEST_ACK: u64 = (1 << 53) - 1;
/// Arguments of one event or ack. No event that we know has more than one.
pub const ARGUMENTS: usize = 32;
/// How deep lists and objects may stand in each other, which is what JSON readers commonly bear.
pub const DEPTH: usize = 127;

/// Why a text is no packet.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("a packet is empty")]
    Empty,
    #[error("there is no packet of type {0:?}")]
    Kind(char),
    #[error("a packet carries more than it may")]
    Surplus,
    #[error("binary packets are not spoken here")]
    Binary,
    #[error("a namespace has {0} bytes")]
    Namespace(usize),
    #[error("an ack has a number above {LARGEST_ACK}")]
    Ack,
    #[error("an ack has no number")]
    NoAck,
    #[error("a packet has no body")]
    NoBody,
    #[error("a packet's body is not what its type says")]
    Body(#[source] serde_json::Error),
    #[error("a packet's body is nested deeper than {DEPTH}")]
    Depth,
    #[error("an event has no name")]
    NoName,
    #[error("{0:?} is no name for an event")]
    Reserved(String),
}
