//! The first words on a connection: the server opens, we say who we are, and it lets us in or not.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::super::Error;
use super::super::dial::WebSocket;
use super::pump::Over;
use super::{Heard, USUAL_PAYLOAD};
use crate::packet::{self, Body, Engine, Message, Open};
use crate::wire::text;

pub(super) type Line = WebSocket;

/// A server that lets nobody in may say so a moment after it did: an older one does.
pub(super) const REFUSALS: [&str; 4] =
    [text::MISSING_TOKEN, text::NEEDS_SESSION, text::NEEDS_MACHINE, text::INVALID_TOKEN];
/// Events that may come before we are let in; there are none that we know.
const EARLY: usize = 16;

pub(super) struct Opened {
    pub(super) max_payload: usize,
    /// The server confirms messages once it has kept them.
    pub(super) confirms: bool,
    /// After so long without a word the server is gone.
    pub(super) silence: Duration,
}

pub(super) async fn shake(line: &mut Line, namespace: &str, auth: &Value) -> Result<Opened, Over> {
    let first = hear(line).await?;
    let open = match Engine::decode(&first) {
        Ok(Engine::Open(open)) => serde_json::from_str::<Open>(open).map_err(|_| unreadable())?,
        _ => return Err(unreadable()),
    };
    let connect = packet::connect(namespace, auth).map_err(|_| unreadable())?;
    line.send(Frame::text(connect)).await.map_err(broken)?;
    for _ in 0..EARLY {
        let text = hear(line).await?;
        let message = match Engine::decode(&text) {
            Ok(Engine::Message(message)) => Message::decode(message).map_err(|_| unreadable())?,
            Ok(Engine::Ping(payload)) => {
                line.send(Frame::text(Engine::Pong(payload).to_string())).await.map_err(broken)?;
                continue;
            }
            Ok(Engine::Close) => return Err(Over::Lost(Error::NotConnected)),
            Ok(_) => continue,
            Err(_) => return Err(unreadable()),
        };
        match message.body {
            _ if message.namespace != namespace => {}
            Body::Connect(said) => return Ok(opened(&open, said.map_or("null", |said| said.get()))),
            Body::ConnectError(why) => return Err(refusal(why.map_or("null", |why| why.get()))),
            _ => {}
        }
    }
    Err(unreadable())
}

/// What a refusal means: most are for good.
pub(super) fn refusal(json: &str) -> Over {
    let why = serde_json::from_str::<Value>(json).unwrap_or_default();
    let text = why["message"].as_str().or(why.as_str()).unwrap_or("no reason given").to_owned();
    match REFUSALS.contains(&&*text) {
        true => Over::Refused(text),
        false => Over::Lost(Error::Rejected { doing: "connecting", text }),
    }
}

fn opened(open: &Open, said: &str) -> Opened {
    let said = serde_json::from_str::<Value>(said).unwrap_or_default();
    let confirms =
        said[packet::CONFIRMED].as_array().is_some_and(|events| events.iter().any(|event| event == "message"));
    let max_payload = open.max_payload.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(USUAL_PAYLOAD);
    let silence = Duration::from_millis(open.ping_interval.saturating_add(open.ping_timeout));
    Opened { max_payload, confirms, silence }
}

async fn hear(line: &mut Line) -> Result<String, Over> {
    loop {
        match line.next().await {
            Some(Ok(Frame::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Frame::Close(_))) | None => return Err(Over::Lost(Error::NotConnected)),
            Some(Ok(_)) => {}
            Some(Err(why)) => return Err(broken(why)),
        }
    }
}

pub(super) fn broken(why: tokio_tungstenite::tungstenite::Error) -> Over {
    Over::Lost(Error::io("following the connection", why))
}

fn unreadable() -> Over {
    Over::Lost(Error::Unreadable("the first words of the server"))
}

/// Whether an event is how an older server says that it lets nobody in.
pub(super) fn refuses(event: &Heard) -> Option<Over> {
    let Heard::Event { name, data, .. } = event else { return None };
    let over = (name == "error").then(|| refusal(data))?;
    matches!(over, Over::Refused(_)).then_some(over)
}
