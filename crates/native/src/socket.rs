//! A session over a WebSocket: its events, and commands with their answers, over one connection.

mod connection;
mod incoming;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use rejoin_core::id::SessionId;
use rejoin_core::position::Position;
use rejoin_core::refusal::Refusal;
use rejoin_ports::gateway::{JoinFrom, View};
use rejoin_socket::{Accept, Limits, Upgrade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::Outcome;
use crate::api::Api;
use crate::commands::{Done, Identified};
use crate::events::{LoggedEvent, heard};
use crate::identity::Listener;
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::{At, Params};

/// How this door closes a socket.
pub mod close {
    /// The gateway is stopping. Come back.
    pub const STOPPING: u16 = rejoin_socket::frame::code::GOING_AWAY;
    /// The gateway failed. Come back in a while.
    pub const FAILED: u16 = rejoin_socket::frame::code::INTERNAL;
    /// The key was revoked, or the token has expired. Sign in again.
    pub const SIGNED_OUT: u16 = 4401;
    /// The session was deleted. Do not come back.
    pub const DELETED: u16 = 4404;
    /// The client took nothing for two minutes. Come back with the position that was heard last: nothing is lost.
    pub const STALLED: u16 = 4408;

    /// Every one of them, for documents: code, and what to make of it.
    pub const CODES: &[(u16, &str)] = &[
        (1000, "The client closed."),
        (STOPPING, "The gateway is stopping. Come back."),
        (1002, "A frame that no client may send."),
        (1007, "A text that is not UTF-8."),
        (1009, "A message far over the limit."),
        (FAILED, "The gateway failed. Come back in a while."),
        (SIGNED_OUT, "The key was revoked, or the token has expired. Sign in again."),
        (DELETED, "The session was deleted. Do not come back."),
        (STALLED, "The client took nothing for two minutes. Come back with the position heard last: nothing is lost."),
    ];
}

/// What the kernel holds for a client that does not read. What is beyond it stays in the log.
const SEND_BUFFER: usize = 112 << 10;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SocketParams {
    /// What was heard already: `epoch.seq`, or a bare number. Absent: nothing.
    after: Option<String>,
}

/// What a client may say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SocketRequest")]
#[expect(dead_code, reason = "it describes messages that are read piece by piece")]
pub(crate) enum Said {
    Command(Identified),
    /// Answered with `pong` and the same number.
    Ping(f64),
}

/// What a client hears.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SocketMessage")]
#[expect(dead_code, reason = "it describes frames that are built by hand, once for many readers")]
pub(crate) enum Told {
    Event(Box<LoggedEvent>),
    Ack(Done),
    Refused(RefusedCommand),
    /// The position is gone or belongs to another life of the log: begin again with this.
    Gap {
        snapshot: Box<View>,
    },
    /// For the first time everything that was there has been sent.
    CaughtUp {
        position: Position,
    },
    Deleted(bool),
    Stopping(bool),
    Pong(f64),
}

/// Why a command, or a message, was not taken; like a problem document, with further members that depend on the code.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Refused")]
pub(crate) struct RefusedCommand {
    /// The command's id; absent where none could be read.
    id: Option<String>,
    code: String,
    detail: String,
    /// The status that the same answer has over HTTP.
    status: u16,
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "openSocket",
            Method::GET,
            "/sessions/{id}/socket",
            "Open a WebSocket: events of the session, and commands to it",
        )
        .query::<SocketParams>()
        .answer(101, Content::Nothing, "Messages are `SocketRequest` from the client and `SocketMessage` to it.")
        .fails(&["not_found", "origin_refused", "bad_upgrade", "upgrade_required"])
        .by(open),
    ]
}

async fn open(
    State(api): State<Api>,
    Listener(mut who): Listener,
    At(session): At<SessionId>,
    Params(asked): Params<SocketParams>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Outcome {
    if !api.origins.admit(&headers) {
        let why = "pages of this origin may not open a socket here";
        return Err(Problem::new("origin_refused", why));
    }
    let from = JoinFrom::After(heard("after", asked.after.as_deref())?);
    let follow = &api.gateway.follow;
    let joined = follow.join(who.identity(), &session, from).await?;
    who.connection = Some(uuid::Uuid::now_v7().to_string());
    let how = Accept::new(Limits::new(api.limits.frame_bytes, api.limits.hard_frame_bytes))
        .send_buffer(SEND_BUFFER)
        .tracked_by(&api.tasks);
    let serve = {
        let api = api.clone();
        move |socket| connection::serve(api, who, session, joined.reader, socket)
    };
    Ok(upgrade.accept(how, serve))
}

/// For the gateway that stops while commands wait.
pub(crate) fn stopping() -> Problem {
    Refusal::Stopping.into()
}
