//! The way of servers that confirm what they have kept: over the socket, many messages on their way at once, in order.

use std::collections::VecDeque;

use serde::Serialize;
use tokio::time::timeout;

use super::super::Error;
use super::super::socket::Answer;
use super::Flusher;
use crate::wire::Posted;

/// Messages that are on their way at once, and about how many sealed bytes.
const WINDOW: usize = 512;
const WINDOW_BYTES: usize = 1 << 20;
/// Messages that are taken from the outbox at once.
const TOGETHER: usize = 64;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    sid: &'a str,
    message: &'a str,
    local_id: &'a str,
}

/// Messages that were sent and are not confirmed: the oldest ones of the outbox.
#[derive(Default)]
struct Flight {
    answers: VecDeque<(Answer, usize)>,
    bytes: usize,
}

impl Flight {
    fn is_full(&self) -> bool {
        self.answers.len() >= WINDOW || self.bytes >= WINDOW_BYTES
    }

    /// The outcomes of those that are confirmed, oldest first; waits for the first.
    /// Safe to drop and call again.
    async fn landed(&mut self) -> Result<Vec<Posted>, Error> {
        let mut landed = Vec::new();
        while let Some((answer, bytes)) = self.answers.front_mut() {
            let said = match landed.is_empty() {
                true => answer.await.map_err(|_| Error::NotConnected)?,
                false => match answer.try_recv() {
                    Ok(said) => said,
                    Err(_) => break,
                },
            };
            landed.push(serde_json::from_value(said).map_err(|_| Error::Unreadable("sending messages"))?);
            self.bytes -= *bytes;
            self.answers.pop_front();
        }
        Ok(landed)
    }
}

/// Why messages do not go this way any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// This connection is lost, or a message does not fit through it.
    Closed,
    /// The server leaves messages unanswered: those it refuses, most likely. Another way tells why.
    Silent,
}

impl Flusher {
    /// Sends what waits for as long as this connection confirms it. Whatever is not confirmed stays in the outbox: the
    /// server knows its ids, so it may be sent again in another way.
    pub(super) async fn while_confirmed(&self, connection: u64) -> Way {
        let mut flight = Flight::default();
        let patience = self.api.options().request_timeout;
        loop {
            if let Err(error) = self.fill(connection, &mut flight).await {
                tracing::debug!(session.id = self.session, %error, "happy: messages go another way");
                return Way::Closed;
            }
            if flight.answers.is_empty() {
                if self.outbox.oldest(1).await.is_none() || self.socket.confirming() != Some(connection) {
                    return Way::Closed;
                }
                continue;
            }
            tokio::select! {
                landed = timeout(patience, flight.landed()) => match landed {
                    Ok(Ok(posted)) => {
                        self.landed(&posted);
                        self.outbox.settle(posted.into_iter().map(Ok).collect());
                    }
                    Ok(Err(Error::NotConnected)) => return Way::Closed,
                    Ok(Err(_)) | Err(_) => return Way::Silent,
                },
                () = self.outbox.grown(), if !flight.is_full() => {}
            }
        }
    }

    /// Sends more, as far as there is more and room for it.
    async fn fill(&self, connection: u64, flight: &mut Flight) -> Result<(), Error> {
        while !flight.is_full() {
            let more = self.outbox.behind(flight.answers.len(), TOGETHER);
            if more.is_empty() {
                return Ok(());
            }
            for message in more {
                let said = Said { sid: &self.session, message: &message.content, local_id: &message.local_id };
                let answer = self.socket.ask(connection, "message", &said).await?;
                flight.bytes += message.content.len();
                flight.answers.push_back((answer, message.content.len()));
            }
        }
        Ok(())
    }

    /// The server does not tell us of what came this way: whoever listens learns here that it is nobody else's.
    fn landed(&self, posted: &[Posted]) {
        let mut numbers = posted.iter().map(|posted| posted.seq).peekable();
        while let Some(first) = numbers.next() {
            let mut last = first;
            while let Some(next) = numbers.next_if_eq(&(last + 1)) {
                last = next;
            }
            self.inlet.own(first, last);
        }
    }
}
