//! The transcript.

use clap::Args;
use rejoin_sdk::types::part::{MessageRole, WholeMessage};

use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;
use crate::render::style::Style;
use crate::render::transcript::Transcript;
use crate::render::when;

#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// The session's id, or @last for the newest
    session: String,
    /// Only what is older than this message
    #[arg(long, value_name = "MESSAGE")]
    before: Option<String>,
    /// The most to show: the newest of them, oldest first
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
}

/// The longest page that a gateway gives.
const PAGE: usize = 200;

impl Messages {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let mut pages = Vec::new();
        let (mut before, mut left) = (self.before, self.limit);
        // As many as were asked for are held, since the oldest comes out first and in last.
        while left > 0 {
            let page = client.messages(&session, before.as_deref(), Some(left.min(PAGE))).await?;
            left -= page.items.len().min(left);
            let ended = page.items.is_empty();
            pages.push(page.items);
            before = page.next_cursor;
            if before.is_none() || ended {
                break;
            }
        }
        for message in pages.into_iter().rev().flatten() {
            match out.json {
                true => out.object(&message)?,
                false => {
                    let text = show(&message, out.style);
                    out.text(&text)?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}

/// A message under its own line, which names it for `fork` and `revert`.
fn show(whole: &WholeMessage, style: Style) -> String {
    let message = &whole.message;
    let role = match message.role {
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
        MessageRole::System => "system",
    };
    let head = format!("{role} · {} · {}", when::utc(message.created_at), message.id);
    let mut text = style.faint(&head) + "\n";
    Transcript::new(style).whole(&mut text, whole);
    text.push('\n');
    text
}
