//! Commands that people look at, and type into: with a terminal of their own (a PTY), or over plain pipes.
//!
//! Output goes into a bounded scrollback, and into a model of the screen. Viewers pull from there by cursor, so that any
//! number of them costs no more than one, and whoever is too slow is handed the screen as it is now instead of what it
//! missed. What runs is not held back for them, beyond a moment for the fastest.

mod life;
mod ring;
mod screen;
mod sequence;
mod shared;
mod start;
mod viewer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::shared::Output;
pub use self::viewer::{From, Piece, Snapshot, Viewer};
use crate::cage::{Cage, CageError, Caged, Fence};
use crate::reaper::{Marker, Reaper, ReaperError};
use crate::shell::{End, Shell};
use shared::Shared;

/// Bytes of output that are kept, unless the caller says otherwise: some ten thousand lines.
pub const SCROLLBACK: usize = 1024 * 1024;
/// The largest screen. Its model takes 32 bytes a cell, twice, for programs have a second screen.
pub const MOST_COLS: u16 = 500;
pub const MOST_ROWS: u16 = 300;
/// What one [`Terminal::write`] may bring: a large paste.
pub const LONGEST_INPUT: usize = 64 * 1024;
/// Writes that wait for a program which does not read.
const INPUTS: usize = 16;
/// How long a write waits for its place among them.
const INPUT_PATIENCE: Duration = Duration::from_secs(2);

/// How large a screen is, within what is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    cols: u16,
    rows: u16,
}

impl Size {
    /// `None` if a screen cannot be of that size.
    pub fn new(cols: u16, rows: u16) -> Option<Size> {
        ((1..=MOST_COLS).contains(&cols) && (1..=MOST_ROWS).contains(&rows)).then_some(Size { cols, rows })
    }
    pub fn cols(self) -> u16 {
        self.cols
    }
    pub fn rows(self) -> u16 {
        self.rows
    }
}

impl Default for Size {
    fn default() -> Size {
        Size { cols: 80, rows: 24 }
    }
}

/// What runs in a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// The person's own shell, as at a login.
    LoginShell,
    /// A line for `/bin/sh`.
    Script(String),
    /// A program, found on PATH unless it has a slash, and its arguments.
    Program { program: String, args: Vec<String> },
}

/// A terminal to be opened.
#[derive(Debug, Clone)]
pub struct Spec {
    pub run: Run,
    pub folder: PathBuf,
    /// Beyond [`environment`](crate::shell::environment); a name of that may be set anew.
    pub env: Vec<(String, String)>,
    pub cage: Cage,
    /// Looked at only if there is a cage.
    pub fence: Fence,
    /// `None`: plain pipes, no terminal.
    pub size: Option<Size>,
    /// Without a terminal: whether something can be written to it. A terminal can always be typed into.
    pub input: bool,
    /// Bytes of output that are kept; the end of it.
    pub scrollback: usize,
}

impl Spec {
    /// A terminal of the usual size.
    pub fn new(run: Run, folder: impl Into<PathBuf>) -> Spec {
        let folder = folder.into();
        Spec {
            run,
            env: Vec::new(),
            cage: Cage::Off,
            fence: Fence { workspace: folder.clone(), ..Fence::default() },
            folder,
            size: Some(Size::default()),
            input: true,
            scrollback: SCROLLBACK,
        }
    }

    /// Pipes instead of a terminal, and nothing to read from: what a tool's command gets.
    pub fn plain(run: Run, folder: impl Into<PathBuf>) -> Spec {
        Spec { size: None, input: false, ..Spec::new(run, folder) }
    }
}

