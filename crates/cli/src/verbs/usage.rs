//! What a session has cost.

use clap::Args;

use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;
use crate::render::transcript::usage_line;

#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// The session's id, or @last for the newest
    session: String,
}

impl Usage {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let used = client.usage(&session).await?;
        out.either(&used, |_| format!("{} turns, {}", used.turns, usage_line(&used.usage)))?;
        Ok(Exit::Ok)
    }
}
