//! Terminals in a session's workspace.

mod connection;
mod socket;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use rejoin_core::id::{SessionId, TerminalId};
use rejoin_ports::terminals::{MOST_COLS, MOST_ROWS, NewTerminal, TerminalFailure, TerminalInfo, TerminalSize};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::At;

pub(crate) use socket::{Said, Told};

/// The size of a terminal where nothing is said.
const COLS: u16 = 80;
const ROWS: u16 = 24;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenTerminal {
    /// A line for a shell. Absent: a login shell.
    command: Option<String>,
    /// How wide the terminal is: 80 where nothing is said, at most 500.
    cols: Option<u16>,
    /// How high it is: 24 where nothing is said, at most 300.
    rows: Option<u16>,
    /// Pipes instead of a terminal.
    #[serde(default)]
    plain: bool,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("openTerminal", Method::POST, "/sessions/{id}/terminals", "Open a terminal in the workspace")
            .takes::<OpenTerminal>()
            .answers::<TerminalInfo>(201, "It runs.")
            .fails(&[
                "not_found",
                "not_controller",
                "client_required",
                "invalid_request",
                "host_away",
                "too_many_terminals",
                "terminal_not_started",
                "session_archived",
                "session_ended",
                "session_sealed",
                "path_outside_workspace",
                "file_not_found",
                "not_a_folder",
                "invalid_path",
                "file_failed",
                "body_too_large",
                "unsupported_media_type",
            ])
            .by(open),
        new("listTerminals", Method::GET, "/sessions/{id}/terminals", "List terminals, oldest first")
            .answers::<Items<TerminalInfo>>(200, "Those that run, and the last ones that have ended.")
            .fails(&["not_found", "session_sealed"])
            .by(list),
        new("getTerminal", Method::GET, "/sessions/{id}/terminals/{terminal}", "Look at how a terminal stands")
            .answers::<TerminalInfo>(200, "The terminal.")
            .fails(&["not_found", "session_sealed"])
            .by(get),
        new(
            "resizeTerminal",
            Method::POST,
            "/sessions/{id}/terminals/{terminal}/resize",
            "Give a terminal another size, for all who look at it",
        )
        .takes::<TerminalSize>()
        .answer(204, Content::Nothing, "What runs in it will know.")
        .fails(&[
            "not_found",
            "not_controller",
            "client_required",
            "invalid_request",
            "terminal_ended",
            "no_screen",
            "body_too_large",
            "unsupported_media_type",
        ])
        .by(resize),
        new(
            "closeTerminal",
            Method::DELETE,
            "/sessions/{id}/terminals/{terminal}",
            "End all that runs in a terminal, and forget it",
        )
        .answer(204, Content::Nothing, "It has ended.")
        .fails(&["not_found", "not_controller", "client_required"])
        .by(close),
        socket::operation(),
    ]
}

async fn open(
    State(api): State<Api>,
    who: Who,
    At(session): At<SessionId>,
    Json(wanted): Json<OpenTerminal>,
) -> Outcome {
    let OpenTerminal { command, cols, rows, plain } = wanted;
    let size = match plain {
        true => None,
        false => Some(sized(TerminalSize { cols: cols.unwrap_or(COLS), rows: rows.unwrap_or(ROWS) })?),
    };
    let terminals = &api.gateway.terminals;
    let info = terminals.open(&who.caller(), &session, NewTerminal { command, size }).await?;
    answer::json(StatusCode::CREATED, &info)
}

async fn list(State(api): State<Api>, who: Who, At(session): At<SessionId>) -> Outcome {
    let items = api.gateway.terminals.list(who.identity(), &session).await?;
    answer::ok(&Items { items })
}

async fn get(State(api): State<Api>, who: Who, At((session, id)): At<(SessionId, TerminalId)>) -> Outcome {
    answer::ok(&api.gateway.terminals.get(who.identity(), &session, &id).await?)
}

async fn resize(
    State(api): State<Api>,
    who: Who,
    At((session, id)): At<(SessionId, TerminalId)>,
    Json(size): Json<TerminalSize>,
) -> Outcome {
    api.gateway.terminals.resize(&who.caller(), &session, &id, sized(size)?).await?;
    answer::nothing()
}

async fn close(State(api): State<Api>, who: Who, At((session, id)): At<(SessionId, TerminalId)>) -> Outcome {
    api.gateway.terminals.close(&who.caller(), &session, &id).await?;
    answer::nothing()
}

/// A size that a screen can have.
fn sized(size: TerminalSize) -> Result<TerminalSize, Problem> {
    let fits = (1..=MOST_COLS).contains(&size.cols) && (1..=MOST_ROWS).contains(&size.rows);
    fits.then_some(size).ok_or_else(|| {
        let why = format!("a terminal has 1 to {MOST_COLS} columns and 1 to {MOST_ROWS} rows");
        Problem::new("invalid_request", why).with("field", "size")
    })
}

impl From<TerminalFailure> for Problem {
    fn from(failure: TerminalFailure) -> Problem {
        match failure {
            TerminalFailure::Failed(failure) => failure.into(),
            TerminalFailure::Folder(error) => rejoin_ports::gateway::FilesFailure::File(error).into(),
            TerminalFailure::TooMany { most } => Problem::new(failure.code(), failure.to_string()).with("most", most),
            other => Problem::new(other.code(), other.to_string()),
        }
    }
}
