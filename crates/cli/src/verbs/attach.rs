//! Following a session.

use std::str::FromStr;

use clap::Args;
use rejoin_sdk::JoinFrom;
use rejoin_sdk::types::position::Heard;

use crate::attach::{Following, follow};
use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The session's id, or @last for the newest
    session: String,
    /// Where to begin: start, now (what was said last, and what follows), or a position
    #[arg(long, default_value = "now", value_name = "start|now|POSITION")]
    from: Begin,
    /// Leave once nothing runs and nothing waits in the queue
    #[arg(long)]
    until_idle: bool,
    /// Take lines from standard input also where it is no terminal
    #[arg(long)]
    input: bool,
}

#[derive(Debug, Clone, Copy)]
struct Begin(JoinFrom);

impl FromStr for Begin {
    type Err = rejoin_sdk::types::position::BadPosition;
    fn from_str(text: &str) -> Result<Begin, Self::Err> {
        Ok(Begin(match text {
            "start" => JoinFrom::Start,
            "now" => JoinFrom::Now,
            position => JoinFrom::After(position.parse::<Heard>()?),
        }))
    }
}

impl Attach {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        // It must be there: an address that is wrong is told of instead of being tried for ever.
        client.session(&session).await?;
        let following =
            Following { client, session, from: self.from.0, until_idle: self.until_idle, input: self.input };
        follow(following, out).await
    }
}
