//! A session as JSON lines.

use clap::Args;
use rejoin_sdk::stream::TryStreamExt;
use rejoin_sdk::types::part::WholeMessage;
use rejoin_sdk::types::position::Heard;
use serde_json::json;

use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;

/// Raised when a reader of these lines would have to read them differently.
const FORMAT: u32 = 1;
/// The longest page that a gateway gives.
const PAGE: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The session's id, or @last for the newest
    session: String,
    /// Leave the log out
    #[arg(long)]
    no_log: bool,
}

impl Export {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let view = client.session(&session).await?;
        out.object(&json!({ "export": {
            "format": FORMAT, "session": view.session, "config": view.config, "position": view.position,
        } }))?;
        // Pages come newest first and are written oldest first. A transcript can be long, so only the places of its
        // pages are remembered, and every page but the newest is asked for twice.
        let newest = client.messages(&session, None, Some(PAGE)).await?;
        let mut places = Vec::new();
        let mut place = newest.next_cursor.clone();
        while let Some(before) = place {
            let page = client.messages(&session, Some(&before), Some(PAGE)).await?;
            if page.items.is_empty() {
                break;
            }
            places.push(before);
            place = page.next_cursor;
        }
        for before in places.iter().rev() {
            let page = client.messages(&session, Some(before), Some(PAGE)).await?;
            write(out, &page.items)?;
        }
        write(out, &newest.items)?;
        if !self.no_log {
            let mut log = std::pin::pin!(client.log(&session, Heard::NOTHING));
            while let Some(happened) = log.try_next().await? {
                out.object(&json!({ "event": happened }))?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn write(out: &mut Out, messages: &[WholeMessage]) -> std::io::Result<()> {
    messages.iter().try_for_each(|message| out.object(&json!({ "message": message })))
}
