//! A model that says what a script tells it to, over the three wires that agents know: chat completions, responses and
//! messages. Agents of flesh and blood are tried against it without a network.
//!
//! A [`Script`] is chosen by a word in the conversation, and which of its replies comes is a matter of how many tool results the
//! conversation has: so agents may ask for titles and summaries in between, and ask again after a failure, and still get what
//! belongs to where they are.

mod chat;
mod messages;
mod responses;
mod script;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use script::{Reply, Script, Step};

/// The longest request that is taken: agents send their whole conversation each time.
const LONGEST: usize = 64 << 20;

/// Which of the wires a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Chat,
    Responses,
    Messages,
}

/// A model server on a port of its own. Dropping it ends it.
pub struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stopped_when_dropped: DropGuard,
}

struct Shared {
    scripts: Vec<Script>,
    /// What was asked, in order.
    asked: Mutex<Vec<(Wire, Value)>>,
    /// Replies that stall go on once this is true.
    released: watch::Sender<bool>,
}

impl Model {
    pub async fn start(scripts: Vec<Script>) -> std::io::Result<Model> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { scripts, asked: Mutex::default(), released: watch::Sender::new(false) });
        let routes = Router::new()
            .route("/v1/chat/completions", post(async |state, request| serve(Wire::Chat, state, request).await))
            .route("/v1/responses", post(async |state, request| serve(Wire::Responses, state, request).await))
            .route("/v1/messages", post(async |state, request| serve(Wire::Messages, state, request).await))
            .route("/v1/messages/count_tokens", post(async || axum::Json(json!({ "input_tokens": 10 }))))
            .route("/v1/models", get(async || axum::Json(models())))
            .with_state(shared.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, routes).into_future() => drop(served),
                () = stopped.cancelled() => {}
            }
        });
        Ok(Model { address, shared, _stopped_when_dropped: stop.drop_guard() })
    }

    /// Where it is, without a path. Most agents want `/v1` behind it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<(Wire, Value)> {
        self.shared.asked.lock().expect("no holder of this lock panics").clone()
    }
    /// Lets replies go on that stall.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

fn models() -> Value {
    json!({ "object": "list", "data": [{ "id": "scripted", "object": "model", "created": 1, "owned_by": "rejoin" }] })
}

async fn serve(wire: Wire, State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let body = match axum::body::to_bytes(request.into_body(), LONGEST).await {
        Ok(body) => body,
        Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "that is not JSON").into_response();
    };
    let reply = script::reply(&shared.scripts, wire, &asked);
    let streams = asked.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let model = asked.get("model").and_then(Value::as_str).unwrap_or("scripted").to_owned();
    shared.asked.lock().expect("no holder of this lock panics").push((wire, asked));
    if let Some((status, message)) = reply.error() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error = json!({ "type": "error", "error": { "type": "scripted_error", "message": message } });
        return (status, axum::Json(error)).into_response();
    }
    if !streams {
        let whole = match wire {
            Wire::Chat => chat::whole(&reply, &model),
            Wire::Responses => responses::whole(&reply, &model),
            Wire::Messages => messages::whole(&reply, &model),
        };
        return axum::Json(whole).into_response();
    }
    let pieces = match wire {
        Wire::Chat => chat::pieces(&reply, &model),
        Wire::Responses => responses::pieces(&reply, &model),
        Wire::Messages => messages::pieces(&reply, &model),
    };
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(told(pieces, shared.released.subscribe())))
        .into_response()
}

/// A piece of a streamed answer.
enum Piece {
    Text(String),
    /// Nothing comes until the test says so.
    Stall,
    /// The connection breaks.
    Cut,
}

impl Piece {
    fn event(name: &str, data: &Value) -> Piece {
        Piece::Text(format!("event: {name}\ndata: {data}\n\n"))
    }
    fn data(data: &Value) -> Piece {
        Piece::Text(format!("data: {data}\n\n"))
    }
}

fn told(
    pieces: Vec<Piece>,
    released: watch::Receiver<bool>,
) -> impl futures_util::Stream<Item = Result<Bytes, Broken>> + Send {
    stream::unfold((pieces.into_iter(), released), |(mut pieces, mut released)| async move {
        loop {
            match pieces.next()? {
                Piece::Text(text) => return Some((Ok(Bytes::from(text)), (pieces, released))),
                Piece::Stall => {
                    let _ = released.wait_for(|released| *released).await; // a test that is over releases as well
                }
                Piece::Cut => return Some((Err(Broken), (pieces, released))),
            }
        }
    })
}

/// The script breaks the connection.
#[derive(Debug, thiserror::Error)]
#[error("the script says so")]
struct Broken;