#[derive(Debug, Error)]
pub enum TerminalError {
    #[error("terminal: {why}")]
    Invalid { why: &'static str },
    #[error("terminal: making one")]
    Open { source: io::Error },
    #[error("terminal: starting {program}")]
    Start { program: String, source: io::Error },
    #[error(transparent)]
    Cage(#[from] CageError),
    #[error(transparent)]
    Reaper(#[from] ReaperError),
}

/// Why something was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InputError {
    #[error("what runs there has ended")]
    Over,
    #[error("it does not read what is written to it")]
    Busy,
    #[error("at most {LONGEST_INPUT} bytes can be written at a time")]
    TooLong,
    #[error("it was started without a way to write to it")]
    NoInput,
}

/// Something on its way to what runs.
enum Input {
    Bytes(Bytes),
    End,
}

/// An open terminal. Clones are the same one; it is killed when the last of them is dropped.
#[derive(Clone)]
pub struct Terminal {
    shared: Arc<Shared>,
    input: Option<mpsc::Sender<Input>>,
    wanted: watch::Sender<Option<Size>>,
    kill: CancellationToken,
    pid: u32,
    program: Arc<str>,
    caged: Caged,
    _last: Arc<DropGuard>,
}

impl Terminal {
    /// Starts the command. What it leaves behind when it exits is ended, its jobs in the background too, unless it has
    /// left the session by `setsid`; those are ended when the terminal is killed, and by the shell's reaper.
    ///
    /// Must be called within a Tokio runtime.
    pub fn open(spec: &Spec, shell: &Shell) -> Result<Terminal, TerminalError> {
        spec.check()?;
        let (marker, reaper): (Marker, Option<&Arc<Reaper>>) = shell.parts();
        let started = start::start(spec, &marker)?;
        let (pid, caged, program) = (started.pid, started.caged, started.program.clone());
        let shared = Arc::new(Shared::new(spec.size, spec.scrollback));
        let (input, inputs) = mpsc::channel(INPUTS);
        let has_input = started.has_input();
        let (wanted, sizes) = watch::channel(spec.size);
        let kill = CancellationToken::new();
        let life = life::Life::new(started, marker, reaper, shared.clone(), inputs, sizes, kill.clone())?;
        tokio::spawn(life.live());
        Ok(Terminal {
            shared,
            input: has_input.then_some(input),
            wanted,
            _last: Arc::new(kill.clone().drop_guard()),
            kill,
            pid,
            program: program.into(),
            caged,
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }
    /// What was started.
    pub fn program(&self) -> &str {
        &self.program
    }
    pub fn caged(&self) -> Caged {
        self.caged
    }
    /// `None`: it is no terminal, only pipes.
    pub fn size(&self) -> Option<Size> {
        self.shared.lock().size()
    }
    /// What the program has put into the title of its window.
    pub fn title(&self) -> Option<String> {
        self.shared.lock().title().map(str::to_owned)
    }
    /// Whether a program has the whole screen: an editor, a pager.
    pub fn is_alternate(&self) -> bool {
        self.shared.lock().is_alternate()
    }
    pub fn viewers(&self) -> usize {
        self.shared.lock().viewers()
    }

    /// Types `bytes`. Waits a little for a program that does not read; what is refused was not typed.
    pub async fn write(&self, bytes: Bytes) -> Result<(), InputError> {
        if bytes.len() > LONGEST_INPUT {
            return Err(InputError::TooLong);
        }
        self.send(Input::Bytes(bytes)).await
    }

    /// Closes what runs there reads from; in a terminal, what Ctrl-D does.
    pub async fn end_input(&self) -> Result<(), InputError> {
        self.send(Input::End).await
    }

    async fn send(&self, input: Input) -> Result<(), InputError> {
        let inputs = self.input.as_ref().ok_or(InputError::NoInput)?;
        match timeout(INPUT_PATIENCE, inputs.reserve()).await {
            Err(_) => Err(InputError::Busy),
            Ok(Err(_)) => Err(InputError::Over),
            Ok(Ok(_)) if self.end().is_some() => Err(InputError::Over),
            Ok(Ok(place)) => {
                place.send(input);
                Ok(())
            }
        }
    }

    /// Changes the size for what runs there and for all viewers; whoever does so last wins. Pipes have none.
    pub fn resize(&self, size: Size) {
        if self.size().is_some() {
            self.wanted.send_replace(Some(size));
        }
    }

    /// Ends it with everything that was started in it: politely, and after a grace not so.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// How it has ended, if it has. All of its output is there by then.
    pub fn end(&self) -> Option<End> {
        *self.shared.over.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> End {
        let mut over = self.shared.over.subscribe();
        let end = over.wait_for(Option::is_some).await.expect("we hold the sender");
        end.expect("it was waited for")
    }

    /// What is kept of the output.
    pub fn output(&self) -> Output {
        self.shared.lock().output_since(0)
    }

    /// What is kept of the output behind a cursor.
    pub fn output_since(&self, cursor: u64) -> Output {
        self.shared.lock().output_since(cursor)
    }

    /// The screen as it is; for pipes, where the kept output begins.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.lock().snapshot(0)
    }

    /// Somebody who looks at it from now on.
    pub fn view(&self, from: From) -> Viewer {
        Viewer::new(self.shared.clone(), from)
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Terminal").field("pid", &self.pid).field("program", &self.program).finish_non_exhaustive()
    }
}

impl Spec {
    fn check(&self) -> Result<(), TerminalError> {
        let refuse = |why| Err(TerminalError::Invalid { why });
        let has_nul = match &self.run {
            Run::LoginShell => false,
            Run::Script(script) => script.contains('\0'),
            Run::Program { program, args } => {
                if program.is_empty() {
                    return refuse("the program has no name");
                }
                program.contains('\0') || args.iter().any(|arg| arg.contains('\0'))
            }
        };
        if has_nul {
            return refuse("the command contains a NUL");
        }
        if crate::shell::has_bad_variable(&self.env) {
            return refuse("a variable has a name or value that no variable can have");
        }
        if !self.folder.is_dir() {
            return refuse("its folder does not exist");
        }
        Ok(())
    }
}
