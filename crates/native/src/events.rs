//! The log of a session: a page of it, or a stream that goes on.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use rejoin_core::event::{Event, Moved};
use rejoin_core::id::{SessionId, TurnId};
use rejoin_core::position::{Heard, Millis, Position, Seq};
use rejoin_core::who::Author;
use rejoin_ports::gateway::{Delivery, JoinFrom, Reader};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{self, Outcome};
use crate::api::{Api, Hangup};
use crate::identity::{Listener, Who, wants_events};
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::{At, Params};
use crate::rendition;
use crate::sse::{self, Piece, Source};

/// A page's length where none is asked for, and the longest.
const PAGE: usize = 500;
const LONGEST_PAGE: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventParams {
    /// What was heard already: `epoch.seq`, or a bare number. Absent: nothing.
    pub(crate) after: Option<String>,
    /// 500 where none is asked for, at most 1,000. A stream ends after so many; without it, it goes on.
    pub(crate) limit: Option<usize>,
}

/// One line of the log.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LoggedEvent")]
pub(crate) struct LoggedEvent {
    /// The life of the log, in hexadecimal.
    epoch: String,
    seq: Seq,
    at: Millis,
    author: Author,
    /// The turn that was under way; absent where the event names it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_turn: Option<TurnId>,
    /// How the session stood before and stands since, where the event changed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Moved>,
    #[serde(flatten)]
    event: Event,
}

/// A page of the log, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventPage")]
pub(crate) struct EventPage {
    items: Vec<LoggedEvent>,
    /// Give it as `after` for what follows. A page may hold fewer than were asked for; when this is `tip`, that was all.
    next: Position,
    /// Where the log stood.
    tip: Position,
}

/// What a reader has heard, from what it sent.
pub(crate) fn heard(name: &str, text: Option<&str>) -> Result<Heard, Problem> {
    match text {
        None | Some("") => Ok(Heard::NOTHING),
        Some(text) => text.parse().map_err(|bad| Problem::malformed(name, bad)),
    }
}

/// A browser that comes back says in a header what it heard last; that is newer than what stands in the address.
pub(crate) fn heard_last(headers: &HeaderMap, after: Option<&str>) -> Result<Heard, Problem> {
    let last = headers.get("last-event-id").filter(|id| !id.is_empty());
    match last {
        Some(id) => heard("last-event-id", Some(id.to_str().unwrap_or("?"))),
        None => heard("after", after),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "readEvents",
            Method::GET,
            "/sessions/{id}/events",
            "Read the log, or follow it with `Accept: text/event-stream`",
        )
        .query::<EventParams>()
        .answers::<EventPage>(200, "A page of the log.")
        .answer(200, Content::Events, "The log as a stream that goes on.")
        .fails(&["not_found", "position_gone"])
        .by(events),
    ]
}

async fn events(
    State(api): State<Api>,
    Listener(who): Listener,
    At(session): At<SessionId>,
    Params(asked): Params<EventParams>,
    hangup: Option<Extension<Hangup>>,
    headers: HeaderMap,
) -> Outcome {
    if !wants_events(&headers) {
        let after = heard("after", asked.after.as_deref())?;
        return page(&api, &who, &session, after, asked.limit).await;
    }
    let after = heard_last(&headers, asked.after.as_deref())?;
    let from = JoinFrom::After(after);
    let joined = api.gateway.follow.join(who.identity(), &session, from).await?;
    let source = SessionEvents { reader: joined.reader, left: asked.limit };
    let hangup = hangup.map(|Extension(hangup)| hangup);
    Ok(sse::answer(&api, who, hangup, source))
}

async fn page(api: &Api, who: &Who, session: &SessionId, after: Heard, limit: Option<usize>) -> Outcome {
    let most = limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let follow = &api.gateway.follow;
    let (batch, tip) = follow.page(who.identity(), session, after, most).await?;
    let Some(batch) = batch else {
        let view = api.gateway.sessions.view(who.identity(), session).await?;
        let snapshot = serde_json::to_value(&view).map_err(Problem::internal)?;
        let why = "the log no longer has that position, or it is of another life of the log";
        return Err(Problem::new("position_gone", why).with("tip", tip.to_string()).with("snapshot", snapshot));
    };
    let mut out = Vec::with_capacity(batch.lines().len() + batch.len() * 32 + 128);
    out.extend_from_slice(b"{\"items\":[");
    let mut next = Position { epoch: tip.epoch, seq: after.seq };
    let behind = batch.iter().skip(batch.behind(after.seq));
    for (at, (seq, line)) in behind.take(most).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        rendition::event(batch.epoch, line, &mut out);
        next = Position { epoch: batch.epoch, seq: seq.get() };
    }
    out.extend_from_slice(format!("],\"next\":\"{next}\",\"tip\":\"{tip}\"}}").as_bytes());
    Ok(answer::raw_json(StatusCode::OK, out))
}

/// A reader as a stream of text.
struct SessionEvents {
    reader: Box<dyn Reader>,
    /// How many events are still wanted, where that is limited.
    left: Option<usize>,
}

impl Source for SessionEvents {
    async fn next(&mut self) -> Piece {
        if self.left == Some(0) {
            return Piece::Last(Bytes::new());
        }
        match self.reader.next().await {
            Ok(Delivery::Events { batch, first }) => {
                let rendered = rendition::sse(&batch);
                let Some(left) = &mut self.left else {
                    return Piece::Text(rendered.from(first));
                };
                let taken = batch.len().saturating_sub(first).min(*left);
                *left -= taken;
                let start = rendered.bytes.len() - rendered.from(first).len();
                let end = match first + taken {
                    0 => 0,
                    end => rendered.ends[end - 1] as usize,
                };
                Piece::Text(rendered.bytes.slice(start..end))
            }
            Ok(Delivery::CaughtUp(position)) => {
                let data = json!({ "position": position }).to_string();
                Piece::Text(sse::named("caught-up", data.as_bytes()))
            }
            Ok(Delivery::Gap(view)) => match serde_json::to_vec(&json!({ "snapshot": *view })) {
                Ok(data) => Piece::Text(sse::named("gap", &data)),
                Err(error) => sse::problem(&Problem::internal(error)),
            },
            Ok(Delivery::Deleted) => Piece::Last(sse::named("deleted", b"{}")),
            Ok(Delivery::Stopping) => Piece::Last(sse::named("stopping", b"{}")),
            Err(failure) => sse::problem(&failure.into()),
        }
    }
}
