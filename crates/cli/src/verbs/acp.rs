//! Being an agent: an editor that speaks the Agent Client Protocol talks to the gateway through us.

use std::path::PathBuf;

use clap::Args;

use crate::acp::{self, Settings};
use crate::exit::Exit;
use crate::here::Here;

/// Speak the Agent Client Protocol on standard input and output, for editors: their sessions live in the gateway.
#[derive(Debug, Args)]
pub(crate) struct Acp {
    /// The agent behind new sessions
    #[arg(long, default_value = "echo", env = "REJOIN_ACP_AGENT", value_name = "AGENT")]
    agent: String,
    /// Write what travels to this file as well, for whoever looks for a fault
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl Acp {
    pub(crate) async fn run(self, here: &Here) -> anyhow::Result<Exit> {
        let (client, name) = here.named_client()?;
        acp::serve(client, Settings { agent: self.agent, trace: self.trace, name }).await?;
        Ok(Exit::Ok)
    }
}
