//! A raw WebSocket peer: it sends what it is told to, and knows nothing of the dialect but what its tests say.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use rejoin_ports::clock::HandClock;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::frames::{clipped, kind, numbered, text};
use crate::gateway::PATIENCE;
use crate::rules::Rules;

/// Frames that a failure shows.
const SHOWN: usize = 40;
/// Messages after which a peer lets the window of the limit (60 in 10 s) pass.
const PACE: u32 = 50;
const WINDOW_MS: u64 = 10_001;

pub(crate) struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    clock: HandClock,
    /// Messages sent in this window; `None`: nobody counts.
    paced: Option<u32>,
    /// Heard while an answer was waited for.
    waiting: VecDeque<Value>,
    rules: Rules,
    /// The newest lines of the conversation.
    log: VecDeque<String>,
    marks: u64,
}

enum Heard {
    Frame(Value),
    Closed(Option<u16>),
}

impl Peer {
    /// Upgrades with more headers, or says how that was refused.
    pub(crate) async fn dial(url: &str, headers: &[(&str, &str)], clock: HandClock) -> Result<Peer, Response> {
        Peer::upgrade(url, headers, clock).await.map(|(peer, _)| peer)
    }

    /// The same, with the answer to the upgrade.
    pub(crate) async fn upgrade(
        url: &str,
        headers: &[(&str, &str)],
        clock: HandClock,
    ) -> Result<(Peer, Response), Response> {
        let mut request = url.into_client_request().expect("a URL of ours");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        let dialled = tokio::time::timeout(PATIENCE, connect_async_with_config(request, None, true)).await;
        let (socket, answer) = match dialled.expect("an answer to the upgrade") {
            Ok(done) => done,
            Err(Error::Http(answer)) => return Err(*answer),
            Err(error) => panic!("the upgrade failed: {error}"),
        };
        let peer = Peer {
            socket,
            clock,
            paced: Some(0),
            waiting: VecDeque::new(),
            rules: Rules::default(),
            log: VecDeque::new(),
            marks: 0,
        };
        Ok((peer, answer))
    }

    /// From here on it sends as fast as it is told to.
    pub(crate) fn hurries(&mut self) {
        self.paced = None;
    }

