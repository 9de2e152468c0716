//! The agent's side of the Agent Client Protocol, version 1, over the gateway's sessions.
//!
//! [`wire`] reads and writes lines of JSON-RPC. [`desk`] answers what the editor asks. Each session that the editor has open
//! is followed by a task of its own ([`session`]), which tells events as updates ([`update`]) and asks as requests
//! ([`permission`], [`question`]). What the agent behind it can be set to goes with it ([`settings`]). The gateway keeps everything: an editor that is closed in the middle of a turn finds it again.

mod desk;
mod permission;
mod prompt;
mod question;
mod session;
mod settings;
mod update;
mod wire;

use std::path::PathBuf;

use rejoin_sdk::Client;
use rejoin_sdk::types::id::ClientId;

pub(crate) struct Settings {
    /// The agent behind new sessions.
    pub(crate) agent: String,
    pub(crate) trace: Option<PathBuf>,
    /// How we are told from others who use the same sessions.
    pub(crate) name: ClientId,
}

/// Serves an editor until it closes our standard input.
pub(crate) async fn serve(client: Client, settings: Settings) -> anyhow::Result<()> {
    let (editor, mut said) = wire::open(settings.trace.as_deref())?;
    let mut desk = desk::Desk::new(client, settings, editor);
    while let Some(said) = said.recv().await {
        desk.take(said).await;
    }
    Ok(())
}
