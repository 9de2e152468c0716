//! What a session has cost so far.

use axum::extract::State;
use axum::http::Method;
use rejoin_core::id::SessionId;
use rejoin_core::position::Position;
use rejoin_core::usage::Usage;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{self, Outcome};
use crate::api::Api;
use crate::identity::Who;
use crate::operations::Operation;
use crate::query::At;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionUsage {
    session: SessionId,
    /// Everything up to here is counted.
    position: Position,
    turns: u64,
    usage: Usage,
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("getUsage", Method::GET, "/sessions/{id}/usage", "Read what a session has cost so far")
            .answers::<SessionUsage>(200, "Tokens, and millionths of a dollar where the price is known.")
            .fails(&["not_found"])
            .by(usage),
    ]
}

async fn usage(State(api): State<Api>, who: Who, At(session): At<SessionId>) -> Outcome {
    let sessions = &api.gateway.sessions;
    let (header, position) = sessions.header(who.identity(), &session).await?;
    answer::ok(&SessionUsage { session, position, turns: header.turns, usage: header.usage })
}
