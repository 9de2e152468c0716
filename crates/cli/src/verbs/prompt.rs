//! Giving a session something to do.

use std::io::Read;

use clap::{Args, ValueEnum};
use rejoin_sdk::Client;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::id::{ClientId, SessionId};
use rejoin_sdk::types::turn::IfBusy;

use crate::attach::wait::{Waiting, wait};
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;

/// The longest prompt that a gateway takes.
const LONGEST: u64 = 4 << 20;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Busy {
    Refuse,
    Queue,
    Steer,
    Interrupt,
}

#[derive(Debug, Args)]
pub(crate) struct Prompt {
    /// The session's id, or @last for the newest
    session: String,
    /// What to do; `-` reads it from standard input
    #[arg(required = true)]
    text: Vec<String>,
    /// What to do where a turn runs already
    #[arg(long, value_enum, default_value = "queue")]
    if_busy: Busy,
    /// Do not wait for the turn to end
    #[arg(long)]
    no_wait: bool,
}

impl Prompt {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let text = text(self.text)?;
        let (client, me) = here.named_client()?;
        let session = here.session(&client, &self.session).await?;
        if self.no_wait {
            let (command, _) = command(text, self.if_busy.into());
            let done = client.run(&session, command).await?;
            if out.json {
                out.object(&done)?;
            }
            return Ok(Exit::Ok);
        }
        give(client, me, session, text, self.if_busy.into(), out).await
    }
}

/// Gives a prompt and waits for its turn to end.
pub(super) async fn give(
    client: Client,
    me: ClientId,
    session: SessionId,
    text: String,
    if_busy: IfBusy,
    out: &mut Out,
) -> anyhow::Result<Exit> {
    let (command, reference) = command(text, if_busy);
    wait(Waiting { client, me, session, reference }, command, out).await
}

fn command(text: String, if_busy: IfBusy) -> (Command, String) {
    let reference = uuid::Uuid::now_v7().to_string();
    let command = Command::Prompt { text, attachments: Vec::new(), if_busy, reference: Some(reference.clone()) };
    (command, reference)
}

impl From<Busy> for IfBusy {
    fn from(busy: Busy) -> IfBusy {
        match busy {
            Busy::Refuse => IfBusy::Refuse,
            Busy::Queue => IfBusy::Queue,
            Busy::Steer => IfBusy::Steer,
            Busy::Interrupt => IfBusy::Interrupt,
        }
    }
}

/// Words as one text, or what standard input has.
pub(super) fn text(words: Vec<String>) -> anyhow::Result<String> {
    if words != ["-"] {
        return Ok(words.join(" "));
    }
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|why| anyhow::anyhow!("reading standard input: {why}"))?;
    match text.len() as u64 > LONGEST {
        true => Err(Told::usage(format!("the text is longer than {LONGEST} bytes"))),
        false => Ok(text),
    }
}
