//! Answering what an agent asks.

use clap::Args;
use rejoin_sdk::types::ask::Answer as Said;
use rejoin_sdk::types::ask::Ask;
use rejoin_sdk::types::command::Command;

use crate::answering::understand;
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render;

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The session's id, or @last for the newest
    session: String,
    /// Which ask; may be left out (as `-`) where only one waits. Without anything behind it, what waits is listed
    ask: Option<String>,
    /// The answer: yes, no, a number, a text, key=value; …
    #[arg(allow_hyphen_values = true)]
    words: Vec<String>,
    /// The answer as the API has it: {"kind":"allow","scope":"session"}
    #[arg(long, value_name = "JSON", conflicts_with_all = ["words", "dismiss"])]
    raw: Option<String>,
    /// Wave the ask aside
    #[arg(long, conflicts_with = "words")]
    dismiss: bool,
}

impl Answer {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let view = client.session(&session).await?;
        if self.ask.is_none() && self.raw.is_none() && !self.dismiss {
            for ask in &view.asks {
                match out.json {
                    true => out.object(ask)?,
                    false => show(out, ask)?,
                }
            }
            return Ok(Exit::Ok);
        }
        let name = self.ask.as_deref().filter(|name| *name != "-");
        let ask = find(&view.asks, name)?;
        let answer = match (self.raw, self.dismiss) {
            (Some(raw), _) => serde_json::from_str(&raw).map_err(|why| Told::usage(format!("--raw: {why}")))?,
            (None, true) => Said::Dismiss,
            (None, false) => understand(ask, &self.words.join(" ")).map_err(Told::usage)?,
        };
        let command = Command::Answer { ask: ask.id.clone(), answer };
        let done = client.run(&session, command).await?;
        if out.json {
            out.object(&done)?;
        }
        Ok(Exit::Ok)
    }
}

fn show(out: &mut Out, ask: &Ask) -> std::io::Result<()> {
    let lines = render::ask::ask(ask, out.style);
    lines.iter().try_for_each(|line| out.line(line))
}

fn find<'a>(asks: &'a [Ask], name: Option<&str>) -> anyhow::Result<&'a Ask> {
    match (name, asks) {
        (Some(name), _) => asks
            .iter()
            .find(|ask| ask.id.as_str() == name)
            .ok_or_else(|| Told::error(Exit::NotFound, format!("nobody waits for an answer to ask {name}"))),
        (None, [only]) => Ok(only),
        (None, []) => Err(Told::error(Exit::NotFound, "nothing waits for an answer")),
        (None, several) => Err(Told::usage(format!("{} asks wait: say which one is meant", several.len()))),
    }
}
