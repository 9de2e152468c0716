//! From an HTTP request to a socket that is ours.

use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{
    CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_util::task::TaskTracker;
use tungstenite::handshake::derive_accept_key;

use crate::decoder::Limits;
use crate::socket::Socket;
use crate::wire::Wire;

/// How long the 101 may take to leave. Until then hyper's buffers are still held.
const SWITCHING: Duration = Duration::from_secs(10);

/// A valid request to become a WebSocket; an axum extractor.
///
/// The server must drive the connection with upgrades, and should do it over a
/// `TokioIo<TcpStream>`; see [`Wire`].
#[derive(Debug)]
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    key: HeaderValue,
    protocols: Vec<String>,
}

/// How a door takes a socket.
#[derive(Debug, Clone)]
pub struct Accept {
    limits: Limits,
    protocol: Option<String>,
    send_buffer: Option<usize>,
    tasks: TaskTracker,
}

impl Accept {
    pub fn new(limits: Limits) -> Accept {
        Accept { limits, protocol: None, send_buffer: None, tasks: TaskTracker::new() }
    }

    /// The sub-protocol to answer with, if the client offered it. Browsers hang up on any other.
    pub fn protocol(self, name: impl Into<String>) -> Accept {
        Accept { protocol: Some(name.into()), ..self }
    }

    /// See [`Writing::set_send_buffer`](crate::Writing::set_send_buffer).
    pub fn send_buffer(self, bytes: usize) -> Accept {
        Accept { send_buffer: Some(bytes), ..self }
    }

    /// Who knows of the connection's task, so that a stop can wait for it.
    pub fn tracked_by(self, tasks: &TaskTracker) -> Accept {
        Accept { tasks: tasks.clone(), ..self }
    }
}

impl Upgrade {
    /// The sub-protocols that the client offered, in its order.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(String::as_str)
    }

    /// Answers 101, and runs `serve` with the socket in a task of its own once hyper let go of it.
    ///
    /// No extension is ever agreed on: a compressed frame would not be the same for every reader.
    pub fn accept<F, Fut>(self, how: Accept, serve: F) -> Response
    where
        F: FnOnce(Socket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::from_str(&derive_accept_key(self.key.as_bytes()));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept.expect("base64 is a header value"));
        let chosen = how.protocol.as_ref().filter(|name| self.protocols.contains(name));
        if let Some(Ok(name)) = chosen.map(|name| HeaderValue::from_str(name)) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
        }

        let on_upgrade = self.on_upgrade;
        how.tasks.spawn(async move {
            if let Some(socket) = switched(on_upgrade, how.limits, how.send_buffer).await {
                serve(socket).await;
            }
        });
        response
    }
}

async fn switched(on: OnUpgrade, limits: Limits, send_buffer: Option<usize>) -> Option<Socket> {
    let upgraded = match tokio::time::timeout(SWITCHING, on).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => {
            tracing::debug!(%error, "websocket: switching protocols");
            return None;
        }
        Err(_) => {
            tracing::debug!("websocket: switching protocols took too long");
            return None;
        }
    };
    let (wire, early) = Wire::of(upgraded);
    let socket = Socket::new(wire, early, limits);
    if let Some(bytes) = send_buffer
        && let Err(error) = socket.writing.set_send_buffer(bytes)
    {
        tracing::debug!(%error, "websocket: bounding the send buffer");
    }
    Some(socket)
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = NotAnUpgrade;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Upgrade, NotAnUpgrade> {
        let headers = &parts.headers;
        if !names(headers, CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade"))
            || !names(headers, UPGRADE).any(|name| name.eq_ignore_ascii_case("websocket"))
        {
            return Err(NotAnUpgrade::Plain);
        }
        if parts.method != Method::GET {
            return Err(NotAnUpgrade::Method);
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(NotAnUpgrade::Version);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
        let key = key.cloned().ok_or(NotAnUpgrade::Key)?;
        let protocols = names(headers, SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        let on_upgrade = parts.extensions.remove().ok_or(NotAnUpgrade::Unable)?;
        Ok(Upgrade { on_upgrade, key, protocols })
    }
}

/// The names of a header that is a list, over all its lines.
fn names(headers: &HeaderMap, header: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

/// Why a request does not become a WebSocket. As an answer, a problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnUpgrade {
    #[error("this path speaks WebSocket only")]
    Plain,
    #[error("a WebSocket begins with a GET")]
    Method,
    #[error("only version 13 of WebSocket is spoken here")]
    Version,
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    #[error("this connection cannot switch protocols")]
    Unable,
}

impl NotAnUpgrade {
    fn status(self) -> StatusCode {
        match self {
            NotAnUpgrade::Plain | NotAnUpgrade::Version | NotAnUpgrade::Unable => StatusCode::UPGRADE_REQUIRED,
            NotAnUpgrade::Method | NotAnUpgrade::Key => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for NotAnUpgrade {
    fn into_response(self) -> Response {
        let status = self.status();
        let (number, title) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
        let code = match status {
            StatusCode::UPGRADE_REQUIRED => "upgrade_required",
            _ => "bad_upgrade",
        };
        // All of our own words, none of which needs escaping.
        let body = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{number},"code":"{code}","detail":"{self}"}}"#
        );
        let problem = (status, [(CONTENT_TYPE, "application/problem+json")]);
        if status != StatusCode::UPGRADE_REQUIRED {
            return (problem.0, problem.1, body).into_response();
        }
        let wanted = [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
        (problem.0, problem.1, wanted, body).into_response()
    }
}
