//! How a session stands.

use clap::Args;
use rejoin_sdk::View;
use rejoin_sdk::types::control::Control;

use super::ls::status_word;
use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;
use crate::render::transcript::{Transcript, outcome_word, usage_line};
use crate::render::when;

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The session's id, or @last for the newest
    session: String,
    /// Leave out what was said
    #[arg(long)]
    brief: bool,
}

impl Show {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let view = client.session(&session).await?;
        if out.json {
            out.object(&view)?;
            return Ok(Exit::Ok);
        }
        for line in facts(&view) {
            out.line(line)?;
        }
        if !self.brief {
            let mut transcript = Transcript::new(out.style);
            let text = transcript.view(&view) + &transcript.finish();
            out.text("\n")?;
            out.text(&text)?;
        }
        Ok(Exit::Ok)
    }
}

fn facts(view: &View) -> Vec<String> {
    let header = &view.session;
    let mut rows = Vec::new();
    let mut say = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    say("session", header.id.to_string());
    say("title", one_line(header.title.as_deref().unwrap_or("-"), 200));
    let archived = if header.archived { ", archived" } else { "" };
    say("status", format!("{}{archived}", status_word(header.status)));
    say("agent", one_line(&header.agent, 80));
    if let Some(model) = &header.model {
        say("model", one_line(&model.model, 200));
    }
    if let Some(workspace) = &header.workspace {
        say("workspace", workspace.to_string());
    }
    if let Some(parent) = &header.parent {
        say("parent", parent.to_string());
    }
    for (name, value) in &header.labels {
        say("label", format!("{}={}", one_line(name, 256), one_line(value, 256)));
    }
    say("position", view.position.to_string());
    say("created", format!("{} by {}", when::utc(header.created_at), header.created_by));
    if let Some(turn) = &header.last_turn {
        say("last turn", outcome_word(&turn.outcome));
    }
    if let Some(end) = &header.end {
        say("ended", one_line(&end.reason, 200));
    }
    say("usage", format!("{} turns, {}", header.turns, usage_line(&header.usage)));
    if let Some(holder) = view.control.holder() {
        let away = if matches!(view.control, Control::Grace { .. }) { ", away" } else { "" };
        say("control", format!("{} ({}){away}", holder.user, holder.client));
    }
    say("asks", view.asks.len().to_string());
    say("queue", view.queue.len().to_string());
    table(&rows)
}
