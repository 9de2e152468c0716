//! What changes among one's sessions.

use clap::Args;
use rejoin_sdk::stream::TryStreamExt;
use rejoin_sdk::types::FeedLine;
use rejoin_sdk::types::position::{Heard, Position};
use rejoin_sdk::{Backoff, Client, Error, FeedItem};

use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::when;

#[derive(Debug, Args)]
pub(crate) struct Feed {
    /// Only what follows this position
    #[arg(long, value_name = "POSITION")]
    after: Option<Heard>,
    /// Go on with what happens
    #[arg(long, short)]
    follow: bool,
}

impl Feed {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let mut after = self.after.unwrap_or(Heard::NOTHING);
        loop {
            let page = client.feed(after, None).await?;
            for line in &page.items {
                out.either(line, |_| show(line))?;
            }
            after = page.next.into();
            if page.next == page.tip || page.items.is_empty() {
                break;
            }
        }
        if self.follow {
            follow(&client, out, after).await?;
        }
        Ok(Exit::Ok)
    }
}

/// Goes on for ever; a lost connection is made anew behind the last line.
async fn follow(client: &Client, out: &mut Out, mut after: Heard) -> anyhow::Result<()> {
    let mut backoff = Backoff::fresh();
    loop {
        out.flush()?;
        match listen(client, out, &mut after, &mut backoff).await {
            Ok(()) => {}
            Err(Lost::Passing(why)) => eprintln!("rejoin: the connection is lost ({why}); trying again"),
            Err(Lost::ForGood(error)) => return Err(error),
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

enum Lost {
    Passing(Error),
    ForGood(anyhow::Error),
}

impl From<Error> for Lost {
    fn from(error: Error) -> Lost {
        match &error {
            Error::Transport { .. } => Lost::Passing(error),
            Error::Problem(problem) if problem.is_passing() => Lost::Passing(error),
            _ => Lost::ForGood(error.into()),
        }
    }
}

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Lost {
        Lost::ForGood(error.into())
    }
}

async fn listen(client: &Client, out: &mut Out, after: &mut Heard, backoff: &mut Backoff) -> Result<(), Lost> {
    let mut items = std::pin::pin!(client.live_feed(*after).await?);
    while let Some(item) = items.try_next().await? {
        backoff.worked();
        match item {
            FeedItem::Line(line) => {
                after.seq = line.seq;
                out.either(&line, |_| show(&line))?;
            }
            FeedItem::CaughtUp(position) => *after = behind(position, after.seq),
            FeedItem::Gap(position) => {
                *after = position.into();
                let gap = serde_json::json!({ "gap": { "position": position } });
                out.either(&gap, |_| "-- some of it is gone; list again".to_owned())?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// What was heard, in the life that the feed says it has.
fn behind(position: Position, seq: u64) -> Heard {
    Heard { epoch: Some(position.epoch), seq }
}

fn show(line: &FeedLine) -> String {
    let what = match (&line.session, &line.kind) {
        (Some(session), _) => session.to_string(),
        (None, Some(kind)) => {
            let key = line.key.as_deref().unwrap_or_default();
            format!("{} {}", one_line(kind, 80), one_line(key, 200))
        }
        _ => String::new(),
    };
    format!("{}  {}  {}  {what}", line.seq, when::utc(line.at), one_line(&line.change, 80))
}
