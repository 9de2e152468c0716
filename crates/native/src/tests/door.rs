//! A server with the door on loopback, and clients that talk to it as anybody would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rejoin_ports::clock::HandClock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fake::{Fake, NOW};
use crate::{Hangup, Limits, Options, router};

/// Nothing that a test waits for takes this long.
pub(super) const SOON: Duration = Duration::from_secs(120);

pub(super) struct Door {
    pub(super) fake: Fake,
    pub(super) clock: HandClock,
    pub(super) stop: CancellationToken,
    /// Sockets, and streams that are watched.
    pub(super) tasks: TaskTracker,
    pub(super) address: SocketAddr,
    /// How many connections there are.
    pub(super) open: watch::Receiver<usize>,
    pub(super) http: reqwest::Client,
}

pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
    /// Status and code of a problem document, which it must be.
    pub(super) fn problem(&self) -> (u16, String) {
        let kind = self.headers.get("content-type").map(|kind| kind.to_str().unwrap());
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(kind, Some("application/problem+json"), "{} {text}", self.status);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{text}");
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{text}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{text}");
        let code = problem["code"].as_str().unwrap().to_owned();
        assert!(crate::CODES.iter().any(|known| known.code == code), "{code} is in no table");
        (self.status.as_u16(), code)
    }
}

/// `(status, code)`, as [`Got::problem`] gives it.
pub(super) fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

impl Door {
    pub(super) async fn open() -> Door {
        Door::with(Limits::default()).await
    }

    pub(super) async fn with(limits: Limits) -> Door {
        let fake = Fake::new();
        let clock = HandClock::at(NOW);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let options = Options {
            limits,
            clock: Arc::new(clock.clone()),
            stop: stop.clone(),
            tasks: tasks.clone(),
            ..Options::default()
        };
        let router = router(fake.gateway(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        let count = Arc::new(count);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let hangup = CancellationToken::new();
                let router = router
                    .clone()
                    .layer(axum::Extension(Hangup(hangup.clone())))
                    .layer(axum::Extension(ConnectInfo(peer)));
                let service = TowerToHyperService::new(router);
                let http = hyper::server::conn::http1::Builder::new();
                let connection = http.serve_connection(TokioIo::new(stream), service);
                let count = count.clone();
                count.send_modify(|count| *count += 1);
                tokio::spawn(async move {
                    tokio::select! {
                        outcome = connection.with_upgrades() => drop(outcome),
                        () = hangup.cancelled() => {}
                    }
                    count.send_modify(|count| *count -= 1);
                });
            }
        });
        Door { fake, clock, stop, tasks, address, open, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.request(method, url).timeout(SOON)
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let answer = request.send().await.unwrap();
        Got { status: answer.status(), headers: answer.headers().clone(), body: answer.bytes().await.unwrap().to_vec() }
    }

    /// As Ada, who owns everything at home.
    pub(super) async fn get(&self, path: &str) -> Got {
        self.asks("ada", Method::GET, path, None).await
    }

    pub(super) async fn asks(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Got {
        let request = self.request(method, &format!("/api/v1{path}")).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.send(request).await
    }

    /// Makes a session `id` of Ada's.
    pub(super) async fn create(&self, id: &str) {
        let body = json!({ "id": id, "agent": "echo" });
        let made = self.asks("ada", Method::POST, "/sessions", Some(body)).await;
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    }

    pub(super) async fn run(&self, session: &str, command: Value) -> Got {
        let path = format!("/sessions/{session}/commands");
        self.asks("ada", Method::POST, &path, Some(command)).await
    }

    /// Opens an event stream.
    pub(super) async fn listen(&self, path: &str) -> Stream {
        let request = self
            .http
            .get(format!("http://{}/api/v1{path}", self.address))
            .bearer_auth("ada")
            .header("accept", "text/event-stream");
        Stream::of(request.send().await.unwrap())
    }

    pub(super) async fn socket(&self, path: &str) -> Ws {
        let url = format!("ws://{}/api/v1{path}", self.address);
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Ws { socket }
    }

    /// Writes bytes as they are, and reads until the server closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut out = Vec::new();
        let read = tokio::time::timeout(SOON, stream.read_to_end(&mut out)).await;
        // The server may reset a connection whose bytes it did not want.
        let _ = read.expect("the server neither answers nor closes");
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sse {
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

pub(super) struct Stream {
    pub(super) response: reqwest::Response,
    buffer: String,
}

impl Stream {
    pub(super) fn of(response: reqwest::Response) -> Stream {
        Stream { response, buffer: String::new() }
    }

    /// The next block, whatever it is; `None` at the end.
    pub(super) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block = self.buffer[..end].to_owned();
                self.buffer.drain(..end + 2);
                return Some(block);
            }
            let chunk = tokio::time::timeout(SOON, self.response.chunk()).await;
            let chunk = chunk.expect("a stream is silent").unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event; comments and hints are passed over.
    pub(super) async fn next(&mut self) -> Option<Sse> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let mut lines = block.lines();
                lines.find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
            };
            if let Some(data) = field("data:") {
                return Some(Sse {
                    name: field("event:"),
                    id: field("id:"),
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
        }
    }
}

/// A client of a socket.
pub(super) struct Ws {
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl Ws {
    pub(super) async fn says(&mut self, message: Value) {
        self.says_text(&message.to_string()).await;
    }
    pub(super) async fn says_text(&mut self, message: &str) {
        let message = Message::text(message.to_owned());
        self.socket.send(message).await.unwrap();
    }
    /// The next message that is one; pings and pongs are passed over. A close is its code and reason.
    pub(super) async fn hears(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let next = tokio::time::timeout(SOON, self.socket.next()).await;
            match next.expect("a socket is silent") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(close)))) => {
                    return Err((close.code.into(), close.reason.to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err((0, error.to_string())),
                None => return Err((0, "it is gone".into())),
            }
        }
    }
    /// The next message, which is of this kind.
    pub(super) async fn hears_a(&mut self, kind: &str) -> Value {
        let heard = self.hears().await.unwrap_or_else(|end| panic!("{kind} was wanted: {end:?}"));
        heard.get(kind).cloned().unwrap_or_else(|| panic!("{kind} was wanted: {heard}"))
    }
    /// Everything up to and with the first message of this kind.
    pub(super) async fn hears_until(&mut self, kind: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let heard = self.hears().await;
            let heard = heard.unwrap_or_else(|end| panic!("{kind} was wanted: {end:?} after {all:?}"));
            let found = heard.get(kind).is_some();
            all.push(heard);
            if found {
                return all;
            }
        }
    }
}
