//! What there is to work with, and what it cost.

use rejoin_core::id::SessionId;
use rejoin_core::position::Position;
use rejoin_core::usage::Usage;
use rejoin_ports::agent::{AgentInfo, AgentSettings};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::workspaces::Items;
use super::{Client, Error};

/// What a session has cost so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionUsage {
    pub session: SessionId,
    /// Everything up to here is counted.
    pub position: Position,
    pub turns: u64,
    pub usage: Usage,
}

impl Client {
    /// The agents that sessions can be created for.
    pub async fn agents(&self) -> Result<Vec<AgentInfo>, Error> {
        let list: Items<AgentInfo> = self.fetch(self.call(Method::GET, ["agents"])).await?;
        Ok(list.items)
    }
    /// What a session's agent can be set to. Modes and options are set by [`Command::Configure`](rejoin_core::command::Command).
    pub async fn agent_settings(&self, session: &SessionId) -> Result<AgentSettings, Error> {
        let pieces = ["sessions", session.as_str(), "agent-settings"];
        self.fetch(self.call(Method::GET, pieces)).await
    }
    pub async fn usage(&self, session: &SessionId) -> Result<SessionUsage, Error> {
        let pieces = ["sessions", session.as_str(), "usage"];
        self.fetch(self.call(Method::GET, pieces)).await
    }
}
