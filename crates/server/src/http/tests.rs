//! Connections that behave badly, and a listener that stays calm.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use rejoin_socket::Origins;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::front::{Front, pass};
use super::*;
use crate::config::Limits;
use crate::metrics::Metrics;

/// Longer than anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

struct World {
    serving: Serving,
    address: std::net::SocketAddr,
    metrics: Arc<Metrics>,
    connections: Connections,
    /// Lets `/slow` go on.
    go_on: Arc<Notify>,
    /// Told when `/slow` has begun.
    begun: Arc<Notify>,
}

async fn world(limits: Limits) -> World {
    world_with(limits, Proxies::default(), None).await
}

async fn world_with(limits: Limits, proxies: Proxies, only_local_pages: Option<Origins>) -> World {
    let metrics = Arc::new(Metrics::new(vec!["internal", "origin_refused"]));
    let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, tell) = (go_on.clone(), begun.clone());
    let slow = get(async move || {
        tell.notify_one();
        wait.notified().await;
        "done"
    });
    let peer = get(async |ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>| peer.ip().to_string());
    let app = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/panics/{id}", get(async || -> &'static str { panic!("a test wants this") }))
        .route("/slow", slow)
        .route("/peer", peer)
        .layer(axum::middleware::from_fn_with_state(Front { metrics: metrics.clone(), only_local_pages }, pass));
    let connections = Connections::new(limits.connections, TaskTracker::new());
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    let serving = listener.serve(app, limits, proxies, connections.clone());
    World { serving, address, metrics, connections, go_on, begun }
}

impl World {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request on a connection of its own; the whole answer.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

/// What comes until the other end closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("it closes");
    if let Err(error) = read {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// One answer of a connection that stays open; its body has a known length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("it answers").unwrap();
        text.push(byte);
        let head = String::from_utf8_lossy(&text).to_lowercase();
        let Some((head, body)) = head.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
            return String::from_utf8_lossy(&text).into_owned();
        }
    }
}

fn get_of(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n")
}

#[tokio::test]
async fn answers_carry_a_request_id_and_headers_that_tie_a_browsers_hands() {
    let world = world(Limits::default()).await;
    let told = world.ask(&get_of("/hello?key=rjn_secret", "x-request-id: mine-1\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("hello"), "{told}");
    for header in
        ["x-request-id: mine-1", "x-content-type-options: nosniff", "x-frame-options: DENY", "cache-control: no-store"]
    {
        assert!(told.contains(&format!("{header}\r\n")), "{header}: {told}");
    }
    assert!(told.contains("content-security-policy: default-src 'none'"), "{told}");
    let minted = world.ask(&get_of("/hello", "")).await;
    assert!(minted.contains("x-request-id: "), "{minted}");
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_connection_goes_on() {
    let world = world(Limits::default()).await;
    let mut stream = world.connect().await;
    stream.write_all(b"GET /panics/7 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let told = answer(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 500 ") && told.contains("application/problem+json"), "{told}");
    assert!(told.contains(r#""code":"internal""#) && !told.contains("a test wants this"), "{told}");
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream).await.ends_with("hello"));
    let counted = world.metrics.text();
    assert!(counted.contains(r#"rejoin_errors_total{code="internal"} 1"#), "{counted}");
    assert!(counted.contains(r#"route="/panics/{id}",status="500""#), "{counted}");
}

#[tokio::test]
async fn whoever_says_nothing_or_half_of_it_is_let_go() {
    let limits = Limits { head: Duration::from_millis(200), idle: Duration::from_millis(400), ..Limits::default() };
    let world = world(limits).await;
    let mut silent = world.connect().await;
    let mut half = world.connect().await;
    half.write_all(b"GET /hello HTTP/1.1\r\nhost: loc").await.unwrap();
    let mut used = world.connect().await;
    used.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut used).await.ends_with("hello"));
    assert_eq!(rest(&mut silent).await, "");
    rest(&mut half).await;
    // The one that was used waited longer, and is let go as well.
    assert_eq!(rest(&mut used).await, "");
}

#[tokio::test]
async fn thousands_of_half_open_connections_keep_nobody_waiting() {
    let world = world(Limits::default()).await;
    let mut held = Vec::new();
    for _ in 0..400 {
        let mut stream = world.connect().await;
        stream.write_all(b"GET /hel").await.unwrap();
        held.push(stream);
    }
    let told = tokio::time::timeout(PATIENCE, world.ask(&get_of("/hello", ""))).await.unwrap();
    assert!(told.ends_with("hello"));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let world = world(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, _second) = (world.connect().await, world.connect().await);
    first.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut first).await.ends_with("hello"));
    let mut third = world.connect().await;
    let told = rest(&mut third).await;
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("too_many_connections"), "{told}");
    assert_eq!(world.connections.refused(), 1);
    // A place that is left is taken again.
    drop(first);
    let again = async {
        while !world.ask(&get_of("/hello", "")).await.ends_with("hello") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("there is room again");
}

#[tokio::test]
async fn a_head_that_never_ends_and_other_garbage_close_only_their_own_connection() {
    let world = world(Limits::default()).await;
    let long = format!("GET /hello HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 << 10));
    let told = world.ask(&long).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431 "), "{told}");
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /hello HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let told = world.ask(garbage).await;
        assert!(!told.starts_with("HTTP/1.1 2") && !told.starts_with("HTTP/1.1 5"), "{told}");
    }
    assert!(world.ask(&get_of("/hello", "")).await.ends_with("hello"));
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_takes_nothing_new() {
    let world = world(Limits::default()).await;
    let mut busy = world.connect().await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut idle).await.ends_with("hello"));
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    world.begun.notified().await;
    let draining = tokio::spawn(world.serving.drain(PATIENCE));
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed at once");
    assert!(TcpStream::connect(world.address).await.is_err());
    world.go_on.notify_one();
    assert!(rest(&mut busy).await.ends_with("done"));
    tokio::time::timeout(PATIENCE, draining).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let world = world(Limits::default()).await;
    let mut busy = world.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    world.begun.notified().await;
    tokio::time::timeout(PATIENCE, world.serving.drain(Duration::from_millis(20))).await.unwrap();
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn a_trusted_proxys_client_is_the_peer() {
    let proxies = Proxies::new(vec!["127.0.0.1".parse().unwrap()]);
    let world = world_with(Limits::default(), proxies, None).await;
    let told = world.ask(&get_of("/peer", "x-forwarded-for: 6.6.6.6, 192.0.2.1\r\n")).await;
    assert!(told.ends_with("192.0.2.1"), "{told}");
}

#[tokio::test]
async fn in_dev_a_page_of_the_web_gets_nothing() {
    let world = world_with(Limits::default(), Proxies::default(), Some(Origins::default())).await;
    let told = world.ask(&get_of("/hello", "origin: https://evil.example\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 403 ") && told.contains("origin_refused"), "{told}");
    assert!(world.ask(&get_of("/hello", "origin: http://localhost:5173\r\n")).await.ends_with("hello"));
}
