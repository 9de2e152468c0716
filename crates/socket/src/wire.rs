//! What carries a connection once HTTP is done with it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A stream that is something else than a plain TCP socket.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// The stream below a [`Socket`](crate::Socket).
///
/// A server that hands hyper a `TokioIo<TcpStream>` gets the first kind: the socket itself, with
/// its options in reach. Anything else (TLS, a wrapper that counts) works as the second kind, and
/// costs a box, a lock between the halves, and the bound on the kernel's send buffer.
pub enum Wire {
    Tcp(TcpStream),
    Other(Box<dyn Duplex>),
}

impl Wire {
    /// Takes the stream out of hyper, with what the client sent right behind its request.
    pub fn of(upgraded: Upgraded) -> (Wire, Bytes) {
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(Parts { io, read_buf, .. }) => (Wire::Tcp(io.into_inner()), read_buf),
            // It keeps the early bytes, and gives them out first.
            Err(upgraded) => (Wire::Other(Box::new(TokioIo::new(upgraded))), Bytes::new()),
        }
    }

    pub(crate) fn split(self) -> (Source, Sink) {
        match self {
            Wire::Tcp(tcp) => {
                // What is written is a whole chunk; waiting for more would only make it late.
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%error, "websocket: switching off Nagle's algorithm");
                }
                let (read, write) = tcp.into_split();
                (Source::Tcp(read), Sink::Tcp(write))
            }
            Wire::Other(other) => {
                let (read, write) = tokio::io::split(other);
                (Source::Other(read), Sink::Other(write))
            }
        }
    }
}

pub(crate) enum Source {
    Tcp(OwnedReadHalf),
    Other(ReadHalf<Box<dyn Duplex>>),
}

impl Source {
    /// Reads into `scratch` once there is something to read, and says how much: 0 at the end.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(match self {
            Source::Tcp(half) => Pin::new(half).poll_read(context, &mut buffer),
            Source::Other(half) => Pin::new(half).poll_read(context, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

pub(crate) enum Sink {
    Tcp(OwnedWriteHalf),
    Other(WriteHalf<Box<dyn Duplex>>),
}

impl Sink {
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Sink::Tcp(half) => Pin::new(half).poll_write_vectored(context, slices),
            Sink::Other(half) => Pin::new(half).poll_write_vectored(context, slices),
        }
    }

    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Sink::Tcp(_) => Poll::Ready(Ok(())), // a socket has no buffer of its own
            Sink::Other(half) => Pin::new(half).poll_flush(context),
        }
    }

    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Sink::Tcp(half) => Pin::new(half).poll_shutdown(context),
            Sink::Other(half) => Pin::new(half).poll_shutdown(context),
        }
    }

    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Sink::Tcp(half) => Some(half.as_ref()),
            Sink::Other(_) => None,
        }
    }
}
