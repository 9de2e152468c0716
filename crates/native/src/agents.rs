//! The agents there are, and what they can be set to.

use axum::extract::State;
use axum::http::Method;
use rejoin_core::id::SessionId;
use rejoin_ports::agent::{AgentInfo, AgentSettings};

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::identity::Who;
use crate::operations::Operation;
use crate::query::At;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("listAgents", Method::GET, "/agents", "List the agents that sessions can be created for")
            .answers::<Items<AgentInfo>>(200, "All of them.")
            .by(list),
        Operation::new(
            "agentSettings",
            Method::GET,
            "/sessions/{id}/agent-settings",
            "What the session's agent can be set to; it may be started once to find out",
        )
        .answers::<AgentSettings>(200, "Modes and options, by the agent's own names.")
        .fails(&["not_found", "invalid_request", "session_sealed"])
        .by(settings),
    ]
}

async fn list(State(api): State<Api>, _: Who) -> Outcome {
    let items = api.gateway.agents.list();
    answer::ok(&Items { items })
}

async fn settings(State(api): State<Api>, who: Who, At(id): At<SessionId>) -> Outcome {
    answer::ok(&api.gateway.agents.settings(&who.caller(), &id).await?)
}
