//! The loopback alone: frames that are ready, written to all readers by one thread that does nothing else.

use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::gateway::Door;
use crate::readers::{Crowd, Join, Wire};

/// Frames in one call, where they are written many at a time.
pub(crate) const BATCH: usize = 64;
/// How long everything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// A reader that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(20);
const LONGEST_HEAD: usize = 16 << 10;

const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const STREAMING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Writes to a crowd of its own, which reads as every crowd does.
pub(crate) struct Sender {
    streams: Vec<TcpStream>,
    crowd: Crowd,
    wire: Wire,
    seq: u64,
}

/// How much was sent, and in which time all of it was heard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) deliveries: u64,
    pub(crate) took: Duration,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Sent) {
        self.deliveries += other.deliveries;
        self.took += other.took;
    }
}

impl Sender {
    pub(crate) async fn with_readers(readers: usize, wire: Wire) -> anyhow::Result<Sender> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening for bare readers")?;
        let address: SocketAddr = listener.local_addr().context("listening for bare readers")?;
        let crowd = Crowd::join(&Door { address, key: None }, wire, vec![Join::default(); readers])?;
        let welcoming = tokio::task::spawn_blocking(move || {
            (0..readers).map(|_| welcome(&listener, wire)).collect::<anyhow::Result<Vec<_>>>()
        });
        let streams = tokio::time::timeout(PATIENCE, welcoming).await.context("bare readers did not come")??;
        Ok(Sender { streams: streams?, crowd, wire, seq: 0 })
    }

    /// Sends `events` frames of about `size` bytes to everybody, `batch` of them in one call.
    pub(crate) async fn send(&mut self, events: u64, size: usize, batch: usize) -> anyhow::Result<Sent> {
        let frames: Vec<Vec<u8>> = (self.seq + 1..=self.seq + events).map(|seq| frame(self.wire, seq, size)).collect();
        self.seq += events;
        let streams = std::mem::take(&mut self.streams);
        let back = Arc::new(Mutex::new(Vec::new()));
        let gone = back.clone();
        let start = Instant::now();
        let sending = tokio::task::spawn_blocking(move || {
            let outcome = write_all(&streams, &frames, batch);
            *gone.lock().expect("no holder of this lock panics") = streams;
            outcome
        });
        sending.await.context("the bare sender panicked")??;
        self.streams = std::mem::take(&mut *back.lock().expect("no holder of this lock panics"));
        self.crowd.heard(self.seq, PATIENCE).await?;
        Ok(Sent { deliveries: events * self.streams.len() as u64, took: start.elapsed() })
    }

    /// Ends it, and sees to it that nothing was missed here either.
    pub(crate) fn leave(self) -> anyhow::Result<()> {
        let lost: u64 = self.crowd.leave()?.iter().map(|count| count.lost + count.repeated).sum();
        ensure!(lost == 0, "readers missed {lost} frames of a bare sender: the counting is wrong");
        Ok(())
    }
}

fn welcome(listener: &TcpListener, wire: Wire) -> anyhow::Result<TcpStream> {
    let (mut stream, _) = listener.accept().context("accepting a bare reader")?;
    stream.set_nodelay(true).context("setting up a connection")?;
    stream.set_write_timeout(Some(STUCK)).context("setting up a connection")?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < LONGEST_HEAD, "a handshake that does not end");
        stream.read_exact(&mut byte).context("reading a handshake")?;
        head.push(byte[0]);
    }
    let answer = match wire {
        Wire::Socket | Wire::Diminuendo => UPGRADED,
        Wire::Sse => STREAMING,
    };
    stream.write_all(answer).context("answering a handshake")?;
    Ok(stream)
}

fn write_all(streams: &[TcpStream], frames: &[Vec<u8>], batch: usize) -> anyhow::Result<()> {
    for some in frames.chunks(batch) {
        for stream in streams {
            let mut slices: Vec<IoSlice<'_>> = some.iter().map(|frame| IoSlice::new(frame)).collect();
            let mut left = &mut slices[..];
            while !left.is_empty() {
                let written = (&*stream).write_vectored(left).context("writing to a bare reader")?;
                IoSlice::advance_slices(&mut left, written);
            }
        }
    }
    Ok(())
}

/// An event as readers know it, with nothing in it.
fn frame(wire: Wire, seq: u64, size: usize) -> Vec<u8> {
    let mut event = format!(r#"{{"epoch":"ba5e","seq":{seq},"at":1,"type":"bare","text":""#);
    match wire {
        Wire::Socket | Wire::Diminuendo => {
            let body = size.saturating_sub(4).max(event.len() + 12);
            let mut text = format!("{{\"event\":{event}");
            text.extend(std::iter::repeat_n('x', body - text.len() - 3));
            text.push_str("\"}}");
            let mut frame = vec![0x81];
            match text.len() {
                short @ ..126 => frame.push(short as u8),
                middle @ ..65_536 => {
                    frame.push(126);
                    frame.extend_from_slice(&(middle as u16).to_be_bytes());
                }
                long => {
                    frame.push(127);
                    frame.extend_from_slice(&(long as u64).to_be_bytes());
                }
            }
            frame.extend_from_slice(text.as_bytes());
            frame
        }
        Wire::Sse => {
            let head = format!("id: ba5e.{seq}\ndata: ");
            let around = head.len() + event.len() + 4 + 8;
            event.extend(std::iter::repeat_n('x', size.saturating_sub(around)));
            let text = format!("{head}{event}\"}}\n\n");
            format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_about_the_size_that_was_asked_for() {
        for wire in [Wire::Socket, Wire::Sse] {
            for size in [200, 600, 5_000, 70_000] {
                let len = frame(wire, 7, size).len();
                assert!(len.abs_diff(size) <= 10, "{wire:?}: {len} for {size}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_hears_every_frame() {
        for wire in [Wire::Socket, Wire::Sse] {
            let mut sender = Sender::with_readers(3, wire).await.expect("loopback is there");
            for batch in [1, BATCH] {
                let sent = sender.send(200, 500, batch).await.expect("the readers read");
                assert_eq!(sent.deliveries, 600);
            }
            sender.leave().expect("nothing was missed");
        }
    }
}
