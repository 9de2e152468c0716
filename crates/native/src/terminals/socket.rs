//! A terminal over a WebSocket: what it shows, and what is typed into it.

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use rejoin_core::id::{SessionId, TerminalId};
use rejoin_ports::terminals::{TerminalExit, TerminalFrom, TerminalSize, TerminalSnapshot};
use rejoin_socket::{Accept, Limits, Upgrade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connection;
use crate::answer::Outcome;
use crate::api::Api;
use crate::identity::Listener;
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::{At, Params};
use crate::socket::RefusedCommand;

/// What the kernel holds for a client that does not read. What is beyond it is shown as the screen, once it reads.
const SEND_BUFFER: usize = 112 << 10;
/// A message of a client: what may be typed at once, in JSON, and what stands around it.
const FRAME_BYTES: usize = 512 << 10;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketParams {
    /// The cursor behind what was seen already. Absent, or too old: the screen as it is comes first.
    after: Option<u64>,
    /// Begin with all of the output that is kept, instead of with the screen.
    #[serde(default)]
    scrollback: bool,
}

/// What a client may say in text. A binary message is typed as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TerminalRequest")]
pub(crate) enum Said {
    /// To be typed.
    Input(String),
    /// Another size, for all who look.
    Resize(TerminalSize),
    /// Closes what the program reads from; in a terminal, what Ctrl-D does.
    EndInput(bool),
    /// Answered with `pong` and the same number.
    Ping(f64),
}

/// What a client hears in text. A binary message is output: the cursor where it begins, as 8 bytes with the highest
/// first, and then the bytes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TerminalMessage")]
pub(crate) enum Told {
    /// Comes first; and again when output went by that this client was too slow for.
    Snapshot(TerminalSnapshot),
    /// What follows is made for a screen of this size.
    Resized(TerminalSize),
    /// Nothing follows.
    Exited(TerminalExit),
    /// What was said last was not done.
    Refused(#[schemars(with = "RefusedCommand")] Value),
    Pong(f64),
    Stopping(bool),
}

pub(super) fn operation() -> Operation {
    Operation::new(
        "openTerminalSocket",
        Method::GET,
        "/sessions/{id}/terminals/{terminal}/socket",
        "Open a WebSocket: see a terminal, and type into it; closing it ends nothing",
    )
    .query::<SocketParams>()
    .answer(101, Content::Nothing, "Messages are `TerminalRequest` from the client and `TerminalMessage` to it; binary ones are input, and output behind 8 bytes of its cursor.")
    .fails(&["not_found", "session_sealed", "origin_refused", "bad_upgrade", "upgrade_required"])
    .by(open)
}

async fn open(
    State(api): State<Api>,
    Listener(who): Listener,
    At((session, id)): At<(SessionId, TerminalId)>,
    Params(asked): Params<SocketParams>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Outcome {
    if !api.origins.admit(&headers) {
        return Err(Problem::new("origin_refused", "pages of this origin may not open a socket here"));
    }
    let from = match asked.after {
        Some(cursor) => TerminalFrom::Cursor(cursor),
        None if asked.scrollback => TerminalFrom::Scrollback,
        None => TerminalFrom::Screen,
    };
    let terminals = &api.gateway.terminals;
    let viewer = terminals.view(who.identity(), &session, &id, from).await?;
    let hard = api.limits.hard_frame_bytes.max(FRAME_BYTES);
    let how = Accept::new(Limits::new(FRAME_BYTES, hard)).send_buffer(SEND_BUFFER).tracked_by(&api.tasks);
    let serve = {
        let api = api.clone();
        move |socket| connection::serve(api, who, session, id, viewer, socket)
    };
    Ok(upgrade.accept(how, serve))
}
