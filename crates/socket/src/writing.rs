//! The half of a connection that speaks to the client.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use crate::frame;
use crate::outbox::{self, Full, Outbox};
use crate::wire::Sink;

/// How long a close may take to leave. A client that reads at all needs far less; one that does not
/// would never get it.
pub(crate) const CLOSING: Duration = Duration::from_secs(5);

/// Chunks handed to the kernel at once. With chunks of many frames each, its buffer is full sooner.
const SLICES: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Nothing of the write was taken; flush first.
    #[error("writing to a websocket")]
    Full(#[from] Full),
    #[error("writing to a websocket that was closed")]
    Closed,
    #[error("writing to a websocket")]
    Broken(#[source] io::Error),
}

pub struct Writing {
    sink: Sink,
    outbox: Outbox,
    progress: u64,
    /// A close was taken: nothing may stand behind it.
    closing: bool,
    /// Nothing can leave any more.
    gone: bool,
}

impl Writing {
    /// The most chunks that one [`write`](Self::write) may bring.
    pub const CHUNKS: usize = outbox::CHUNKS;

    pub(crate) fn new(sink: Sink) -> Writing {
        Writing { sink, outbox: Outbox::default(), progress: 0, closing: false, gone: false }
    }

    /// Writes `chunks`, each made of whole frames, as they are.
    ///
    /// They are the writer's from the call on, all of them or (with [`WriteError::Full`]) none: when
    /// the future is dropped, or never polled, the next `flush` or `write` goes on where the socket
    /// stopped taking, and no frame is torn. In a `select!`, whose branches are called even when
    /// they are switched off, use [`push`](Self::push) before it and [`flush`](Self::flush) in it.
    pub fn write(&mut self, chunks: &[Bytes]) -> Flush<'_> {
        let refused = self.take(chunks).err();
        Flush { writing: self, refused }
    }

    /// Takes one chunk to be written by the next flush.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), WriteError> {
        self.take(&[chunk])
    }

    /// Answers a ping with the next flush, before the chunks that were not begun. Of several
    /// answers that wait, only the newest leaves.
    pub fn pong(&mut self, payload: &[u8]) {
        if !self.closing && !self.gone {
            self.outbox.pong(frame::chunk(|out| frame::pong(out, payload)));
        }
    }

    /// Writes all that was taken. May be dropped and called again at any time.
    pub fn flush(&mut self) -> Flush<'_> {
        Flush { writing: self, refused: None }
    }

    /// Bytes that were taken and not written.
    pub fn waiting(&self) -> usize {
        self.outbox.waiting()
    }

    /// Bytes written so far. When something is [waiting](Self::waiting) and this stands still, the
    /// client does not read.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Bounds what the kernel holds for a client that does not read, and switches its own tuning
    /// off. (Linux doubles the number, for its bookkeeping.) Does nothing where the wire is no
    /// plain TCP socket.
    pub fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        let Some(tcp) = self.sink.tcp() else {
            return Ok(());
        };
        Ok(rustix::net::sockopt::set_socket_send_buffer_size(tcp, bytes)?)
    }

    /// Writes what waits and a close behind it, and ends this direction; within [`CLOSING`]
    /// or not at all. Nothing can be written afterwards.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), WriteError> {
        if self.gone {
            return Err(WriteError::Closed);
        }
        if !self.closing {
            self.closing = true;
            self.outbox.last(frame::chunk(|out| frame::close(out, code, reason)));
        }
        let leave = async {
            self.flush().await?;
            poll_fn(|context| self.sink.poll_shutdown(context)).await.map_err(WriteError::Broken)
        };
        let outcome = tokio::time::timeout(CLOSING, leave).await;
        self.give_up();
        outcome.unwrap_or_else(|_| Err(WriteError::Broken(io::ErrorKind::TimedOut.into())))
    }

    fn take(&mut self, chunks: &[Bytes]) -> Result<(), WriteError> {
        if self.closing || self.gone {
            return Err(WriteError::Closed);
        }
        Ok(self.outbox.take(chunks)?)
    }

    fn give_up(&mut self) {
        self.gone = true;
        self.outbox.clear();
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        if self.gone {
            return Poll::Ready(Err(WriteError::Closed));
        }
        let outcome = ready!(self.poll_leave(context));
        if outcome.is_err() {
            self.give_up();
        }
        Poll::Ready(outcome.map_err(WriteError::Broken))
    }

    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.outbox.waiting() > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.outbox.slices(&mut slices);
            let written = ready!(self.sink.poll_write(context, &slices[..filled]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.advance(written);
            self.progress += written as u64;
        }
        self.sink.poll_flush(context)
    }
}

/// Ends when all that the writer took is written.
#[must_use = "chunks leave only while this is awaited"]
pub struct Flush<'a> {
    writing: &'a mut Writing,
    refused: Option<WriteError>,
}

impl Future for Flush<'_> {
    type Output = Result<(), WriteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.refused.take() {
            Some(refused) => Poll::Ready(Err(refused)),
            None => self.writing.poll_flush(context),
        }
    }
}
