//! What happens in an account.

use super::super::{OpenedArtifact, OpenedMachine, OpenedSession};
use crate::payload::{AgentState, DaemonState, MachineMetadata, Message, Metadata};
use crate::wire::{Body, Ephemeral};

#[derive(Debug, Clone)]
pub enum UserNews {
    /// There is a connection, the first one or another: what happened before was not told.
    Connected,
    Disconnected,
    /// Nobody is let in with this token; nothing more will be told.
    Refused(String),
    Update(Box<OpenedUpdate>),
    Ephemeral(Ephemeral),
}

/// One thing that happened, with what was sealed in it opened. What cannot be opened is `None`.
#[derive(Debug, Clone)]
pub struct OpenedUpdate {
    /// As it came.
    pub body: Body,
    /// The account's number for it. It can have gaps, and is no place to go on from.
    pub seq: u64,
    pub created_at: u64,
    pub opened: Opened,
}

#[derive(Debug, Clone)]
pub enum Opened {
    /// There is nothing sealed in it, or no key to it.
    Nothing,
    Session(Box<OpenedSession>),
    SessionChange {
        metadata: Option<Box<Metadata>>,
        agent_state: Option<AgentState>,
    },
    Message(Box<Message>),
    Machine(Box<OpenedMachine>),
    MachineChange {
        metadata: Option<Box<MachineMetadata>>,
        daemon_state: Option<DaemonState>,
    },
    Artifact(Box<OpenedArtifact>),
}
