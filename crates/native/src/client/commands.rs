//! Commands over HTTP: each carries an id that is minted here, so sending it again does nothing twice.

use rejoin_core::command::Command;
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::position::Position;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::Client;
use super::problem::Error;

/// A command done. Every event it brought has a number up to `position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub id: CommandId,
    pub position: Position,
    /// The session that a fork made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// A command as it travels, with its id.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Named<'a> {
    pub(super) id: &'a CommandId,
    #[serde(flatten)]
    pub(super) command: &'a Command,
}

/// A new command id.
pub(super) fn mint() -> CommandId {
    uuid::Uuid::now_v7().into()
}

impl Client {
    /// Gives a command, and waits until it is done.
    pub async fn run(&self, session: &SessionId, command: Command) -> Result<Done, Error> {
        self.run_as(session, mint(), command).await
    }

    /// Gives a command under an id of one's own: given again, also by another process, it is done once.
    pub async fn run_as(&self, session: &SessionId, id: CommandId, command: Command) -> Result<Done, Error> {
        let pieces = ["sessions", session.as_str(), "commands"];
        let call = self.call(Method::POST, pieces).json(&Named { id: &id, command: &command })?;
        self.fetch(call).await
    }
}
