//! Terminals in a session's workspace: opened, listed, ended, and looked at live.

mod attached;

use rejoin_core::id::{SessionId, TerminalId};
use rejoin_ports::terminals::{TerminalInfo, TerminalSize};
use reqwest::Method;
use serde::Serialize;

use super::workspaces::Items;
use super::{Client, Error};

pub use attached::{AttachedTerminal, TerminalItem, TerminalKeys};

/// A terminal to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTerminal {
    /// A line for a shell; absent: a login shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// 80 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
    /// 24 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
    /// Pipes instead of a terminal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

impl Client {
    pub async fn open_terminal(&self, session: &SessionId, new: &NewTerminal) -> Result<TerminalInfo, Error> {
        let call = self.call(Method::POST, ["sessions", session.as_str(), "terminals"]).json(new)?.once();
        self.fetch(call).await
    }
    /// Those that run, and the last ones that have ended, oldest first.
    pub async fn terminals(&self, session: &SessionId) -> Result<Vec<TerminalInfo>, Error> {
        let call = self.call(Method::GET, ["sessions", session.as_str(), "terminals"]);
        let list: Items<TerminalInfo> = self.fetch(call).await?;
        Ok(list.items)
    }
    pub async fn terminal(&self, session: &SessionId, terminal: &TerminalId) -> Result<TerminalInfo, Error> {
        let call = self.call(Method::GET, ["sessions", session.as_str(), "terminals", terminal.as_str()]);
        self.fetch(call).await
    }
    /// Gives it another size, for all who look.
    pub async fn resize_terminal(
        &self,
        session: &SessionId,
        terminal: &TerminalId,
        size: TerminalSize,
    ) -> Result<(), Error> {
        let path = ["sessions", session.as_str(), "terminals", terminal.as_str(), "resize"];
        let call = self.call(Method::POST, path).json(&size)?;
        self.tell(call).await
    }
    /// Ends all that runs in it, and forgets it.
    pub async fn close_terminal(&self, session: &SessionId, terminal: &TerminalId) -> Result<(), Error> {
        let call = self.call(Method::DELETE, ["sessions", session.as_str(), "terminals", terminal.as_str()]);
        self.tell(call.patient()).await
    }
}
