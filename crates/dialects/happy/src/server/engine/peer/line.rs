//! What carries a connection's packets now.

use std::sync::Arc;

use rejoin_socket::{Incoming, Socket, Violation, Writing, frame};

use super::Peer;
use super::farewell::Ending;
use crate::server::engine::outgoing::Queue;
use crate::server::engine::polling::{News, Posted, Session, Switched};

pub(super) enum Line {
    Socket(Box<Socket>),
    Polling(Arc<Session>),
}

/// What woke the task.
pub(super) enum Woken {
    Heard(String),
    Posted(Posted),
    Switched(Switched),
    /// Something was written, or answered without bothering anybody.
    Nothing,
    Ended(Ending),
    Stopped,
    Time,
}

impl Line {
    /// Gives it as much of `queue` as it takes.
    pub(super) fn hand_over(&mut self, queue: &mut Queue) {
        match self {
            Line::Socket(socket) => {
                let writing = &mut socket.writing;
                if writing.waiting() > 0 {
                    return;
                }
                for _ in 0..Writing::CHUNKS {
                    let Some(next) = queue.first() else { break };
                    if writing.push(next.framed().clone()).is_err() {
                        break; // it has enough, or is closed, which the next flush tells
                    }
                    queue.pop();
                }
            }
            Line::Polling(session) => {
                if !queue.is_empty() {
                    session.push(queue);
                }
            }
        }
    }

    pub(super) fn waiting(&self) -> usize {
        match self {
            Line::Socket(socket) => socket.writing.waiting(),
            Line::Polling(session) => session.waiting(),
        }
    }

    pub(super) fn is_full(&self, queue: &Queue) -> bool {
        match self {
            Line::Socket(socket) => queue.is_full(socket.writing.waiting()),
            Line::Polling(session) => session.is_full(),
        }
    }

    /// Grows while the client reads.
    pub(super) fn progress(&self) -> u64 {
        match self {
            Line::Socket(socket) => socket.writing.progress(),
            Line::Polling(session) => session.taken(),
        }
    }

    /// Whether the client may not have got the last ping yet, though it reads. (One that polls gets it with the next poll.)
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Line::Socket(socket) if socket.writing.waiting() > 0)
    }

    /// All packets of a post were heard.
    pub(super) fn heard(&self) {
        if let Line::Polling(session) = self {
            session.heard();
        }
    }

    /// What happens next. May be dropped and called again at any time.
    pub(super) async fn woken(&mut self, listening: bool, told: bool) -> Woken {
        let Socket { reading, writing } = match self {
            Line::Socket(socket) => &mut **socket,
            Line::Polling(session) => {
                return match session.news(listening, told).await {
                    News::Posted(posted) => Woken::Posted(posted),
                    News::Taken => Woken::Nothing,
                    News::Switched(switched) => Woken::Switched(switched),
                    News::Gone => Woken::Ended(Ending::Gone),
                };
            }
        };
        let busy = writing.waiting() > 0;
        let heard = tokio::select! {
            flushed = writing.flush(), if busy => match flushed {
                Ok(()) => return Woken::Nothing,
                Err(error) => {
                    tracing::debug!(%error, "happy: a socket broke");
                    return Woken::Ended(Ending::Gone);
                }
            },
            heard = reading.next(), if listening => heard,
            () = std::future::pending() => return Woken::Nothing,
        };
        match heard {
            Some(Ok(Incoming::Text(text))) => Woken::Heard(text),
            Some(Ok(Incoming::Ping(payload))) => {
                writing.pong(&payload);
                Woken::Nothing
            }
            Some(Ok(Incoming::Pong(_))) => Woken::Nothing,
            Some(Ok(Incoming::Close(_))) => Woken::Ended(Ending::Left),
            Some(Ok(Incoming::Binary(_))) => {
                tracing::debug!("happy: a client sent bytes");
                Woken::Ended(Ending::Violated(frame::code::PROTOCOL))
            }
            Some(Err(violation)) => {
                tracing::debug!(%violation, "happy: a socket's client broke the protocol");
                Woken::Ended(Ending::Violated(Violation::close_code(&violation)))
            }
            None => Woken::Ended(Ending::Gone),
        }
    }
}

impl Peer {
    /// Goes on over a WebSocket: first what no poll took, and what was posted before.
    pub(super) fn switch(&mut self, switched: Switched) {
        let Switched { socket, mut outbox, posted } = switched;
        outbox.append(&mut self.queue);
        self.queue = outbox;
        if posted.is_some() {
            self.posted = posted;
        }
        self.line = Line::Socket(socket);
        self.line.hand_over(&mut self.queue);
    }
}
