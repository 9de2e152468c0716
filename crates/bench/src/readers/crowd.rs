//! Many readers on one thread: they read into one large buffer, and tell what they heard through a few shared numbers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::count::{Count, End};
use super::frames::{Frames, PONG, Reply, TEXT, Tongue, mask};
use super::sse::Sse;
use crate::gateway::Door;

/// What one read takes at most. All readers of a thread share it.
const BUFFER: usize = 256 << 10;
/// Connections that are being made at once: fewer than a listener's backlog.
const CONNECTING: usize = 64;
/// How long one connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);
/// How often is looked whether everybody is there.
const GLANCE: Duration = Duration::from_millis(1);
const LONGEST_HEAD: usize = 16 << 10;
const DIMINUENDO: &str = "/diminuendo/ws";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: cmVqb2luLWJlbmNoLWtleQ==\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Socket,
    Sse,
    /// The socket of that dialect.
    Diminuendo,
}

/// One reader to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Join {
    pub(crate) session: String,
    /// What it has heard before: it goes on from there.
    pub(crate) heard: Count,
    /// The kernel's buffer for what was not read; absent: as the kernel likes.
    pub(crate) receive_buffer: Option<u32>,
}

/// What others see of a reader.
pub(crate) struct Seat {
    seq: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
    caught_up: AtomicBool,
    ended: AtomicBool,
    pub(crate) end: watch::Sender<Option<End>>,
    gone: Mutex<Option<Gone>>,
}

/// What a reader has heard when it is gone, and why it went, if nobody told it to.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    pub(crate) heard: Count,
    pub(crate) why: Option<String>,
}

