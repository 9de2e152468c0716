//! Connections: taken, bounded, served, and in the end let go.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rejoin_native::Hangup;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::connections::{Connections, Counted};
use super::patience::Patience;
use super::peer::Proxies;
use crate::config::Limits;

/// Bytes of a connection's buffer, and so of a request's head: room for a token of 8 KiB and what stands around it.
const BUFFER: usize = 16 << 10;
/// Connections that the system holds until we take them.
const BACKLOG: i32 = 1_024;
/// Pause when the system has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// What a connection too many is told. Written at once, or not at all.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 128\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"too_many_connections\",\"detail\":\"try again in a second\"}";

/// A bound socket, and what becomes of connections to it.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// What every connection shares.
#[derive(Clone)]
struct Shared {
    app: Router,
    limits: Limits,
    proxies: Proxies,
    connections: Connections,
    /// Finish the request under way, take no other.
    drain: CancellationToken,
    /// Let go now.
    end: CancellationToken,
}

/// A listener at work.
pub struct Serving {
    shared: Shared,
    tasks: TaskTracker,
}

impl Listener {
    /// Binds at once, so that whoever comes early waits instead of being turned away.
    pub async fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        // A restart must not wait for connections of the process before.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG as u32)?;
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer.
    pub fn serve(self, app: Router, limits: Limits, proxies: Proxies, connections: Connections) -> Serving {
        let (drain, end) = (CancellationToken::new(), CancellationToken::new());
        let shared = Shared { app, limits, proxies, connections, drain, end };
        let tasks = TaskTracker::new();
        tasks.spawn(accept(self.socket, shared.clone(), tasks.clone()));
        Serving { shared, tasks }
    }
}

impl Serving {
    /// Takes no more connections, lets requests under way finish until `deadline`, then lets all go.
    pub async fn drain(self, deadline: Duration) {
        self.shared.drain.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = self.shared.connections.http(),
                "connections are cut: they did not end in time"
            );
            self.shared.end.cancel();
            self.tasks.wait().await;
        }
    }
}

async fn accept(socket: TcpListener, shared: Shared, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = shared.drain.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match shared.connections.admit() {
                Some(counted) => drop(tasks.spawn(connection(stream, peer, shared.clone(), counted))),
                None => turn_away(&stream, peer),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "taking a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whoever connected has gone again; the next one may not have.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn turn_away(stream: &TcpStream, peer: SocketAddr) {
    tracing::debug!(%peer, "a connection too many");
    // A fresh socket has room for this; a client that sees only the end has been told enough.
    let _ = stream.try_write(TOO_MANY);
}

async fn connection(stream: TcpStream, peer: SocketAddr, shared: Shared, _counted: Counted) {
    // Buffers and hyper's state only for those who say something: a silent connection costs a descriptor and a small task.
    tokio::select! {
        readable = tokio::time::timeout(shared.limits.head, stream.readable()) => {
            if !matches!(readable, Ok(Ok(()))) { return }
        }
        () = shared.drain.cancelled() => return,
    }
    Box::pin(speak(stream, peer, shared)).await;
}

/// HTTP on one connection, until it ends or becomes something else.
async fn speak(stream: TcpStream, peer: SocketAddr, shared: Shared) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "switching off Nagle's algorithm");
    }
    let patience = Patience::new(shared.limits.head, shared.limits.idle);
    let hangup = CancellationToken::new();
    let service = {
        let (patience, hangup, shared) = (patience.clone(), hangup.clone(), shared.clone());
        service_fn(move |request: Request<Incoming>| {
            patience.is_used();
            let mut request = request.map(Body::new);
            let client = shared.proxies.client(peer, request.headers());
            request.extensions_mut().insert(ConnectInfo(client));
            request.extensions_mut().insert(Hangup(hangup.clone()));
            let mut app = shared.app.clone();
            async move { Ok::<_, Infallible>(app.call(request).await.unwrap_or_else(|never| match never {})) }
        })
    };
    let connection = http1::Builder::new()
        .timer(patience)
        .header_read_timeout(shared.limits.head)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            done = connection.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(%peer, %error, "a connection ended");
                }
                return;
            }
            () = shared.drain.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = hangup.cancelled() => return,
            () = shared.end.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TOO_MANY;

    #[test]
    fn the_answer_to_one_too_many_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
