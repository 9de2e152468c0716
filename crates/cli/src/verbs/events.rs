//! The log.

use clap::Args;
use rejoin_sdk::stream::TryStreamExt;
use rejoin_sdk::types::position::Heard;
use rejoin_sdk::{Happened, JoinFrom};

use crate::attach::follow_raw;
use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::when;

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// The session's id, or @last for the newest
    session: String,
    /// Only what follows this position
    #[arg(long, value_name = "POSITION")]
    after: Option<Heard>,
    /// The most to show
    #[arg(long, short = 'n')]
    limit: Option<usize>,
    /// Go on with what happens
    #[arg(long, short)]
    follow: bool,
}

impl Events {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let after = self.after.unwrap_or(Heard::NOTHING);
        let most = self.limit.unwrap_or(usize::MAX);
        if self.follow {
            // It must be there: an address that is wrong is told of instead of being tried for ever.
            client.session(&session).await?;
            let attached = client.attach(&session, JoinFrom::After(after));
            return follow_raw(attached, out, most).await;
        }
        let mut log = std::pin::pin!(client.log(&session, after));
        let mut count = 0;
        while count < most
            && let Some(happened) = log.try_next().await?
        {
            count += 1;
            out.either(&happened, |_| line(&happened))?;
        }
        Ok(Exit::Ok)
    }
}

/// An event on one line.
pub(crate) fn line(happened: &Happened) -> String {
    let logged = &happened.logged;
    // Its fields without those that every event has.
    let fields = serde_json::to_value(&logged.event).unwrap_or_default();
    let fields = match fields {
        serde_json::Value::Object(mut fields) => {
            fields.remove("type");
            serde_json::Value::Object(fields).to_string()
        }
        other => other.to_string(),
    };
    format!(
        "{}  {}  {}  {}  {}",
        happened.position(),
        when::utc(logged.at),
        one_line(logged.author.user.as_str(), 40),
        one_line(logged.event.kind(), 80),
        one_line(&fields, 160),
    )
}
