//! Looking at a terminal, and typing into it, over a connection of its own.

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rejoin_core::id::{SessionId, TerminalId};
use rejoin_ports::terminals::{LONGEST_INPUT, TerminalExit, TerminalFrom, TerminalSize, TerminalSnapshot};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::Message;

use crate::client::attach::{Lost, Socket};
use crate::client::{Client, Error, Problem};

const CLOSED: &str = "the connection was closed";

/// What one sees of a terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum TerminalItem {
    /// Comes first; and again when output went by that was not taken in time: whatever is shown is replaced by this.
    Snapshot(TerminalSnapshot),
    /// The next output.
    Output(Bytes),
    /// What follows is made for a screen of this size.
    Resized(TerminalSize),
    /// What was typed, or asked for, last was not done.
    Refused(Problem),
    /// It has ended; nothing follows.
    Exited(TerminalExit),
    /// The gateway is stopping, and the terminal with it; nothing follows.
    Stopping,
}

/// Somebody who looks at a terminal. Dropping it ends nothing but that.
#[derive(Debug)]
pub struct AttachedTerminal {
    reading: SplitStream<Socket>,
    cursor: u64,
    is_over: bool,
}

/// What is typed into it.
#[derive(Debug)]
pub struct TerminalKeys(Mutex<SplitSink<Socket, Message>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Told {
    Snapshot(TerminalSnapshot),
    Resized(TerminalSize),
    Exited(TerminalExit),
    Refused(serde_json::Value),
    Stopping(IgnoredAny),
    Pong(IgnoredAny),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Said {
    Resize(TerminalSize),
    EndInput(bool),
}

impl Client {
    /// Looks at a terminal. When the connection is lost, begin again behind [`AttachedTerminal::cursor`].
    pub async fn attach_terminal(
        &self,
        session: &SessionId,
        terminal: &TerminalId,
        from: TerminalFrom,
    ) -> Result<(AttachedTerminal, TerminalKeys), Error> {
        let mut url = self.address(["sessions", session.as_str(), "terminals", terminal.as_str(), "socket"]);
        match from {
            TerminalFrom::Screen => {}
            TerminalFrom::Scrollback => drop(url.query_pairs_mut().append_pair("scrollback", "true")),
            TerminalFrom::Cursor(cursor) => drop(url.query_pairs_mut().append_pair("after", &cursor.to_string())),
        }
        let socket = self.connect(url).await.map_err(|lost| match lost {
            Lost::ForGood(error) => error,
            Lost::Passing(why) => Error::transport(format!("connecting to a terminal at {}", self.url()), closed(&why)),
        })?;
        let (writing, reading) = socket.split();
        Ok((AttachedTerminal { reading, cursor: 0, is_over: false }, TerminalKeys(Mutex::new(writing))))
    }
}

impl AttachedTerminal {
    /// Everything before it was taken from here.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// What comes next; `None` when nothing follows. An error is a connection that was lost. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Result<TerminalItem, Error>> {
        while !self.is_over {
            let item = match self.reading.next().await {
                Some(Ok(Message::Binary(bytes))) => self.output(bytes),
                Some(Ok(Message::Text(text))) => match self.told(&text) {
                    Ok(None) => continue,
                    Ok(Some(item)) => Ok(item),
                    Err(error) => Err(error),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    self.is_over = true;
                    let why = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                    Err(Error::transport("looking at a terminal", closed(why.as_deref().unwrap_or(CLOSED))))
                }
                None => {
                    self.is_over = true;
                    Err(Error::transport("looking at a terminal", closed(CLOSED)))
                }
                Some(Err(why)) => {
                    self.is_over = true;
                    Err(Error::transport("looking at a terminal", why))
                }
            };
            return Some(item);
        }
        None
    }

    fn output(&mut self, mut bytes: Bytes) -> Result<TerminalItem, Error> {
        if bytes.len() < 8 {
            return Err(Error::Unreadable { what: "output of a terminal", why: "it has no cursor".to_owned() });
        }
        let cursor = bytes.split_to(8);
        let begins = u64::from_be_bytes(cursor[..].try_into().expect("eight bytes were cut off"));
        self.cursor = begins.saturating_add(bytes.len() as u64);
        Ok(TerminalItem::Output(bytes))
    }

    /// A message; `None` where it is nothing to anybody.
    fn told(&mut self, text: &str) -> Result<Option<TerminalItem>, Error> {
        let told = serde_json::from_str(text);
        let told = told.map_err(|why| Error::Unreadable { what: "a terminal's message", why: why.to_string() })?;
        Ok(Some(match told {
            Told::Pong(_) => return Ok(None),
            Told::Snapshot(snapshot) => {
                self.cursor = snapshot.cursor;
                TerminalItem::Snapshot(snapshot)
            }
            Told::Resized(size) => TerminalItem::Resized(size),
            Told::Refused(refused) => {
                let status = refused["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(500);
                TerminalItem::Refused(Problem::from_body(status, refused.to_string().as_bytes()))
            }
            Told::Exited(exit) => {
                self.is_over = true;
                TerminalItem::Exited(exit)
            }
            Told::Stopping(_) => {
                self.is_over = true;
                TerminalItem::Stopping
            }
        }))
    }
}

impl TerminalKeys {
    /// Types, in as many messages as that takes.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut socket = self.0.lock().await;
        for piece in bytes.chunks(LONGEST_INPUT) {
            socket.send(Message::Binary(Bytes::copy_from_slice(piece))).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Gives it another size, for all who look.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), Error> {
        self.say(&Said::Resize(size)).await
    }

    /// What Ctrl-D does.
    pub async fn end_input(&self) -> Result<(), Error> {
        self.say(&Said::EndInput(true)).await
    }

    async fn say(&self, said: &Said) -> Result<(), Error> {
        let text = serde_json::to_string(said).expect("plain JSON");
        self.0.lock().await.send(Message::text(text)).await.map_err(lost)
    }
}

fn closed(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, why)
}

fn lost(why: tokio_tungstenite::tungstenite::Error) -> Error {
    Error::transport("typing into a terminal", why)
}
