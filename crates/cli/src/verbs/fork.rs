//! Going on from an earlier point: in a copy, or in the same session.

use clap::Args;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::id::MessageId;

use super::session::give;
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// The session's id, or @last for the newest
    session: String,
    /// The last message to copy; without one all are
    #[arg(long, short)]
    message: Option<String>,
    #[arg(long, short)]
    title: Option<String>,
}

impl Fork {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let command = Command::Fork {
            message: self.message.as_deref().map(message).transpose()?,
            title: self.title,
            // Chosen here, so that sending it again cannot make a second copy.
            into: Some(uuid::Uuid::now_v7().into()),
        };
        let done = client.run(&session, command).await?;
        out.either(&done, |_| {
            let copy = done.session.as_ref();
            copy.map(ToString::to_string).unwrap_or_default()
        })?;
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Revert {
    /// The session's id, or @last for the newest
    session: String,
    /// The last message to keep: see `rejoin messages`
    message: String,
    /// Take that message back too
    #[arg(long)]
    inclusive: bool,
}

impl Revert {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let command = Command::Revert { message: message(&self.message)?, inclusive: self.inclusive };
        give(here, out, &self.session, command).await
    }
}

fn message(text: &str) -> anyhow::Result<MessageId> {
    MessageId::new(text).map_err(|bad| Told::usage(format!("message `{text}`: {bad}")))
}
