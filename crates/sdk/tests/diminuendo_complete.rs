//! The complete example, against a gateway that plays its part of the conversation.

#[expect(dead_code, reason = "here its `run` is called, not its `main`")]
#[path = "../examples/diminuendo_complete.rs"]
mod example;

use futures_util::{SinkExt, StreamExt};
use rejoin_sdk::diminuendo::ClientOptions;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn says(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.expect("the client is there");
    }

    async fn hears(&mut self, kind: &str) -> Value {
        loop {
            let message = self.0.next().await.expect("the client goes on").expect("the connection holds");
            if let Message::Text(text) = message {
                let message: Value = serde_json::from_str(&text).expect("messages are JSON");
                assert_eq!(message["type"], kind, "{message}");
                return message;
            }
        }
    }
}

async fn play(listener: TcpListener, end: Value) -> Value {
    let (stream, _) = listener.accept().await.expect("somebody connects");
    let mut peer = Peer(tokio_tungstenite::accept_async(stream).await.expect("it is a WebSocket"));
    peer.says(json!({ "type": "welcome", "protocolVersion": 1, "requiresAuth": true })).await;
    peer.says(json!({ "type": "connected", "clientId": "c", "heartbeatIntervalMs": 30_000, "ts": 1 })).await;
    assert_eq!(peer.hears("authenticate").await["token"], "a-token");
    let identity = json!({ "userId": "u-17", "email": "ada@example.org", "tenantId": "acme" });
    peer.says(json!({ "type": "authenticated", "identity": identity })).await;

    let asked = peer.hears("create_session").await;
    assert_eq!((&asked["agentType"], &asked["name"]), (&json!("coding-agent"), &json!("Bug Fix Session")));
    let session = json!({
        "id": "s-1", "tenantId": "acme", "name": "Bug Fix Session", "agentType": "coding-agent", "status": "inactive",
        "archived": false, "createdAt": 1, "updatedAt": 1, "lastActivityAt": null,
    });
    peer.says(json!({ "type": "session_created", "session": session })).await;
    assert_eq!(peer.hears("join_session").await["sessionId"], "s-1");
    let snapshot = json!({
        "type": "state_snapshot", "sessionId": "s-1", "session": session, "recentHistory": [], "subscriberCount": 1,
    });
    peer.says(snapshot).await;

    let turn = peer.hears("run_turn").await;
    for (seq, mut event) in [
        json!({ "type": "turn_started", "clientTurnId": turn["clientTurnId"] }),
        json!({ "type": "text_delta", "text": "Looking" }),
        json!({ "type": "tool_call", "toolCallId": "c", "toolName": "read", "args": { "path": "src/auth.ts" } }),
        json!({ "type": "tool_result", "toolCallId": "c", "status": "success", "output": "…" }),
        end,
    ]
    .into_iter()
    .enumerate()
    {
        event["sessionId"] = "s-1".into();
        event["turnId"] = "t-1".into();
        event["seq"] = (seq + 1).into();
        event["ts"] = 1.into();
        peer.says(event).await;
    }
    while let Some(Ok(_)) = peer.0.next().await {} // until it parts
    turn
}

#[tokio::test]
async fn the_example_runs_from_its_first_line_to_its_last() {
    for end in
        [json!({ "type": "turn_complete", "finalText": "Looking" }), json!({ "type": "turn_error", "message": "no" })]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("ws://{}/ws", listener.local_addr().expect("it listens"));
        let options = ClientOptions { token: "a-token".into(), ..ClientOptions::new(url) };
        let (outcome, turn) = tokio::join!(example::run(options), play(listener, end));
        outcome.expect("the example ends well");
        assert_eq!(turn["text"], "Fix the authentication bug in src/auth.ts");
    }
}
