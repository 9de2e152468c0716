//! Transcripts, page by page, and single messages.

use axum::extract::State;
use axum::http::Method;
use rejoin_core::id::{MessageId, SessionId};
use rejoin_core::part::WholeMessage;
use rejoin_ports::gateway::MessagePage;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{self, Outcome};
use crate::api::Api;
use crate::identity::Who;
use crate::operations::Operation;
use crate::query::{At, Params};

/// A page's length where none is asked for, and the longest.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageParams {
    /// A message's id, or the `nextCursor` of the page before: what is older than that. Absent: the newest.
    before: Option<String>,
    /// 50 where none is asked for, at most 200.
    limit: Option<usize>,
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "listMessages",
            Method::GET,
            "/sessions/{id}/messages",
            "Read a page of the transcript, oldest first",
        )
        .query::<MessageParams>()
        .answers::<MessagePage>(200, "The newest messages before that point.")
        .fails(&["not_found", "no_such_message", "invalid_request"])
        .by(list),
        Operation::new(
            "getMessage",
            Method::GET,
            "/sessions/{id}/messages/{message}",
            "Read one message with all its parts",
        )
        .answers::<WholeMessage>(200, "The message.")
        .fails(&["not_found", "no_such_message"])
        .by(one),
    ]
}

async fn list(
    State(api): State<Api>,
    who: Who,
    At(session): At<SessionId>,
    Params(asked): Params<MessageParams>,
) -> Outcome {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let sessions = &api.gateway.sessions;
    let before = asked.before.as_deref();
    let page = sessions.messages(who.identity(), &session, before, limit).await?;
    answer::ok(&page)
}

async fn one(State(api): State<Api>, who: Who, At((session, message)): At<(SessionId, MessageId)>) -> Outcome {
    let sessions = &api.gateway.sessions;
    let message = sessions.message(who.identity(), &session, &message).await?;
    answer::ok(&message)
}
