//! Commands: what people ask of a session. Each has an id, and sent again it gets the same answer.

use axum::extract::{Request, State};
use axum::http::Method;
use rejoin_core::command::Command;
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::position::Position;
use rejoin_core::refusal::Refusal;
use rejoin_ports::gateway::Ran;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{self, Outcome};
use crate::api::Api;
use crate::body;
use crate::identity::Who;
use crate::operations::Operation;
use crate::problem::Problem;
use crate::query::At;

/// A command and its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IdentifiedCommand")]
pub(crate) struct Identified {
    /// Minted by the client, so that a command sent twice is done once; absent: minted by the gateway.
    #[serde(default)]
    pub(crate) id: Option<CommandId>,
    #[serde(flatten)]
    pub(crate) command: Command,
}

/// A command done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    pub(crate) id: CommandId,
    /// Everything that the command brought is at or before it.
    pub(crate) position: Position,
    /// The session that a fork made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SessionId>,
}

impl Done {
    pub(crate) fn new(id: CommandId, ran: Ran) -> Done {
        Done { id, position: ran.position, session: ran.forked }
    }
}

/// Splits a command from its id. The id is given back even where the command makes no sense, for the answer.
pub(crate) fn read(value: Value) -> (Option<CommandId>, Result<Command, Problem>) {
    let Value::Object(mut fields) = value else {
        return (None, Err(Problem::malformed("", "a command is an object with a `type`")));
    };
    let id = match fields.remove("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => match CommandId::new(text) {
            Ok(id) => Some(id),
            Err(bad) => return (None, Err(Problem::malformed("id", bad))),
        },
        Some(_) => return (None, Err(Problem::malformed("id", "a text is wanted"))),
    };
    (id, body::shaped(Value::Object(fields)))
}

pub(crate) fn mint() -> CommandId {
    CommandId::from(uuid::Uuid::now_v7())
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("runCommand", Method::POST, "/sessions/{id}/commands", "Give a session a command")
            .takes::<Identified>()
            .answers::<Done>(200, "It was done, now or when the same id came before.")
            .fails(COMMAND_CODES)
            .by(run),
    ]
}

/// Besides every [`Refusal`].
const COMMAND_CODES: &[&str] = &const { codes() };

const OTHER_CODES: [&str; 7] =
    ["not_found", "id_reused", "invalid_request", "host_away", "read_only", "body_too_large", "unsupported_media_type"];

const fn codes() -> [&'static str; OTHER_CODES.len() + Refusal::CODES.len()] {
    let mut all = [""; OTHER_CODES.len() + Refusal::CODES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(OTHER_CODES.len()) {
            None => OTHER_CODES[at],
            Some(refusal) => Refusal::CODES[refusal],
        };
        at += 1;
    }
    all
}

async fn run(State(api): State<Api>, who: Who, At(session): At<SessionId>, request: Request) -> Outcome {
    let value = body::value(&api, request, api.limits.command_bytes).await?;
    let (id, command) = read(value);
    let (id, command) = (id.unwrap_or_else(mint), command?);
    let caller = who.caller_of(&command);
    let sessions = &api.gateway.sessions;
    let ran = sessions.run(&caller, &session, id.clone(), command).await?;
    answer::ok(&Done::new(id, ran))
}
