//! Terminals in a session's workspace, as doors ask for them. What travels through them is never numbered nor stored.

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::id::{SessionId, TerminalId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::who::Identity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::FileError;
use crate::gateway::{Caller, Failure};

/// The largest screen.
pub const MOST_COLS: u16 = 500;
pub const MOST_ROWS: u16 = 300;
/// Bytes that are typed at a time: a large paste.
pub const LONGEST_INPUT: usize = 64 * 1024;
/// Bytes of a command.
pub const LONGEST_COMMAND: usize = 64 * 1024;

/// How large a screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerminalSize {
    #[schemars(range(min = 1, max = 500))]
    pub cols: u16,
    #[schemars(range(min = 1, max = 300))]
    pub rows: u16,
}

/// A terminal to be opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTerminal {
    /// A line for a shell; absent: a login shell.
    pub command: Option<String>,
    /// Absent: pipes instead of a terminal.
    pub size: Option<TerminalSize>,
}

/// A terminal and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalInfo {
    pub id: TerminalId,
    pub session: SessionId,
    /// Absent: a login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What was started.
    pub program: String,
    pub pid: u32,
    /// Where it was started.
    pub folder: String,
    /// Absent: it is no terminal, only pipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
    /// What the program has put into the title of its window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A program has the whole screen: an editor, a pager.
    pub alternate: bool,
    /// How many look at it now.
    pub viewers: usize,
    pub created_at: Millis,
    pub created_by: UserId,
    /// How what ran in it has ended. Absent: it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<TerminalExit>,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TerminalExit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// Where somebody begins to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TerminalFrom {
    /// With the screen as it is; of pipes, with what is kept.
    #[default]
    Screen,
    /// With all of the output that is kept, as it came.
    Scrollback,
    /// Behind a cursor, if what follows it is still kept; otherwise with the screen.
    Cursor(u64),
}

/// What somebody who looks at a terminal sees next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalPiece {
    /// Comes first; and again when output went by that this viewer was too slow for.
    Snapshot(TerminalSnapshot),
    /// Output, and where it begins in all that was ever put out.
    Output { at: u64, bytes: Bytes },
    /// What follows is made for a screen of this size.
    Resized(TerminalSize),
    /// Nothing follows.
    Exited(TerminalExit),
}

/// What a viewer has to show before it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalSnapshot {
    /// The output that follows begins here.
    pub cursor: u64,
    /// Absent: it is no terminal, only pipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
    /// To be written to a terminal of that size, whatever is on it. Absent: what is shown stays, and output goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<String>,
    /// Bytes of output that this viewer does not get.
    pub missed: u64,
}

/// Pulls, so that it costs the same however slow it is.
#[async_trait]
pub trait TerminalViewer: Send {
    /// What comes next; waits for it. `None` behind [`TerminalPiece::Exited`]. Cancel-safe.
    async fn next(&mut self) -> Option<TerminalPiece>;
}

/// Why something was not done with a terminal.
#[derive(Debug, thiserror::Error)]
pub enum TerminalFailure {
    #[error(transparent)]
    Failed(#[from] Failure),
    /// Its folder cannot be reached.
    #[error(transparent)]
    Folder(#[from] FileError),
    #[error("there are {most} terminals already; end one")]
    TooMany { most: usize },
    #[error("it was not started: {0}")]
    NotStarted(String),
    #[error("what ran in it has ended")]
    Ended,
    #[error("what runs in it does not read what is typed")]
    Busy,
    #[error("it has no screen, for it is no terminal")]
    NoScreen,
}

impl TerminalFailure {
    pub fn code(&self) -> &'static str {
        match self {
            TerminalFailure::Failed(failure) => failure.code(),
            TerminalFailure::Folder(error) => error.code(),
            TerminalFailure::TooMany { .. } => "too_many_terminals",
            TerminalFailure::NotStarted(_) => "terminal_not_started",
            TerminalFailure::Ended => "terminal_ended",
            TerminalFailure::Busy => "terminal_busy",
            TerminalFailure::NoScreen => "no_screen",
        }
    }
}

/// Terminals of a session. Whoever may read the session may look; typing, opening and ending is writing.
#[async_trait]
pub trait Terminals: Send + Sync + 'static {
    async fn open(
        &self,
        caller: &Caller,
        session: &SessionId,
        new: NewTerminal,
    ) -> Result<TerminalInfo, TerminalFailure>;
    /// Those that run, and the last ones that have ended, oldest first.
    async fn list(&self, identity: &Identity, session: &SessionId) -> Result<Vec<TerminalInfo>, TerminalFailure>;
    async fn get(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
    ) -> Result<TerminalInfo, TerminalFailure>;
    /// Looks at it from now on. Going away ends nothing.
    async fn view(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
        from: TerminalFrom,
    ) -> Result<Box<dyn TerminalViewer>, TerminalFailure>;
    async fn input(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: &TerminalId,
        bytes: Bytes,
    ) -> Result<(), TerminalFailure>;
    /// Closes what runs there reads from; in a terminal, what Ctrl-D does.
    async fn end_input(&self, caller: &Caller, session: &SessionId, id: &TerminalId) -> Result<(), TerminalFailure>;
    /// For what runs there and for all viewers; whoever does so last wins.
    async fn resize(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: &TerminalId,
        size: TerminalSize,
    ) -> Result<(), TerminalFailure>;
    /// Ends all that runs in it, and forgets it. Returns when it has ended.
    async fn close(&self, caller: &Caller, session: &SessionId, id: &TerminalId) -> Result<(), TerminalFailure>;
}