    pub(crate) async fn says(&mut self, frame: Value) {
        self.sends(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn sends(&mut self, message: Message) {
        if let Some(sent) = &mut self.paced {
            if *sent == PACE {
                self.clock.advance(WINDOW_MS);
                *sent = 0;
            }
            *sent += 1;
        }
        self.note("→", &message.to_string());
        let sent = tokio::time::timeout(PATIENCE, self.socket.send(message)).await;
        sent.unwrap_or_else(|_| self.fail("sending hangs"))
            .unwrap_or_else(|error| self.fail(&format!("sending: {error}")));
    }

    /// Sends something that the other end may cut off.
    pub(crate) async fn tries(&mut self, message: Message) {
        self.note("→", &message.to_string());
        let sent = tokio::time::timeout(PATIENCE, self.socket.send(message)).await;
        let _cut_off = sent.unwrap_or_else(|_| self.fail("sending hangs"));
    }

    /// The next frame, whatever it is.
    pub(crate) async fn hears(&mut self) -> Value {
        self.next("any frame").await
    }

    /// The next frame of this type; what comes before it is passed over.
    pub(crate) async fn hears_a(&mut self, name: &str) -> Value {
        loop {
            let frame = self.next(name).await;
            if kind(&frame) == name {
                return frame;
            }
        }
    }

    /// Everything up to the first frame for which `is_it` holds, and that frame.
    pub(crate) async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next(what).await;
            let found = is_it(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    /// Everything up to the first frame of this type, which is the last.
    pub(crate) async fn until_a(&mut self, name: &str) -> Vec<Value> {
        self.until(name, |frame| kind(frame) == name).await
    }

    /// Everything up to the end of a turn of this session, and until the session rests.
    pub(crate) async fn until_rest(&mut self, session: &str) -> Vec<Value> {
        let (mut frames, mut ended) = (Vec::new(), false);
        let mut status = String::new();
        loop {
            let frame = self.next("the end of a turn").await;
            if frame["sessionId"] == session {
                ended |= matches!(kind(&frame), "turn_complete" | "turn_error");
                if kind(&frame) == "session_state" {
                    status = text(&frame, "status").to_owned();
                }
            }
            frames.push(frame);
            if ended && matches!(status.as_str(), "ready" | "error" | "inactive") {
                return frames;
            }
        }
    }

    /// Runs a turn to its end and gives back what was heard of it.
    pub(crate) async fn turn(&mut self, session: &str, prompt: &str) -> Vec<Value> {
        self.runs(session, prompt).await;
        self.until_rest(session).await
    }

    pub(crate) async fn runs(&mut self, session: &str, prompt: &str) {
        self.says(json!({ "type": "run_turn", "sessionId": session, "text": prompt })).await;
    }

    /// Asks something that has a direct answer, and gives that back. What else comes is heard later.
    pub(crate) async fn asks(&mut self, request: Value) -> Value {
        let answers = answers(text(&request, "type"));
        let name = text(&request, "type").to_owned();
        self.says(request.clone()).await;
        let mut others = std::mem::take(&mut self.waiting);
        loop {
            let frame = self.next(&format!("an answer to {name}")).await;
            if answers.contains(&kind(&frame)) && concerns(&frame, &request) {
                others.append(&mut self.waiting);
                self.waiting = others;
                return frame;
            }
            if kind(&frame) == "error" {
                self.fail(&format!("{name} is refused"));
            }
            others.push_back(frame);
        }
    }

    /// Sends something that must be refused, and gives back the error. What else comes is heard later.
    pub(crate) async fn refused(&mut self, request: Value) -> Value {
        self.says(request).await;
        self.error().await
    }

    /// The error that the last message caused.
    pub(crate) async fn error(&mut self) -> Value {
        let mut frames = self.settles().await;
        let Some(place) = frames.iter().position(|frame| kind(frame) == "error") else {
            self.fail("an error was waited for, and did not come");
        };
        let error = frames.remove(place);
        if frames.iter().any(|frame| kind(frame) == "error") {
            self.fail("one message caused two errors");
        }
        self.waiting.extend(frames);
        error
    }

    /// Everything that was heard until the server had done all that it was sent.
    pub(crate) async fn settles(&mut self) -> Vec<Value> {
        self.marks += 1;
        let mark = self.marks;
        self.says(json!({ "type": "ping", "ts": mark })).await;
        let mut frames =
            self.until("a pong", |frame| kind(frame) == "pong" && frame["clientTs"].as_u64() == Some(mark)).await;
        frames.pop();
        frames
    }

    /// Waits for the end of the connection, and gives back its code.
    pub(crate) async fn closed(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut frames: Vec<_> = self.waiting.drain(..).collect();
        loop {
            match self.read("the end of the connection").await {
                Heard::Frame(frame) => frames.push(frame),
                Heard::Closed(code) => return (frames, code),
            }
        }
    }

    /// Closes in order.
    pub(crate) async fn goes(mut self) {
        let gone = tokio::time::timeout(PATIENCE, self.socket.close(None)).await;
        gone.unwrap_or_else(|_| self.fail("closing hangs"))
            .unwrap_or_else(|error| self.fail(&format!("closing: {error}")));
        self.closed().await;
    }

    pub(crate) async fn creates(&mut self, agent: &str) -> String {
        let name = format!("named {}", uuid::Uuid::now_v7()); // others create sessions, too, and everybody is told
        let told = self.asks(json!({ "type": "create_session", "agentType": agent, "name": name })).await;
        text(&told["session"], "id").to_owned()
    }

    /// Joins without a replay.
    pub(crate) async fn joins(&mut self, session: &str) -> Value {
        self.asks(json!({ "type": "join_session", "sessionId": session })).await
    }

    pub(crate) async fn joins_after(&mut self, session: &str, seq: u64) -> Value {
        self.asks(json!({ "type": "join_session", "sessionId": session, "afterSeq": seq })).await
    }

    /// Joins, and gives back the snapshot and the numbered events that are replayed.
    pub(crate) async fn replayed(&mut self, session: &str, after: u64) -> (Value, Vec<Value>) {
        let join =
            json!({ "type": "join_session", "sessionId": session, "afterSeq": after, "wantsReplayMarker": true });
        let snapshot = self.asks(join).await;
        let frames = self
            .until("the end of the replay", |frame| kind(frame) == "replay_complete" && frame["sessionId"] == *session)
            .await;
        (snapshot, numbered(&frames))
    }

    /// A new session of `script`, joined.
    pub(crate) async fn with_script(&mut self) -> String {
        let session = self.creates("script").await;
        self.joins(&session).await;
        session
    }

    /// All stored events of a session.
    pub(crate) async fn log_of(&mut self, session: &str) -> Vec<Value> {
        let asked = json!({ "type": "get_events", "sessionId": session, "afterSeq": 0, "limit": 1000 });
        let told = self.asks(asked).await;
        assert_eq!(told["hasMore"], false, "more than a page: {}", clipped(&told.to_string()));
        crate::frames::list(&told, "events").to_vec()
    }

    pub(crate) fn status(&self, session: &str) -> &str {
        self.rules.status(session)
    }

    async fn next(&mut self, what: &str) -> Value {
        if let Some(frame) = self.waiting.pop_front() {
            return frame;
        }
        match self.read(what).await {
            Heard::Frame(frame) => frame,
            Heard::Closed(code) => self.fail(&format!("closed with {code:?} while waiting for {what}")),
        }
    }

    async fn read(&mut self, what: &str) -> Heard {
        loop {
            let read = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let read = read.unwrap_or_else(|_| self.fail(&format!("waited in vain for {what}")));
            match read {
                Some(Ok(Message::Text(line))) => {
                    self.note("←", &line);
                    let frame: Value = match serde_json::from_str(&line) {
                        Ok(frame) => frame,
                        Err(error) => self.fail(&format!("the last frame is no JSON: {error}")),
                    };
                    if let Err(why) = self.rules.hear(&frame) {
                        self.fail(&format!("the last frame breaks a rule: {why}"));
                    }
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Close(close))) => return Heard::Closed(close.map(|close| close.code.into())),
                Some(Ok(Message::Binary(_))) => self.fail("a binary frame came"),
                Some(Ok(_)) => {} // pings are answered below us
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    fn note(&mut self, way: &str, line: &str) {
        if self.log.len() == SHOWN {
            self.log.pop_front();
        }
        self.log.push_back(format!("{way} {}", clipped(line)));
    }

    pub(crate) fn fail(&self, why: &str) -> ! {
        let log: Vec<_> = self.log.iter().map(|line| format!("\n  {line}")).collect();
        panic!("{why}; the conversation was:{}", log.concat());
    }
}

/// Whether an answer is about what was asked about: the same frames tell of what others do.
fn concerns(answer: &Value, request: &Value) -> bool {
    let named = request["name"].as_str().map(str::trim).filter(|name| !name.is_empty());
    let about = answer.get("sessionId").or_else(|| answer["session"].get("id"));
    let same_session = request.get("sessionId").is_none_or(|session| about == Some(session));
    same_session && named.is_none_or(|name| answer["session"]["name"] == *name)
}

/// What answers a request directly.
fn answers(request: &str) -> &'static [&'static str] {
    match request {
        "authenticate" => &["authenticated"],
        "list_sessions" => &["session_list"],
        "create_session" => &["session_created"],
        "rename_session" => &["session_updated"],
        "archive_session" => &["session_archived"],
        "unarchive_session" => &["session_unarchived"],
        "delete_session" => &["session_deleted"],
        "join_session" => &["state_snapshot"],
        "get_history" => &["history"],
        "get_events" => &["events"],
        "ping" => &["pong"],
        "list_files" => &["file_list"],
        "read_file" | "file_at_iteration" => &["file_content"],
        "file_history" => &["file_history_result"],
        "manage_members" => &["member_list", "member_updated", "member_removed"],
        other => panic!("{other} has no direct answer"),
    }
}
