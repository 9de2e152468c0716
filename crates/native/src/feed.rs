//! The owner's feed: that something happened, in which session, and never what.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use rejoin_core::position::{Heard, Position};
use rejoin_core::who::Identity;
use rejoin_ports::gateway::{FeedLine, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{self, Outcome};
use crate::api::{Api, Hangup};
use crate::events::{heard, heard_last};
use crate::identity::{Listener, wants_events};
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::Params;
use crate::sse::{self, Piece, Source};

/// A page's length where none is asked for, and the longest.
const PAGE: usize = 500;
const LONGEST_PAGE: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FeedParams {
    /// Whose feed: `tenant` (where it is absent), or `me` for what is private.
    of: Option<Of>,
    /// What was heard already: `epoch.seq`, or a bare number. Absent: nothing.
    after: Option<String>,
    /// 500 where none is asked for, at most 1,000. A stream ends after so many; without it, it goes on.
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Of {
    Tenant,
    Me,
}

impl FeedParams {
    fn scope(&self) -> Scope {
        match self.of {
            None | Some(Of::Tenant) => Scope::Tenant,
            Some(Of::Me) => Scope::Own,
        }
    }
}

/// A page of the feed, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FeedPage {
    items: Vec<FeedLine>,
    /// Give it as `after` for what follows.
    next: Position,
    /// Where the feed stood.
    tip: Position,
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "readFeed",
            Method::GET,
            "/feed",
            "Read what changed among your sessions, or follow it with `Accept: text/event-stream`",
        )
        .query::<FeedParams>()
        .answers::<FeedPage>(200, "A page of the feed.")
        .answer(200, Content::Events, "The feed as a stream that goes on.")
        .fails(&["position_gone"])
        .by(feed),
    ]
}

async fn feed(
    State(api): State<Api>,
    Listener(who): Listener,
    Params(asked): Params<FeedParams>,
    hangup: Option<Extension<Hangup>>,
    headers: HeaderMap,
) -> Outcome {
    if wants_events(&headers) {
        let source = FeedLines {
            api: api.clone(),
            identity: who.identity().clone(),
            scope: asked.scope(),
            after: heard_last(&headers, asked.after.as_deref())?,
            left: asked.limit,
            caught_up: false,
        };
        let hangup = hangup.map(|Extension(hangup)| hangup);
        return Ok(sse::answer(&api, who, hangup, source));
    }
    let after = heard("after", asked.after.as_deref())?;
    let most = asked.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let follow = &api.gateway.follow;
    let (items, tip) = follow.feed(who.identity(), asked.scope(), after, most).await?;
    let Some(items) = items else {
        let why = "the feed no longer has that position; list your sessions, and go on from `tip`";
        return Err(Problem::new("position_gone", why).with("tip", tip.to_string()));
    };
    // Without a line there is nothing up to the tip that is still there to be read.
    let next = items.last().map_or(tip, |line| Position { epoch: tip.epoch, seq: line.seq });
    answer::ok(&FeedPage { items, next, tip })
}

/// A feed as a stream of text.
struct FeedLines {
    api: Api,
    identity: Identity,
    scope: Scope,
    after: Heard,
    left: Option<usize>,
    /// Whether the client was told that it has heard all there was.
    caught_up: bool,
}

impl Source for FeedLines {
    async fn next(&mut self) -> Piece {
        let stop = self.api.stop.clone();
        tokio::select! {
            () = stop.cancelled() => Piece::Last(sse::named("stopping", b"{}")),
            piece = self.lines() => piece,
        }
    }
}

impl FeedLines {
    /// Nothing is kept before it returns, so it may be dropped at any time.
    async fn lines(&mut self) -> Piece {
        let most = self.left.unwrap_or(PAGE).min(PAGE);
        if most == 0 {
            return Piece::Last(Bytes::new());
        }
        let follow = &self.api.gateway.follow;
        loop {
            let (lines, tip) = match follow.feed(&self.identity, self.scope, self.after, most).await {
                Ok(page) => page,
                Err(failure) => return sse::problem(&failure.into()),
            };
            let at = json!({ "position": tip }).to_string();
            let Some(lines) = lines else {
                self.after = tip.into();
                return Piece::Text(sse::named("gap", at.as_bytes()));
            };
            if let Some(last) = lines.last() {
                self.after = Heard { epoch: Some(tip.epoch), seq: last.seq };
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(lines.len());
                }
                return text(tip, &lines);
            }
            // Lines up to here are gone, or were heard: either way they are not waited for.
            self.after = tip.into();
            if !std::mem::replace(&mut self.caught_up, true) {
                return Piece::Text(sse::named("caught-up", at.as_bytes()));
            }
            if let Err(failure) = follow.fed(&self.identity, self.scope, self.after.seq).await {
                return sse::problem(&failure.into());
            }
        }
    }
}

fn text(tip: Position, lines: &[FeedLine]) -> Piece {
    let mut out = Vec::with_capacity(lines.len() * 256);
    for line in lines {
        out.extend_from_slice(format!("id: {}.{}\ndata: ", tip.epoch, line.seq).as_bytes());
        if let Err(error) = serde_json::to_writer(&mut out, line) {
            return sse::problem(&Problem::internal(error));
        }
        out.extend_from_slice(b"\n\n");
    }
    Piece::Text(out.into())
}
