//! A gateway that is no gateway: it says on its socket what a script tells it to, and breaks off where the script says.
//! It is written from the wire's description alone and shares no code with the real one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, http};

/// What happens on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// Answer the handshake with this status instead.
    pub(crate) status: Option<u16>,
    /// Before anything is told, the log begins another life.
    pub(crate) new_life: bool,
    /// How many events are told once more.
    pub(crate) repeat: u64,
    /// How many events are told.
    pub(crate) tell: usize,
    /// How many commands are taken then.
    pub(crate) take: usize,
    /// What becomes of the last of them.
    pub(crate) fate: Fate,
    pub(crate) cut: Cut,
}

/// What becomes of the last command of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Fate {
    #[default]
    Answered,
    /// It arrived, and was not done.
    LostBefore,
    /// It was done, and nobody was told.
    LostAfter,
    /// It is refused, because the gateway stops.
    Postponed,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Cut {
    /// The cable is pulled.
    #[default]
    Dropped,
    /// In the middle of a frame.
    MidFrame,
    Close(u16),
    /// The session is deleted, and the socket says so.
    Deleted,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) epoch: u64,
    /// Texts of events; the event at `n` has the number `base + n + 1`.
    log: Vec<String>,
    base: u64,
    /// Ids of commands, in the order in which they were done.
    pub(crate) done: Vec<String>,
    receipts: HashMap<String, u64>,
    script: std::collections::VecDeque<Connection>,
    /// Commands that will come in the end.
    expected: usize,
    pub(crate) connections: usize,
    pub(crate) heads: Vec<Vec<(String, String)>>,
    pub(crate) queries: Vec<String>,
}

impl State {
    pub(crate) fn tip(&self) -> u64 {
        self.base + self.log.len() as u64
    }
    pub(crate) fn position(&self) -> String {
        self.at(self.tip())
    }
    fn at(&self, seq: u64) -> String {
        format!("{:x}.{seq}", self.epoch)
    }
    fn event(&self, seq: u64) -> Value {
        json!({ "event": {
            "epoch": format!("{:x}", self.epoch), "seq": seq, "at": 5,
            "author": { "user": "u", "door": "native" },
            "type": "steered", "turn": "t", "text": self.log[(seq - self.base - 1) as usize],
        } })
    }
    fn view(&self) -> Value {
        json!({
            "session": {
                "id": "s", "tenant": "t", "createdBy": "u", "kind": "hosted", "agent": "echo", "title": null,
                "status": "idle", "archived": false, "createdAt": 1, "updatedAt": 1, "lastActivityAt": null,
                "turns": 0, "usage": { "input": 0, "output": 0 },
            },
            "config": {}, "position": self.position(), "asks": [], "queue": [],
            "control": { "status": "free" }, "recent": [], "more": false,
        })
    }
    fn execute(&mut self, id: &str) -> u64 {
        if let Some(seq) = self.receipts.get(id) {
            return *seq;
        }
        self.log.push(id.to_owned());
        self.done.push(id.to_owned());
        let tip = self.tip();
        self.receipts.insert(id.to_owned(), tip);
        tip
    }
}

#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Scripted {
    /// A session with `events` in its log, to which `expected` commands will be given.
    pub(crate) async fn start(events: usize, expected: usize, script: Vec<Connection>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            epoch: 0xa,
            log: (1..=events).map(|n| format!("event {n}")).collect(),
            script: script.into(),
            expected,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let (serving, door) = (state.clone(), url.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
            drop(door);
        });
        Scripted { url, state }
    }
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }
}

/// Why a connection is over: the client went, or the script said so.
struct Gone;

type Socket = WebSocketStream<TcpStream>;

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = [0; 512];
    let read = stream.peek(&mut head).await.unwrap_or(0);
    if !String::from_utf8_lossy(&head[..read]).contains("/socket?") {
        let body = state.lock().unwrap().view().to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let plan = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        state.script.pop_front()
    };
    let mut after = (None, 0);
    let seen = state.clone();
    let status = plan.as_ref().and_then(|plan| plan.status);
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let hear = |request: &Request, response: Response| {
        let mut seen = seen.lock().unwrap();
        let query = request.uri().query().unwrap_or_default().to_owned();
        after = read_after(&query);
        seen.queries.push(query);
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = value.to_str().unwrap_or_default().to_owned();
            (name.to_string(), value)
        };
        seen.heads.push(request.headers().iter().map(header).collect());
        match status {
            None => Ok(response),
            Some(status) => {
                let body = format!(r#"{{"status":{status},"code":"said_{status}","detail":"no"}}"#);
                let mut refused = ErrorResponse::new(Some(body));
                *refused.status_mut() = http::StatusCode::from_u16(status).unwrap();
                Err(refused)
            }
        }
    };
    if let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, hear).await {
        let _ = follow_script(&mut socket, &state, plan, after).await;
    }
}

