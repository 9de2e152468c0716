//! Carries packets both ways, each way at its own pace.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as Broken, Message as Frame};

use super::super::Error;
use super::pump::{Over, Pump};
use super::shake::{Line, Opened, broken, refuses};
use super::{Heard, Outgoing, Reply, Shared};
use crate::packet::{self, Body, Engine, Message};

/// Packets that are written before the line is flushed, while there are more.
const TOGETHER: usize = 64;
/// Pongs that wait to be written; the server sends a ping when it has had the pong before.
const PONGS: usize = 4;

pub(super) async fn carry(pump: &mut Pump, line: &mut Line, epoch: u64, open: &Opened) -> Over {
    let stop = pump.shared.stop.clone();
    let (mut sink, frames) = line.split();
    let (pongs, pongs_out) = mpsc::channel(PONGS);
    let reader = Reader { shared: &pump.shared, heard: &pump.heard, pongs, epoch };
    tokio::select! {
        biased;
        () = stop.cancelled() => Over::Stopped,
        over = reader.read(frames, open) => over,
        over = send(&mut sink, &mut pump.outgoing, pongs_out, epoch) => over,
    }
}

async fn send(
    sink: &mut SplitSink<&mut Line, Frame>,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    mut pongs: mpsc::Receiver<String>,
    epoch: u64,
) -> Over {
    let mut gathered = Vec::with_capacity(TOGETHER);
    loop {
        tokio::select! {
            biased;
            Some(pong) = pongs.recv() => if let Err(why) = sink.feed(Frame::text(pong)).await { return broken(why) },
            count = outgoing.recv_many(&mut gathered, TOGETHER) => if count == 0 { return Over::Stopped },
        }
        for packet in gathered.drain(..).filter(|packet| packet.epoch == epoch) {
            if let Err(why) = sink.feed(Frame::text(packet.packet)).await {
                return broken(why);
            }
        }
        if let Err(why) = sink.flush().await {
            return broken(why);
        }
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    heard: &'a mpsc::Sender<Heard>,
    pongs: mpsc::Sender<String>,
    epoch: u64,
}

impl Reader<'_> {
    async fn read(&self, mut frames: SplitStream<&mut Line>, open: &Opened) -> Over {
        loop {
            let text = match timeout(open.silence, frames.next()).await {
                Err(_) => return Over::Lost(Error::Timeout("hearing from the server")),
                Ok(Some(Ok(Frame::Text(text)))) => text,
                Ok(Some(Ok(Frame::Close(_))) | None) => return Over::Lost(Error::NotConnected),
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(why))) => return broken(why),
            };
            if let Some(over) = self.take(&text).await {
                return over;
            }
        }
    }

    async fn take(&self, text: &str) -> Option<Over> {
        let message = match Engine::decode(text) {
            Ok(Engine::Message(message)) => Message::decode(message),
            Ok(Engine::Ping(payload)) => {
                let _ = self.pongs.try_send(Engine::Pong(payload).to_string()); // those that wait say it as well
                return None;
            }
            Ok(Engine::Close) => return Some(Over::Lost(Error::NotConnected)),
            Ok(_) => return None,
            Err(why) => Err(why),
        };
        let message = match message {
            Ok(message) if message.namespace == self.shared.options.server.namespace() => message,
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(%error, "happy: a packet cannot be read");
                return None;
            }
        };
        match message.body {
            Body::Event { ack, name, args } => {
                let data = args.first().map_or("null", |arg| arg.get()).to_owned();
                let reply = ack.map(|id| Reply { epoch: self.epoch, id });
                let event = Heard::Event { name: name.into_owned(), data, reply };
                if let Some(over) = refuses(&event) {
                    return Some(over);
                }
                self.heard.send(event).await.is_err().then_some(Over::Stopped)
            }
            Body::Ack { id, args } => {
                self.shared.calls.answered(id, first(&args));
                None
            }
            Body::Disconnect => Some(Over::Lost(Error::NotConnected)),
            Body::ConnectError(why) => Some(super::shake::refusal(why.map_or("null", |why| why.get()))),
            Body::Connect(_) => None,
        }
    }
}

fn first(args: &[&RawValue]) -> Value {
    args.first().and_then(|arg| serde_json::from_str(arg.get()).ok()).unwrap_or_default()
}

pub(super) async fn write(line: &mut Line, packet: String) -> Result<(), Broken> {
    line.feed(Frame::text(packet)).await
}

/// Leaves the namespace, and the server.
pub(super) async fn goodbye(line: &mut Line, namespace: &str) {
    let _ = line.feed(Frame::text(packet::disconnect(namespace))).await; // it may be gone already
    let _ = line.close(None).await;
}