impl Seat {
    pub(crate) fn seq(&self) -> u64 {
        self.seq.load(Relaxed)
    }
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Waits until this reader has heard number `seq`.
    pub(crate) async fn wait_for(&self, seq: u64, patience: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.seq() < seq {
            ensure!(!self.ended.load(Relaxed), "a reader has gone");
            ensure!(start.elapsed() < patience, "a reader did not hear event {seq} in {} s", patience.as_secs());
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    fn show(&self, count: &Count) {
        self.seq.store(count.seq, Relaxed);
        self.events.store(count.events, Relaxed);
        self.bytes.store(count.bytes, Relaxed);
        self.caught_up.store(count.caught_up, Relaxed);
        if count.end.is_some() && *self.end.borrow() != count.end {
            self.end.send_replace(count.end);
        }
    }
}

pub(crate) struct Crowd {
    pub(crate) seats: Vec<Arc<Seat>>,
    stop: CancellationToken,
    paused: watch::Sender<bool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Crowd {
    /// Begins to connect all of them. They read from when they are connected.
    pub(crate) fn join(door: &Door, wire: Wire, joins: Vec<Join>) -> anyhow::Result<Crowd> {
        let seats: Vec<_> = joins
            .iter()
            .map(|join| {
                Arc::new(Seat {
                    seq: AtomicU64::new(join.heard.seq),
                    events: AtomicU64::new(join.heard.events),
                    bytes: AtomicU64::new(join.heard.bytes),
                    caught_up: AtomicBool::new(false),
                    ended: AtomicBool::new(false),
                    end: watch::Sender::new(None),
                    gone: Mutex::default(),
                })
            })
            .collect();
        let stop = CancellationToken::new();
        let paused = watch::Sender::new(false);
        let room = Room {
            door: door.clone(),
            wire,
            stop: stop.clone(),
            paused: paused.subscribe(),
            connecting: Arc::new(Semaphore::new(CONNECTING)),
            buffer: Rc::default,
        };
        let sitting: Vec<_> = joins.into_iter().zip(seats.iter().cloned()).collect();
        let thread = std::thread::Builder::new()
            .name("bench-readers".to_owned())
            .spawn(move || room.serve(sitting))
            .context("starting the readers' thread")?;
        Ok(Crowd { seats, stop, paused, thread: Some(thread) })
    }

    /// Stops all reading, or goes on with it. What is in the readers' own hands then is little.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// Waits until all have been told that they are current.
    pub(crate) async fn caught_up(&self, patience: Duration) -> anyhow::Result<Duration> {
        self.until("catch up", patience, |seat| seat.caught_up.load(Relaxed)).await
    }

    /// Waits until all have heard number `seq`.
    pub(crate) async fn heard(&self, seq: u64, patience: Duration) -> anyhow::Result<Duration> {
        self.until(&format!("hear event {seq}"), patience, |seat| seat.seq() >= seq).await
    }

    /// The same, but for those that were cut off.
    pub(crate) async fn heard_or_gone(&self, seq: u64, patience: Duration) -> anyhow::Result<Duration> {
        let what = format!("hear event {seq}");
        self.until(&what, patience, |seat| seat.ended.load(Relaxed) || seat.seq() >= seq).await
    }

    /// Waits until something is true of all of them, and gives how long that took.
    pub(crate) async fn until(
        &self,
        what: &str,
        patience: Duration,
        so: impl Fn(&Seat) -> bool,
    ) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let mut first = 0; // all before it are known to be so
        loop {
            while self.seats.get(first).is_some_and(|seat| so(seat)) {
                first += 1;
            }
            let Some(seat) = self.seats.get(first) else { return Ok(start.elapsed()) };
            if seat.ended.load(Relaxed) {
                let gone = seat.gone.lock().expect("no holder of this lock panics").clone();
                let why = gone.and_then(|gone| gone.why).unwrap_or_else(|| "it has gone".to_owned());
                bail!("a reader did not {what}: {why}");
            }
            if start.elapsed() > patience {
                let missing = self.seats.iter().filter(|seat| !so(seat)).count();
                bail!("{missing} of {} readers did not {what} in {} s", self.seats.len(), patience.as_secs());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    pub(crate) fn events(&self) -> u64 {
        self.seats.iter().map(|seat| seat.events()).sum()
    }
    pub(crate) fn bytes(&self) -> u64 {
        self.seats.iter().map(|seat| seat.bytes()).sum()
    }

    /// Waits until all have been cut off.
    pub(crate) async fn gone(&self, patience: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.seats.iter().all(|seat| seat.ended.load(Relaxed)) {
            ensure!(start.elapsed() < patience, "readers are still connected after {} s", patience.as_secs());
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    /// All of them go, and tell what they heard. An error, if one of them had gone before.
    pub(crate) fn leave(self) -> anyhow::Result<Vec<Count>> {
        let heard = self.part()?.into_iter().map(|gone| match gone.why {
            None => Ok(gone.heard),
            Some(why) => Err(anyhow::anyhow!("a reader failed: {why}")),
        });
        heard.collect()
    }

    /// The same for those of whom some may have been cut off.
    pub(crate) fn part(mut self) -> anyhow::Result<Vec<Gone>> {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow::anyhow!("the readers' thread panicked"))??;
        }
        let gone = self.seats.iter().map(|seat| {
            let gone = seat.gone.lock().expect("no holder of this lock panics").take();
            gone.context("a reader left without a word")
        });
        gone.collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the readers of one thread share.
struct Room {
    door: Door,
    wire: Wire,
    stop: CancellationToken,
    paused: watch::Receiver<bool>,
    connecting: Arc<Semaphore>,
    /// Made on the readers' own thread.
    buffer: fn() -> Rc<RefCell<Vec<u8>>>,
}

impl Room {
    fn serve(self, sitting: Vec<(Join, Arc<Seat>)>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("setting up the readers' thread")?;
        let buffer = (self.buffer)();
        buffer.borrow_mut().resize(BUFFER, 0);
        let room = Rc::new(self);
        let local = LocalSet::new();
        for (join, seat) in sitting {
            let (room, buffer) = (room.clone(), buffer.clone());
            local.spawn_local(async move {
                let mut heard = join.heard.clone();
                let outcome = room.read(join, &mut heard, &seat, &buffer).await;
                seat.show(&heard);
                let why = outcome.err().map(|error| format!("{error:#}"));
                *seat.gone.lock().expect("no holder of this lock panics") = Some(Gone { heard, why });
                seat.ended.store(true, Relaxed);
            });
        }
        runtime.block_on(local);
        Ok(())
    }

    async fn read(&self, join: Join, count: &mut Count, seat: &Seat, buffer: &RefCell<Vec<u8>>) -> anyhow::Result<()> {
        let connected = async {
            let _turn = self.connecting.acquire().await;
            let connecting = tokio::time::timeout(CONNECT, connect(&self.door, self.wire, &join)).await;
            connecting.with_context(|| format!("connecting a reader took more than {} s", CONNECT.as_secs()))?
        };
        let (stream, early) = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            connected = connected => connected?,
        };
        let mut line = Line { stream, reply: None };
        drop(join);
        count.caught_up = false;
        let mut hearing = match self.wire {
            Wire::Socket => Hearing::Socket(Frames::of(Tongue::Native)),
            Wire::Diminuendo => Hearing::Socket(Frames::of(Tongue::Diminuendo)),
            Wire::Sse => Hearing::Sse(Sse::default()),
        };
        line.reply = hearing.take(&early, count);
        drop(early);
        let outcome = self.hear(&mut line, &mut hearing, count, seat, buffer).await;
        hearing.cut(count);
        outcome
    }

    async fn hear(
        &self,
        line: &mut Line,
        hearing: &mut Hearing,
        count: &mut Count,
        seat: &Seat,
        buffer: &RefCell<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let mut paused = self.paused.clone();
        loop {
            seat.show(count);
            match line.reply.take() {
                None => {}
                Some(Reply::Pong(body)) => {
                    line.stream.write_all(&mask(PONG, &body)).await.context("answering a ping")?;
                }
                Some(Reply::Closed(code)) => bail!("the gateway closed with {code}"),
            }
            let is_paused = *paused.borrow_and_update();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                changed = paused.changed() => {
                    changed.context("the crowd has gone")?;
                    continue;
                }
                // Bytes that lie there unread must not wake whoever does not want them.
                ready = line.stream.readable(), if !is_paused => ready.context("waiting for bytes")?,
            }
            let mut buffer = buffer.borrow_mut();
            match line.stream.try_read(&mut buffer) {
                Ok(0) => bail!("the connection ended"),
                Ok(read) => line.reply = hearing.take(&buffer[..read], count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("reading"),
            }
        }
    }
}

/// A reader's connection, and what has to be said on it.
struct Line {
    stream: TcpStream,
    reply: Option<Reply>,
}

enum Hearing {
    Socket(Frames),
    Sse(Sse),
}

impl Hearing {
    fn take(&mut self, bytes: &[u8], count: &mut Count) -> Option<Reply> {
        match self {
            Hearing::Socket(frames) => frames.read(bytes, count),
            Hearing::Sse(sse) => (!sse.read(bytes, count)).then_some(Reply::Closed(1000)),
        }
    }
    /// The connection has ended: what had come in part was not heard.
    fn cut(&mut self, count: &mut Count) {
        if let Hearing::Socket(frames) = self {
            frames.cut(count);
        }
    }
}

/// Shows the key, and reads until that was answered.
async fn sign_in(door: &Door, stream: &mut TcpStream, read: &mut Vec<u8>) -> anyhow::Result<()> {
    let token = door.key.as_deref().unwrap_or_default();
    let said = json!({ "type": "authenticate", "token": token });
    stream.write_all(&mask(TEXT, said.to_string().as_bytes())).await.context("signing in")?;
    while memchr::memmem::find(read, b"\"authenticated\"").is_none() {
        ensure!(memchr::memmem::find(read, b"\"error\"").is_none(), "the gateway did not take the key");
        ensure!(stream.read_buf(read).await.context("waiting for the sign-in")? > 0, "the gateway hung up");
    }
    Ok(())
}

/// Opens the connection, and gives what came behind the answer's head.
pub(crate) async fn connect(door: &Door, wire: Wire, join: &Join) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let socket = match door.address {
        std::net::SocketAddr::V4(_) => TcpSocket::new_v4(),
        std::net::SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.context("making a socket")?;
    if let Some(size) = join.receive_buffer {
        socket.set_recv_buffer_size(size).context("making a receive buffer small")?; // before the window is agreed on
    }
    let mut stream = socket.connect(door.address).await.with_context(|| format!("connecting to {}", door.address))?;
    let after = join.heard.position();
    let session = &join.session;
    let (path, upgrade, wanted) = match wire {
        Wire::Socket => (format!("/api/v1/sessions/{session}/socket?after={after}"), UPGRADE, "101"),
        Wire::Sse => {
            (format!("/api/v1/sessions/{session}/events?after={after}"), "Accept: text/event-stream\r\n", "200")
        }
        Wire::Diminuendo => (DIMINUENDO.to_owned(), UPGRADE, "101"),
    };
    let request = format!("GET {path} HTTP/1.1\r\n{}{upgrade}\r\n", door.headers());
    stream.write_all(request.as_bytes()).await.context("sending a handshake")?;
    let mut head = Vec::with_capacity(1024);
    let end = loop {
        ensure!(head.len() < LONGEST_HEAD, "the answer to the handshake does not end");
        ensure!(stream.read_buf(&mut head).await.context("reading the handshake's answer")? > 0, "no answer");
        if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut rest = head.split_off(end);
    let head = String::from_utf8_lossy(&head);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != wanted {
        bail!("the gateway answered {status}: {}", String::from_utf8_lossy(&rest));
    }
    if wire == Wire::Diminuendo {
        sign_in(door, &mut stream, &mut rest).await?;
        if !session.is_empty() {
            let join = json!({ "type": "join_session", "sessionId": session, "afterSeq": 0 });
            stream.write_all(&mask(TEXT, join.to_string().as_bytes())).await.context("joining the session")?;
        }
    }
    Ok((stream, rest))
}