fn read_after(query: &str) -> (Option<u64>, u64) {
    let after = query.split('&').find_map(|pair| pair.strip_prefix("after=")).unwrap_or("0");
    match after.split_once('.') {
        Some((epoch, seq)) => (Some(u64::from_str_radix(epoch, 16).unwrap()), seq.parse().unwrap()),
        None => (None, after.parse().unwrap()),
    }
}

async fn follow_script(
    socket: &mut Socket,
    state: &Mutex<State>,
    plan: Option<Connection>,
    (epoch, after): (Option<u64>, u64),
) -> Result<(), Gone> {
    let mut told = after;
    let first = {
        let mut state = state.lock().unwrap();
        if plan.as_ref().is_some_and(|plan| plan.new_life) {
            state.epoch += 1;
            state.base = state.tip() + 10;
            state.log.clear();
        }
        let foreign = epoch.is_some_and(|epoch| epoch != state.epoch) || after < state.base;
        foreign.then(|| {
            told = state.tip();
            json!({ "gap": { "snapshot": state.view() } })
        })
    };
    if let Some(gap) = first {
        say(socket, gap).await?;
    }
    let Some(plan) = plan else {
        return behave(socket, state, told).await;
    };
    // What is told once more must be of this life, or it would be another's.
    let base = state.lock().unwrap().base;
    let mut next = told.saturating_sub(plan.repeat).max(base) + 1;
    for _ in 0..plan.tell {
        let Some(event) = event_at(state, next) else {
            break;
        };
        say(socket, event).await?;
        next += 1;
    }
    told = (next - 1).max(told);
    for number in 1..=plan.take {
        let left = {
            let state = state.lock().unwrap();
            state.expected - state.done.len()
        };
        if left == 0 {
            break;
        }
        let Some(id) = command(socket).await? else {
            break;
        };
        let last = number == plan.take;
        match plan.fate {
            Fate::LostBefore if last => break,
            Fate::LostAfter if last => {
                state.lock().unwrap().execute(&id);
                break;
            }
            Fate::Postponed if last => {
                let refused = json!({ "id": id, "code": "stopping", "detail": "stopping", "status": 503 });
                say(socket, json!({ "refused": refused })).await?;
            }
            _ => told = answer(socket, state, &id, told).await?,
        }
    }
    match plan.cut {
        Cut::Dropped => {}
        Cut::MidFrame => {
            let half = [0x81, 100, b'{', b'"'];
            let _ = socket.get_mut().write_all(&half).await;
        }
        Cut::Close(code) => {
            let frame = CloseFrame { code: code.into(), reason: "".into() };
            let _ = socket.close(Some(frame)).await;
            while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
        }
        Cut::Deleted => say(socket, json!({ "deleted": true })).await?,
    }
    Ok(())
}

/// A gateway without faults, for the rest of the test.
async fn behave(socket: &mut Socket, state: &Mutex<State>, mut told: u64) -> Result<(), Gone> {
    told = tell_all(socket, state, told).await?;
    let position = state.lock().unwrap().position();
    say(socket, json!({ "caughtUp": { "position": position } })).await?;
    while let Some(id) = command(socket).await? {
        told = answer(socket, state, &id, told).await?;
    }
    Ok(())
}

/// Does a command and answers it, behind the events that lead to the answer.
async fn answer(socket: &mut Socket, state: &Mutex<State>, id: &str, told: u64) -> Result<u64, Gone> {
    let (seq, at) = {
        let mut state = state.lock().unwrap();
        let seq = state.execute(id);
        (seq, state.at(seq))
    };
    let told = tell_all(socket, state, told).await?;
    assert!(told >= seq);
    say(socket, json!({ "ack": { "id": id, "position": at } })).await?;
    Ok(told)
}

async fn tell_all(socket: &mut Socket, state: &Mutex<State>, mut told: u64) -> Result<u64, Gone> {
    while let Some(event) = event_at(state, told + 1) {
        say(socket, event).await?;
        told += 1;
    }
    Ok(told)
}

fn event_at(state: &Mutex<State>, seq: u64) -> Option<Value> {
    let state = state.lock().unwrap();
    (seq > state.base && seq <= state.tip()).then(|| state.event(seq))
}

/// The next command's id.
async fn command(socket: &mut Socket) -> Result<Option<String>, Gone> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if let Some(id) = frame["command"]["id"].as_str() {
                    return Ok(Some(id.to_owned()));
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(Gone),
        }
    }
}

async fn say(socket: &mut Socket, frame: Value) -> Result<(), Gone> {
    let frame = Message::text(frame.to_string());
    socket.send(frame).await.map_err(|_| Gone)
}
