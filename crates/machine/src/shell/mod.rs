//! Runs one command to its end, whatever it does: floods, hangs, hides, or leaves children behind.

mod environment;
pub(crate) mod group;
mod kept;
mod program;
pub(crate) mod run;
mod utf8;

pub use environment::environment;
pub use program::{Process, Program, Started};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cage::{Cage, CageError, Caged, Fence};
use crate::reaper::{Marker, Reaper, ReaperError};

/// How long a command may run, unless the caller says otherwise.
pub const TIME: Duration = Duration::from_secs(120);
/// Bytes of output that are kept, unless the caller says otherwise: half from the beginning, half from the end.
pub const OUTPUT: usize = 1024 * 1024;
/// How long a command that was asked to end may take over it before it is killed.
pub const GRACE: Duration = Duration::from_secs(2);
/// Bytes of a script: what the kernel takes as one argument (`MAX_ARG_STRLEN`), with its NUL.
const SCRIPT: usize = 128 * 1024 - 1;

/// A command to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// What the shell gets behind `-c`.
    pub script: String,
    /// `/bin/sh` unless named.
    pub shell: Option<PathBuf>,
    pub folder: PathBuf,
    /// Beyond [`environment`]; a name of that may be set anew.
    pub env: Vec<(String, String)>,
    pub time: Duration,
    pub grace: Duration,
    pub output: usize,
    pub cage: Cage,
    /// Looked at only if there is a cage.
    pub fence: Fence,
}

impl Command {
    pub fn new(script: impl Into<String>, folder: impl Into<PathBuf>) -> Command {
        let folder = folder.into();
        Command {
            script: script.into(),
            shell: None,
            env: Vec::new(),
            time: TIME,
            grace: GRACE,
            output: OUTPUT,
            cage: Cage::Off,
            fence: Fence { workspace: folder.clone(), ..Fence::default() },
            folder,
        }
    }
}

/// A piece of output as it came. Letters are never cut; what is not UTF-8 is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub stream: Stream,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub end: End,
    /// It was ended because its time was over, or because somebody cancelled it.
    pub timed_out: bool,
    pub cancelled: bool,
    /// Both streams in the order in which they came; where the middle is left out, it says so.
    pub output: String,
    /// Bytes left out.
    pub omitted: u64,
    pub duration: Duration,
    pub caged: Caged,
}

impl Outcome {
    pub fn is_truncated(&self) -> bool {
        self.omitted > 0
    }

    pub fn is_success(&self) -> bool {
        self.end == End::Exited(0) && !self.timed_out && !self.cancelled
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signalled(i32),
}

#[derive(Debug, Error)]
pub enum ShellError {
    #[error("command: {why}")]
    Invalid { why: &'static str },
    #[error("command: starting {shell}")]
    Start { shell: String, source: io::Error },
    #[error(transparent)]
    Cage(#[from] CageError),
    #[error(transparent)]
    Reaper(#[from] ReaperError),
    #[error("command: waiting for its end")]
    Wait { source: io::Error },
    /// It hangs in the kernel: on a network drive that has gone, say.
    #[error("command: it could not be killed")]
    Unkillable,
}

/// Where commands run: under a marker, and watched by a reaper.
#[derive(Debug, Clone)]
pub struct Shell {
    marker: Marker,
    reaper: Option<Arc<Reaper>>,
}

impl Shell {
    /// Commands that end with this process, even if it is killed.
    pub fn new(reaper: Arc<Reaper>) -> Shell {
        Shell { marker: reaper.marker().clone(), reaper: Some(reaper) }
    }

    /// Commands that outlive this process if it is killed.
    pub fn unwatched() -> Shell {
        Shell { marker: Marker::fresh(), reaper: None }
    }

    /// What marks its children, and who watches them.
    pub(crate) fn parts(&self) -> (Marker, Option<&Arc<Reaper>>) {
        (self.marker.narrow(), self.reaper.as_ref())
    }

    /// Runs a command and gives back how it ended, also when it was stopped by `stop` or by its time limit.
    ///
    /// Output goes to `chunks` as it comes, as much of it as is kept at most; while the channel is full the command
    /// waits, its clock does not. When the command ends, so does everything in its process group. A process that has left
    /// the group by `setsid` lives on after a normal end, and is ended when the command is stopped.
    ///
    /// Dropping the future kills the group at once.
    pub async fn run(
        &self,
        command: &Command,
        chunks: Option<mpsc::Sender<Chunk>>,
        stop: &CancellationToken,
    ) -> Result<Outcome, ShellError> {
        command.check()?;
        let (marker, reaper) = self.parts();
        run::run(command, marker, reaper, chunks, stop).await
    }
}

impl Command {
    fn check(&self) -> Result<(), ShellError> {
        let refuse = |why| Err(ShellError::Invalid { why });
        if self.script.contains('\0') {
            return refuse("the script contains a NUL");
        }
        if self.script.len() > SCRIPT {
            return refuse("the script is too long");
        }
        check_surroundings(&self.env, &self.folder)
    }
}

fn check_surroundings(env: &[(String, String)], folder: &Path) -> Result<(), ShellError> {
    let refuse = |why| Err(ShellError::Invalid { why });
    let is_bad =
        |(name, value): &(String, String)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    if env.iter().any(is_bad) {
        return refuse("a variable has a name or value that no variable can have");
    }
    if !folder.is_dir() {
        return refuse("its folder does not exist");
    }
    Ok(())
}

pub(crate) fn has_bad_variable(variables: &[(String, String)]) -> bool {
    let is_bad =
        |(name, value): &(String, String)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    variables.iter().any(is_bad)
}
