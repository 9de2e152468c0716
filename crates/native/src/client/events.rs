//! The log of a session: by pages, and as a live stream over one connection.

use futures_util::{Stream, TryStreamExt, stream};
use rejoin_core::id::SessionId;
use rejoin_core::position::{Epoch, Heard, Position};
use rejoin_ports::gateway::View;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::problem::Error;
use super::sse::{Sse, SseReader};
use super::{Client, Happened};

/// One page of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    pub items: Vec<Happened>,
    /// Where the next page begins: give it as `after`.
    pub next: Position,
    /// The newest position there is.
    pub tip: Position,
}

/// What a live stream of one connection brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Live {
    Event(Box<Happened>),
    /// Everything that was there has been told; what follows is new.
    CaughtUp(Position),
    /// The position is gone or belongs to another life of the log: begin again with this.
    Gap(Box<View>),
    Deleted,
}

/// What is said about a position.
#[derive(Deserialize)]
pub(super) struct At {
    pub(super) position: Position,
}

/// A position as an address's parameter.
pub(super) fn after(heard: Heard) -> String {
    match heard.epoch {
        Some(Epoch(epoch)) => format!("{epoch:x}.{}", heard.seq),
        None => heard.seq.to_string(),
    }
}

impl Client {
    /// The events behind a position, at most `limit` (the gateway's own when absent).
    pub async fn events(&self, session: &SessionId, heard: Heard, limit: Option<usize>) -> Result<EventPage, Error> {
        let pieces = ["sessions", session.as_str(), "events"];
        let call = self.call(Method::GET, pieces).ask("after", after(heard));
        self.fetch(call.ask_maybe("limit", limit)).await
    }

    /// Everything behind a position that is there now, page by page, to the tip of the last page.
    pub fn log(&self, session: &SessionId, heard: Heard) -> impl Stream<Item = Result<Happened, Error>> + Send + use<> {
        let (client, session) = (self.clone(), session.clone());
        let pages = stream::try_unfold(Some(heard), move |at| {
            let (client, session) = (client.clone(), session.clone());
            async move {
                let Some(at) = at else { return Ok(None) };
                let page = client.events(&session, at, None).await?;
                // A page that does not lead on would be asked for for ever.
                let moved = page.next.seq > at.seq || at.epoch.is_none_or(|e| e != page.next.epoch);
                let done = page.next == page.tip || page.items.is_empty() || !moved;
                let next = (!done).then(|| page.next.into());
                Ok::<_, Error>(Some((stream::iter(page.items.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten()
    }

    /// Follows a session over one connection (server-sent events), until that is lost. [`Client::attach`] comes back by
    /// itself.
    pub async fn live(
        &self,
        session: &SessionId,
        heard: Heard,
    ) -> Result<impl Stream<Item = Result<Live, Error>> + Send + use<>, Error> {
        let pieces = ["sessions", session.as_str(), "events"];
        let call = self.call(Method::GET, pieces).ask("after", after(heard));
        let items = self.sse(call.event_stream()).await?;
        Ok(items.try_filter_map(async |sse| read(&sse)))
    }

    /// Opens a stream of server-sent events.
    pub(super) async fn sse(
        &self,
        call: super::call::Call,
    ) -> Result<impl Stream<Item = Result<Sse, Error>> + Send + use<>, Error> {
        let response = self.open(call).await?;
        let url = self.url().to_owned();
        let begin = (response, SseReader::default());
        Ok(stream::try_unfold(begin, move |(mut response, mut reader)| {
            let url = url.clone();
            async move {
                loop {
                    let event = reader.next().map_err(|_| Error::Unreadable {
                        what: "a stream",
                        why: "an event of it is too long".to_owned(),
                    })?;
                    if let Some(event) = event {
                        return Ok(Some((event, (response, reader))));
                    }
                    let chunk = response
                        .chunk()
                        .await
                        .map_err(|why| Error::transport(format!("listening to {url}"), why.without_url()))?;
                    match chunk {
                        Some(chunk) => reader.push(&chunk),
                        None => return Ok(None),
                    }
                }
            }
        }))
    }
}

fn read(sse: &Sse) -> Result<Option<Live>, Error> {
    #[derive(Deserialize)]
    struct Gap {
        snapshot: Box<View>,
    }
    Ok(match sse.event.as_str() {
        "" | "message" => Some(Live::Event(Box::new(Happened::read(sse.data.as_bytes())?))),
        "gap" => Some(Live::Gap(sse.read::<Gap>()?.snapshot)),
        "caught-up" => Some(Live::CaughtUp(sse.read::<At>()?.position)),
        "deleted" => Some(Live::Deleted),
        "problem" => return Err(Error::Problem(sse.read()?)),
        _ => None, // the end is at hand, or something newer
    })
}
