//! The life of one command, from its start until nothing of it is left.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::group::{Exit, Group};
use super::kept::Kept;
use super::utf8::Utf8;
use super::{Chunk, Command, End, Outcome, ShellError, Stream, environment};
use crate::cage::{Caged, Rules};
use crate::reaper::{Marker, Reaper, Targets, sweep};

/// How long output may still come after the command itself has exited, while others hold its pipes.
const DRAIN: Duration = Duration::from_millis(250);
/// How long the killed may take to be gone.
const KILLED: Duration = Duration::from_secs(2);
/// How long a chunk may wait for whoever listens, before we take them for gone.
const DELIVERY: Duration = Duration::from_secs(10);
/// The same, once the command has been stopped: whoever stopped it waits for us.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes read at a time.
const BLOCK: usize = 16 * 1024;
/// Blocks that are still taken from a pipe whose other end we have given up on: more than a pipe holds.
const LEFTOVER: usize = 64;
/// Between asking those who have left the group to end and killing them.
const STRAY_GRACE: Duration = Duration::from_millis(200);

pub(super) async fn run(
    command: &Command,
    marker: Marker,
    reaper: Option<&Arc<Reaper>>,
    chunks: Option<mpsc::Sender<Chunk>>,
    stop: &CancellationToken,
) -> Result<Outcome, ShellError> {
    let started = Instant::now();
    let (mut child, caged) = start(command, &marker)?;
    let number = child.id().expect("it has not been waited for");
    let leader = i32::try_from(number).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
    // Made first, so that the group is killed should any of the following fail. Dropped before `child` is.
    let group = Group::new(leader);
    let registered = match reaper {
        Some(reaper) => Some(reaper.register(number)?),
        None => None,
    };
    let mut life = Life {
        exit: Exit::of(leader).map_err(|source| ShellError::Wait { source })?,
        has_exited: false,
        out: Pipe::new(child.stdout.take()),
        err: Pipe::new(child.stderr.take()),
        output: Output::new(command.output, chunks),
        phase: Phase::Running,
        until: started.checked_add(command.time),
        grace: command.grace,
        timed_out: false,
        cancelled: false,
        strays: Targets { marker: Some(marker.clone()), spared: Some(number), ..Targets::default() },
        sweeping: None,
        group,
    };
    life.live(stop).await;
    life.take_leftovers().await;

    let Life { has_exited, output, timed_out, cancelled, sweeping, group, .. } = life;
    group.end();
    if !has_exited {
        return Err(ShellError::Unkillable);
    }
    drop(registered);
    let status = child.wait().await.map_err(|source| ShellError::Wait { source })?;
    if let Some(sweeping) = sweeping {
        // Whoever wanted it stopped wants all of it stopped; once more, for who was born meanwhile. A panic there is no
        // reason to lose the outcome.
        let _ = sweeping.await;
        let targets = Targets { marker: Some(marker), ..Targets::default() };
        let _ = spawn_blocking(move || sweep(&targets, STRAY_GRACE)).await;
    }
    let (output, omitted) = output.kept.finish();
    Ok(Outcome { end: end(status), timed_out, cancelled, output, omitted, duration: started.elapsed(), caged })
}

fn start(command: &Command, marker: &Marker) -> Result<(Child, Caged), ShellError> {
    let (rules, caged) = Rules::prepare(command.cage, &command.fence)?;
    let shell = command.shell.as_deref().unwrap_or("/bin/sh".as_ref());
    let mut process = tokio::process::Command::new(shell);
    process
        .arg("-c")
        .arg(&command.script)
        .current_dir(&command.folder)
        .env_clear()
        .envs(environment())
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .envs([marker.variable()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    set_apart(&mut process, rules);
    let child = process.spawn().map_err(|source| ShellError::Start { shell: shell.display().to_string(), source })?;
    Ok((child, caged))
}

/// Gives the child a session of its own, without a terminal it could ask for a password on, and its cage.
#[expect(unsafe_code, reason = "only between fork and exec can a child change itself")]
pub(super) fn set_apart(process: &mut tokio::process::Command, mut rules: Rules) {
    // SAFETY: the closure makes system calls only; it allocates nothing and takes no lock.
    unsafe {
        process.pre_exec(move || {
            rustix::process::setsid()?;
            rules.put_on()
        });
    }
}

pub(crate) fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or(0)),
    }
}

/// How a command goes towards its end. Each phase has an instant at which the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Its leader has exited by itself; others may still write.
    Draining,
    /// Asked to end.
    Ending,
    Killed,
    Over,
}

struct Life {
    exit: Exit,
    has_exited: bool,
    out: Pipe<ChildStdout>,
    err: Pipe<ChildStderr>,
    output: Output,
    phase: Phase,
    /// `None`: this phase has no end of its own.
    until: Option<Instant>,
    grace: Duration,
    timed_out: bool,
    cancelled: bool,
    /// Those of the command that have left its group.
    strays: Targets,
    sweeping: Option<JoinHandle<bool>>,
    group: Group,
}

