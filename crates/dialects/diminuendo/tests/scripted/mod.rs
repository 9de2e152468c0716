//! A gateway that says what a test tells it to, frame by frame, written from the specification. It runs in the process, so
//! that time can be a test's own.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rejoin_diminuendo::client::{Client, ClientOptions, Dial, Dialing, Io};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What a line holds: little, so that a client that does not read is noticed soon.
const LINE: usize = 64 << 10;

/// Connections that the client opens arrive here. Dropped, it refuses them.
pub(crate) struct Gateway {
    lines: mpsc::UnboundedReceiver<DuplexStream>,
}

struct Lines(mpsc::UnboundedSender<DuplexStream>);

impl Dial for Lines {
    fn dial<'a>(&'a self, _: &'a str, _: u16) -> Dialing<'a> {
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(LINE);
            self.0.send(theirs).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(Box::new(ours) as Box<dyn Io>)
        })
    }
}

impl Gateway {
    /// A gateway, and the settings with which a client gets there.
    pub(crate) fn new() -> (Gateway, ClientOptions) {
        let (lines_in, lines) = mpsc::unbounded_channel();
        let options = ClientOptions { dial: Arc::new(Lines(lines_in)), ..ClientOptions::new("ws://gateway.test/ws") };
        (Gateway { lines }, options)
    }

    /// The next connection, with an open socket.
    pub(crate) async fn accept(&mut self) -> Peer {
        let line = self.line().await;
        Peer(tokio_tungstenite::accept_async(line).await.expect("the client asks for a WebSocket"))
    }

    /// The next connection, before anything was said.
    pub(crate) async fn line(&mut self) -> DuplexStream {
        self.lines.recv().await.expect("there is a client")
    }

    /// Whether a connection was opened that nobody accepted.
    pub(crate) fn was_dialled(&mut self) -> bool {
        self.lines.try_recv().is_ok()
    }

    /// The next connection, signed in without a token.
    pub(crate) async fn serve(&mut self) -> Peer {
        let mut peer = self.accept().await;
        peer.welcomes(false).await;
        peer.says(authenticated()).await;
        peer
    }
}

/// A connected client in dev mode, and its gateway.
pub(crate) async fn connected() -> (Client, Gateway, Peer) {
    connected_with(|options| options).await
}

pub(crate) async fn connected_with(change: impl FnOnce(ClientOptions) -> ClientOptions) -> (Client, Gateway, Peer) {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(change(options));
    let (outcome, peer) = tokio::join!(client.connect(), gateway.serve());
    outcome.expect("it connects");
    (client, gateway, peer)
}

/// One connection, seen from the gateway.
pub(crate) struct Peer(WebSocketStream<DuplexStream>);

impl Peer {
    pub(crate) async fn welcomes(&mut self, requires_auth: bool) {
        self.says(json!({ "type": "welcome", "protocolVersion": 1, "requiresAuth": requires_auth })).await;
        self.says(json!({ "type": "connected", "clientId": "c-1", "heartbeatIntervalMs": 30_000, "ts": 1 })).await;
    }

    pub(crate) async fn says(&mut self, frame: Value) {
        self.says_text(&frame.to_string()).await;
    }

    pub(crate) async fn says_text(&mut self, frame: &str) {
        self.send(Message::text(frame.to_owned())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.expect("the client is there");
    }

    /// Says it unless the client is gone.
    pub(crate) async fn tries_to_say(&mut self, frame: Value) -> bool {
        self.0.send(Message::text(frame.to_string())).await.is_ok()
    }

    /// The client's next message.
    pub(crate) async fn hears(&mut self) -> Value {
        self.hears_or_end().await.expect("the client says something")
    }

    /// The client's next message; `None` when it parts.
    pub(crate) async fn hears_or_end(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("messages are JSON")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The client's next message, which is of this type.
    pub(crate) async fn hears_a(&mut self, kind: &str) -> Value {
        let message = self.hears().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Answers as a gateway that repeats the ids of requests.
    pub(crate) async fn answers(&mut self, request: &Value, mut frame: Value) {
        let id = match request["type"] == "answer_question" {
            true => &request["clientRequestId"],
            false => &request["requestId"],
        };
        frame["requestId"] = id.clone();
        self.says(frame).await;
    }

    /// Answers the next message, which is a `join_session`, as one that has `last` events.
    pub(crate) async fn lets_join(&mut self, last: u64) -> Value {
        let request = self.hears_a("join_session").await;
        let session = request["sessionId"].as_str().expect("it names a session").to_owned();
        self.says(snapshot(&session, last)).await;
        request
    }

    /// The socket is closed in good order.
    pub(crate) async fn closes(mut self) {
        let _ = self.0.close(None).await; // it may be gone already
    }
}

pub(crate) fn authenticated() -> Value {
    json!({
        "type": "authenticated",
        "identity": { "userId": "dev-user-001", "email": "developer@example.com", "tenantId": "dev" },
    })
}

pub(crate) fn meta(id: &str) -> Value {
    json!({
        "id": id, "tenantId": "dev", "name": null, "agentType": "echo", "status": "inactive", "archived": false,
        "createdAt": 1_760_000_000_000u64, "updatedAt": 1_760_000_000_000u64, "lastActivityAt": null,
    })
}

pub(crate) fn snapshot(id: &str, last: u64) -> Value {
    json!({
        "type": "state_snapshot", "sessionId": id, "session": meta(id), "recentHistory": [], "subscriberCount": 1,
        "lastSeq": last,
    })
}

pub(crate) fn delta(session: &str, seq: u64, text: &str) -> Value {
    json!({ "type": "text_delta", "sessionId": session, "turnId": "t-1", "text": text, "seq": seq, "ts": 1 })
}

pub(crate) fn error(code: &str, message: &str) -> Value {
    json!({ "type": "error", "code": code, "message": message })
}
