//! Prompts that wait.

use clap::Subcommand;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::id::QueueId;

use super::session::give;
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;

#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// List what waits, first things first
    Ls { session: String },
    /// Let a prompt wait
    Add {
        session: String,
        /// `-` reads it from standard input
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Change a prompt that waits
    Edit {
        session: String,
        item: String,
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Put a prompt before another one, or last
    Move {
        session: String,
        item: String,
        /// Without it the prompt becomes the last
        #[arg(long, value_name = "ITEM")]
        before: Option<String>,
    },
    /// Take a prompt off the queue
    Rm { session: String, item: String },
}

impl Queue {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        match self {
            Queue::Ls { session } => list(here, out, &session).await,
            Queue::Add { session, text } => {
                let command =
                    Command::Enqueue { text: super::prompt::text(text)?, attachments: Vec::new(), reference: None };
                give(here, out, &session, command).await
            }
            Queue::Edit { session, item: name, text } => {
                let command = Command::Edit { item: item(&name)?, text: super::prompt::text(text)? };
                give(here, out, &session, command).await
            }
            Queue::Move { session, item: name, before } => {
                let command = Command::Move { item: item(&name)?, before: before.as_deref().map(item).transpose()? };
                give(here, out, &session, command).await
            }
            Queue::Rm { session, item: name } => {
                let command = Command::Dequeue { item: item(&name)? };
                give(here, out, &session, command).await
            }
        }
    }
}

async fn list(here: &Here, out: &mut Out, session: &str) -> anyhow::Result<Exit> {
    let client = here.client()?;
    let session = here.session(&client, session).await?;
    let view = client.session(&session).await?;
    if out.json {
        for item in &view.queue {
            out.object(item)?;
        }
        return Ok(Exit::Ok);
    }
    let row = |item: &rejoin_sdk::types::queue::QueueItem| vec![item.id.to_string(), one_line(&item.text, 200)];
    for line in table(&view.queue.iter().map(row).collect::<Vec<_>>()) {
        out.line(line)?;
    }
    Ok(Exit::Ok)
}

fn item(text: &str) -> anyhow::Result<QueueId> {
    QueueId::new(text).map_err(|bad| Told::usage(format!("queue item `{text}`: {bad}")))
}
