//! The life of what runs in a terminal, from its start until nothing of it is left.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::start::{Started, Wires, plain, raw};
use super::{Input, Size, TerminalError};
use crate::reaper::{Marker, Reaper, Registered, Targets, start_time, sweep};
use crate::shell::End;
use crate::shell::group::{Exit, Group};
use crate::shell::run::end;

/// How long output may still come after the command itself has exited, while others hold its end of the wire.
const DRAIN: Duration = Duration::from_millis(250);
/// Between asking and killing.
const GRACE: Duration = Duration::from_secs(2);
/// The same for what the command has left behind.
const LEFT_GRACE: Duration = Duration::from_millis(200);
/// How long the killed may take to be gone.
const KILLED: Duration = Duration::from_secs(2);
/// Bytes read at a time.
const BLOCK: usize = 16 * 1024;
/// Blocks that are still taken once we have given up on the end of the output: more than a terminal or a pipe holds.
const LEFTOVER: usize = 64;
/// How long reading may wait for the fastest viewer, each time it falls behind: long enough for one that draws, and
/// nothing that a command notices.
const PATIENCE: Duration = Duration::from_millis(200);
/// What Ctrl-D sends.
const END_OF_INPUT: &[u8] = b"\x04";

pub(super) struct Life {
    // Dropped in this order: the group is killed while its leader's number is still taken.
    group: Group,
    child: Child,
    _registered: Option<Registered>,
    pid: u32,
    started: u64,
    marker: Marker,
    exit: Exit,
    has_exited: bool,
    wires: Wires,
    is_open: bool,
    shared: Arc<Shared>,
    inputs: mpsc::Receiver<Input>,
    /// What is being typed.
    typing: Bytes,
    sizes: watch::Receiver<Option<Size>>,
    kill: CancellationToken,
    phase: Phase,
    until: Option<Instant>,
    pace: Pace,
    sweeping: Option<JoinHandle<bool>>,
}

/// How it goes towards its end. Each phase has an instant at which the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The command has exited by itself; others may still write.
    Draining,
    /// Asked to end.
    Ending,
    Killed,
    Over,
}

/// Whether reading waits for viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Free,
    Waiting(Instant),
    /// It has waited, and does not again until somebody has caught up.
    Spent,
}

impl Life {
    pub(super) fn new(
        started: Started,
        marker: Marker,
        reaper: Option<&Arc<Reaper>>,
        shared: Arc<Shared>,
        inputs: mpsc::Receiver<Input>,
        sizes: watch::Receiver<Option<Size>>,
        kill: CancellationToken,
    ) -> Result<Life, TerminalError> {
        let Started { child, pid, wires, program, .. } = started;
        let leader = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
        // Made first, so that the group is killed should any of the following fail.
        let group = Group::new(leader);
        let registered = reaper.map(|reaper| reaper.register(pid)).transpose()?;
        let exit = Exit::of(leader).map_err(|source| TerminalError::Start { program, source })?;
        Ok(Life {
            group,
            child,
            _registered: registered,
            pid,
            started: start_time(pid).unwrap_or_default(),
            marker,
            exit,
            has_exited: false,
            wires,
            is_open: true,
            shared,
            inputs,
            typing: Bytes::new(),
            sizes,
            kill,
            phase: Phase::Running,
            until: None,
            pace: Pace::Free,
            sweeping: None,
        })
    }

    pub(super) async fn live(mut self) {
        let mut block = vec![0; BLOCK];
        while self.phase != Phase::Over && (self.is_open || !self.has_exited) {
            self.step(&mut block).await;
        }
        self.take_leftovers(&mut block).await;
        self.finish().await;
    }

    async fn step(&mut self, block: &mut [u8]) {
        self.look_at_viewers();
        let is_running = self.phase == Phase::Running;
        let waits = match self.pace {
            Pace::Waiting(until) => Some(until),
            Pace::Free | Pace::Spent => None,
        };
        let until = self.until;
        let shared = self.shared.clone();
        let may_read = self.is_open && waits.is_none();
        let is_typing = !self.typing.is_empty();
        let (reading, writing) = self.wires.halves();
        tokio::select! {
            biased;
            () = self.kill.cancelled(), if is_running => self.ask_to_end(),
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => self.next_phase(),
            () = self.exit.wait(), if !self.has_exited => {
                self.has_exited = true;
                if is_running {
                    self.enter(Phase::Draining, DRAIN);
                }
            }
            Ok(()) = self.sizes.changed() => self.resize(),
            written = write(writing, &self.typing), if is_typing => match written {
                Ok(count) => self.typing.advance(count),
                Err(_) => self.typing.clear(), // nobody reads that any more
            },
            Some(input) = self.inputs.recv(), if !is_typing => self.take_input(input),
            read = reading.read(block), if may_read => match read {
                // A terminal whose other end is closed by all fails with EIO: that is how it ends.
                Ok(0) | Err(_) => self.is_open = false,
                Ok(count) => {
                    shared.take(&block[..count]);
                    // A flood is always ready; others want the processor too.
                    tokio::task::yield_now().await;
                }
            },
            () = shared.moved.notified(), if waits.is_some() => {}
            () = sleep_until(waits.unwrap_or_else(Instant::now)), if waits.is_some() => self.pace = Pace::Spent,
        }
    }

