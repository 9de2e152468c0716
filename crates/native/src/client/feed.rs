//! The feed: what changes among one's sessions and records, without what is said in them.

use futures_util::{Stream, TryStreamExt};
use rejoin_core::position::{Heard, Position};
use rejoin_ports::gateway::FeedLine;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::events::{At, after};
use super::{Client, Error};

/// One page of a feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedPage {
    pub items: Vec<FeedLine>,
    pub next: Position,
    pub tip: Position,
}

/// What a live feed brings.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedItem {
    Line(FeedLine),
    /// Everything that was there has been told; what follows is new.
    CaughtUp(Position),
    /// The position is gone: list again. It goes on from here.
    Gap(Position),
}

impl Client {
    pub async fn feed(&self, heard: Heard, limit: Option<usize>) -> Result<FeedPage, Error> {
        let call = self.call(Method::GET, ["feed"]).ask("after", after(heard));
        self.fetch(call.ask_maybe("limit", limit)).await
    }

    /// Follows the feed over one connection, until that is lost.
    pub async fn live_feed(
        &self,
        heard: Heard,
    ) -> Result<impl Stream<Item = Result<FeedItem, Error>> + Send + use<>, Error> {
        let call = self.call(Method::GET, ["feed"]).ask("after", after(heard));
        let events = self.sse(call.event_stream()).await?;
        Ok(events.try_filter_map(async |sse| {
            Ok(match sse.event.as_str() {
                "" | "message" => Some(FeedItem::Line(sse.read()?)),
                "caught-up" => Some(FeedItem::CaughtUp(sse.read::<At>()?.position)),
                "gap" => Some(FeedItem::Gap(sse.read::<At>()?.position)),
                "problem" => return Err(Error::Problem(sse.read()?)),
                _ => None,
            })
        }))
    }
}