impl Life {
    async fn live(&mut self, stop: &CancellationToken) {
        while self.phase != Phase::Over && !self.is_done() {
            let until = self.until;
            let is_running = self.phase == Phase::Running;
            // A chunk that waits holds back reading, and with it the command; never the clock.
            let may_read = self.output.waiting.is_none();
            let patience = self.patience();
            tokio::select! {
                biased;
                () = stop.cancelled(), if is_running => {
                    self.cancelled = true;
                    self.ask_to_end();
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => self.next_phase(),
                () = self.exit.wait(), if !self.has_exited => {
                    self.has_exited = true;
                    if is_running {
                        self.enter(Phase::Draining, DRAIN);
                    }
                }
                () = self.output.deliver(patience), if !may_read => {}
                text = self.out.read(), if may_read && self.out.is_open() => self.output.take(Stream::Out, text),
                text = self.err.read(), if may_read && self.err.is_open() => self.output.take(Stream::Err, text),
            }
        }
        // The command is over and its time no longer counts; who listens still gets the last words.
        self.output.deliver(self.patience()).await;
    }

    /// How long a chunk may wait for its listener.
    fn patience(&self) -> Duration {
        if self.timed_out || self.cancelled { LAST_WORDS } else { DELIVERY }
    }

    fn is_done(&self) -> bool {
        self.has_exited && !self.out.is_open() && !self.err.is_open()
    }

    fn next_phase(&mut self) {
        match self.phase {
            Phase::Running => {
                self.timed_out = true;
                self.ask_to_end();
            }
            Phase::Draining | Phase::Ending => {
                self.group.signal(Signal::KILL);
                // Once the leader is gone, only a stray can hold a pipe, and that has had its time.
                self.enter(Phase::Killed, if self.has_exited { DRAIN } else { KILLED });
            }
            Phase::Killed | Phase::Over => self.phase = Phase::Over,
        }
    }

    fn ask_to_end(&mut self) {
        self.group.signal(Signal::TERM);
        // A stopped process hears nothing but this.
        self.group.signal(Signal::CONT);
        let (strays, grace) = (self.strays.clone(), self.grace);
        self.sweeping = Some(spawn_blocking(move || sweep(&strays, grace)));
        self.enter(Phase::Ending, self.grace);
    }

    fn enter(&mut self, phase: Phase, time: Duration) {
        self.phase = phase;
        self.until = Some(Instant::now() + time);
    }

    /// Somebody out of our reach holds a pipe open: take what is in it and go.
    async fn take_leftovers(&mut self) {
        for _ in 0..LEFTOVER {
            let Some(text) = self.out.read_at_once().await else {
                break;
            };
            self.output.keep(&text);
        }
        for _ in 0..LEFTOVER {
            let Some(text) = self.err.read_at_once().await else {
                break;
            };
            self.output.keep(&text);
        }
    }
}

/// One stream of output, as text.
struct Pipe<R> {
    reader: Option<R>,
    utf8: Utf8,
    block: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(reader: Option<R>) -> Pipe<R> {
        Pipe { reader, utf8: Utf8::default(), block: vec![0; BLOCK] }
    }

    fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// What came next; the last before the pipe closes may be empty. Safe to drop and call again.
    async fn read(&mut self) -> String {
        let Some(reader) = &mut self.reader else {
            return String::new();
        };
        match reader.read(&mut self.block).await {
            Ok(count @ 1..) => self.utf8.push(&self.block[..count]),
            // A pipe that fails has nothing more to say than one that ends.
            Ok(0) | Err(_) => {
                self.reader = None;
                self.utf8.finish().unwrap_or_default()
            }
        }
    }

    async fn read_at_once(&mut self) -> Option<String> {
        if !self.is_open() {
            return None;
        }
        timeout(Duration::ZERO, self.read()).await.ok()
    }
}

/// Where output goes: to whoever listens, and into what is kept.
struct Output {
    kept: Kept,
    chunks: Option<mpsc::Sender<Chunk>>,
    /// Bytes that may still be sent: a stream gets no more than is kept, or a flood would fill the log behind it.
    sendable: usize,
    /// Reading waits for it.
    waiting: Option<Chunk>,
}

impl Output {
    fn new(limit: usize, chunks: Option<mpsc::Sender<Chunk>>) -> Output {
        Output { kept: Kept::new(limit), chunks, sendable: limit, waiting: None }
    }

    fn take(&mut self, stream: Stream, text: String) {
        self.keep(&text);
        if self.chunks.is_none() || text.is_empty() {
            return;
        }
        if text.len() > self.sendable {
            self.sendable = 0;
            return;
        }
        self.sendable -= text.len();
        self.waiting = Some(Chunk { stream, text });
    }

    fn keep(&mut self, text: &str) {
        self.kept.push(text);
    }

    /// Hands over what waits. Safe to drop and call again, but then the listener's time begins anew.
    async fn deliver(&mut self, patience: Duration) {
        let (Some(chunks), Some(_)) = (&self.chunks, &self.waiting) else {
            return;
        };
        if let Ok(Ok(place)) = timeout(patience, chunks.reserve()).await {
            if let Some(chunk) = self.waiting.take() {
                place.send(chunk);
            }
            return;
        }
        // Nobody listens, or nobody who means it.
        self.chunks = None;
        self.waiting = None;
    }
}