    /// Reading pauses a moment when the fastest viewer is about to miss something, so that a plain `cat` is seen whole by
    /// whoever is quick enough for it.
    fn look_at_viewers(&mut self) {
        let state = self.shared.lock();
        let most = state.ring.most() as u64;
        let lag = state.lag().unwrap_or(0);
        self.pace = match self.pace {
            Pace::Free if lag > most / 2 => Pace::Waiting(Instant::now() + PATIENCE),
            Pace::Waiting(_) | Pace::Spent if lag <= most / 4 => Pace::Free,
            as_before => as_before,
        };
    }

    fn take_input(&mut self, input: Input) {
        match (input, &mut self.wires) {
            (Input::Bytes(bytes), _) => self.typing = bytes,
            (Input::End, Wires::Terminal { .. }) => self.typing = Bytes::from_static(END_OF_INPUT),
            (Input::End, Wires::Pipes { writing, .. }) => *writing = None,
        }
    }

    fn resize(&mut self) {
        let (Some(size), Wires::Terminal { writing, .. }) = (*self.sizes.borrow_and_update(), &self.wires) else {
            return;
        };
        match writing.resize(raw(size)) {
            Ok(()) => self.shared.resize(size),
            Err(error) => tracing::debug!(error = %plain(error), "a terminal was not resized"),
        }
    }

    fn next_phase(&mut self) {
        match self.phase {
            Phase::Running => {}
            Phase::Draining | Phase::Ending => {
                self.group.signal(Signal::KILL);
                self.enter(Phase::Killed, if self.has_exited { DRAIN } else { KILLED });
            }
            Phase::Killed | Phase::Over => self.phase = Phase::Over,
        }
    }

    fn ask_to_end(&mut self) {
        // What a shell takes for the end of its terminal, and everybody else for a polite request.
        self.group.signal(Signal::HUP);
        self.group.signal(Signal::TERM);
        // A stopped process hears nothing but this.
        self.group.signal(Signal::CONT);
        let others = Targets { spared: Some(self.pid), marker: Some(self.marker.clone()), ..self.session() };
        self.sweeping = Some(spawn_blocking(move || sweep(&others, GRACE)));
        self.enter(Phase::Ending, GRACE);
    }

    fn enter(&mut self, phase: Phase, time: Duration) {
        self.phase = phase;
        self.until = Some(Instant::now() + time);
    }

    /// All that the command leads, in whatever group.
    fn session(&self) -> Targets {
        Targets { groups: HashMap::from([(self.pid, self.started)]), ..Targets::default() }
    }

    /// Somebody out of our reach holds the other end open: take what is there and go.
    async fn take_leftovers(&mut self, block: &mut [u8]) {
        for _ in 0..LEFTOVER {
            if !self.is_open {
                break;
            }
            let (reading, _) = self.wires.halves();
            match timeout(Duration::ZERO, reading.read(block)).await {
                Ok(Ok(count @ 1..)) => self.shared.take(&block[..count]),
                _ => break,
            }
        }
    }

    async fn finish(mut self) {
        self.group.signal(Signal::KILL);
        if let Some(sweeping) = self.sweeping.take() {
            let _ = sweeping.await;
        }
        // Jobs in the background; and, where somebody wants all of it gone, those who have left.
        let marker = self.kill.is_cancelled().then(|| self.marker.clone());
        let left = Targets { marker, ..self.session() };
        let _ = spawn_blocking(move || sweep(&left, LEFT_GRACE)).await;
        let Life { group, mut child, shared, has_exited, .. } = self;
        group.end();
        let over = match has_exited {
            // It hangs in the kernel, on a network drive that has gone, say; nothing more can be done about it.
            false => End::Signalled(Signal::KILL.as_raw()),
            true => child.wait().await.map_or(End::Signalled(Signal::KILL.as_raw()), end),
        };
        shared.finish(over);
    }
}

impl Wires {
    fn halves(&mut self) -> (&mut dyn Reading, Option<&mut dyn Writing>) {
        match self {
            Wires::Terminal { reading, writing } => (reading, Some(writing)),
            Wires::Pipes { reading, writing } => (reading, writing.as_mut().map(|writing| writing as &mut dyn Writing)),
        }
    }
}

trait Reading: AsyncRead + Send + Unpin {}
impl<T: AsyncRead + Send + Unpin> Reading for T {}
trait Writing: AsyncWrite + Send + Unpin {}
impl<T: AsyncWrite + Send + Unpin> Writing for T {}

async fn write(writing: Option<&mut dyn Writing>, bytes: &[u8]) -> io::Result<usize> {
    match writing {
        Some(writing) => writing.write(bytes).await,
        None => Ok(bytes.len()),
    }
}
