//! One WebSocket of an engine, frame by frame: a task of its own reads it and answers pings, as browsers' libraries do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::gateway::PATIENCE;

/// Frames that wait to be sent; a test waits for room.
const OUT: usize = 16;
/// Frames that wait to be looked at; more stay in the socket.
const HEARD: usize = 65_536;
/// A frame may be as long as the longest message that a test posts.
const LONGEST: usize = 64 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct Wire {
    out: mpsc::Sender<Message>,
    heard: mpsc::Receiver<Heard>,
    /// Pings are not answered, but heard.
    mute: Arc<AtomicBool>,
    reading: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Packet(String),
    Closed,
}

impl Wire {
    /// Upgrades, or says with which status and body that was refused.
    pub(crate) async fn dial(engine: &str, query: &str) -> Result<Wire, (u16, String)> {
        let request = format!("ws://{engine}?{query}").into_client_request().expect("a URL of ours");
        let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
        let dialled = tokio::time::timeout(PATIENCE, connect_async_with_config(request, Some(config), true)).await;
        let socket = match dialled.expect("an answer to the upgrade") {
            Ok((socket, _)) => socket,
            Err(Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                return Err((answer.status().as_u16(), String::from_utf8_lossy(body).into_owned()));
            }
            Err(error) => panic!("the upgrade failed: {error}"),
        };
        let (sink, stream) = socket.split();
        let (out, outgoing) = mpsc::channel(OUT);
        let (incoming, heard) = mpsc::channel(HEARD);
        let (reading, gate) = watch::channel(true);
        let mute = Arc::new(AtomicBool::new(false));
        let reader = tokio::spawn(read(stream, incoming, out.clone(), mute.clone(), gate));
        let writer = tokio::spawn(write(sink, outgoing));
        Ok(Wire { out, heard, mute, reading, tasks: [reader, writer] })
    }

    /// Sends a frame; whether the other end still wants it is not known.
    pub(crate) async fn sends(&self, frame: &str) {
        self.sends_raw(Message::text(frame)).await;
    }
    pub(crate) async fn sends_raw(&self, frame: Message) {
        let sent = tokio::time::timeout(PATIENCE, self.out.send(frame)).await;
        let _gone = sent.expect("sending hangs");
    }

    /// The next frame, or the end.
    pub(crate) async fn hears(&mut self) -> Option<Heard> {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await.ok()?;
        Some(heard.unwrap_or(Heard::Closed))
    }
    /// The next frame, which there must be.
    pub(crate) async fn packet(&mut self) -> String {
        match self.hears().await {
            Some(Heard::Packet(packet)) => packet,
            other => panic!("a packet was waited for, not {other:?}"),
        }
    }
    /// Waits for the end, and gives back what came before it.
    pub(crate) async fn closed(&mut self) -> Vec<String> {
        let mut packets = Vec::new();
        loop {
            match self.hears().await {
                Some(Heard::Packet(packet)) => packets.push(packet),
                Some(Heard::Closed) => return packets,
                None => panic!("the end was waited for; before it came {packets:?}"),
            }
        }
    }

    /// Leaves in order, and gives back what came before the end.
    pub(crate) async fn goes(&mut self) -> Vec<String> {
        self.sends("1").await;
        self.sends_raw(Message::Close(None)).await; // not every engine takes the packet for an end
        self.closed().await
    }

    /// From here on pings are heard instead of answered.
    pub(crate) fn falls_silent(&self) {
        self.mute.store(true, Ordering::Relaxed);
    }
    /// Nothing more is taken from the socket, until [`Wire::reads_on`].
    pub(crate) fn stops_reading(&self) {
        self.reading.send_replace(false);
    }
    pub(crate) fn reads_on(&self) {
        self.reading.send_replace(true);
    }
}

impl Drop for Wire {
    /// Cuts the connection, as a lost network does it.
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn read(
    mut stream: SplitStream<Socket>,
    heard: mpsc::Sender<Heard>,
    out: mpsc::Sender<Message>,
    mute: Arc<AtomicBool>,
    mut gate: watch::Receiver<bool>,
) {
    loop {
        if gate.wait_for(|open| *open).await.is_err() {
            return;
        }
        let told = match stream.next().await {
            Some(Ok(Message::Text(frame))) if frame.as_str() == "2" && !mute.load(Ordering::Relaxed) => {
                let _busy = out.try_send(Message::text("3")); // the next ping will do
                continue;
            }
            Some(Ok(Message::Text(frame))) => Heard::Packet(frame.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => Heard::Packet("a binary frame".to_owned()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Closed,
            Some(Ok(_)) => continue, // pings of the transport are answered below us
        };
        let end = told == Heard::Closed;
        if heard.send(told).await.is_err() || end {
            return;
        }
    }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut outgoing: mpsc::Receiver<Message>) {
    while let Some(frame) = outgoing.recv().await {
        if sink.send(frame).await.is_err() {
            outgoing.close(); // who sends more is not kept waiting
            return;
        }
    }
}
