//! Requests that become sessions, and those that do not.
#![cfg(feature = "server")]

mod engine;

use engine::http::{Poller, answer, request, send};
use engine::websocket::{Ws, head};
use engine::{Gateway, OPEN};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const BAD: (u16, u64, &str) = (400, 3, "Bad request");

#[tokio::test]
async fn what_is_no_session_is_refused_in_the_words_of_the_protocol() {
    let gateway = Gateway::start().await;
    let refused = [
        ("GET", "EIO=3&transport=polling", (400, 5, "Unsupported protocol version")),
        ("GET", "EIO=3&transport=websocket", (400, 5, "Unsupported protocol version")),
        ("GET", "transport=polling", (400, 5, "Unsupported protocol version")),
        ("GET", "", (400, 0, "Transport unknown")),
        ("GET", "EIO=4", (400, 0, "Transport unknown")),
        ("GET", "EIO=4&transport=webtransport", (400, 0, "Transport unknown")),
        ("GET", "EIO=4&transport=polling&sid=nobody", (400, 1, "Session ID unknown")),
        ("POST", "EIO=4&transport=polling&sid=nobody", (400, 1, "Session ID unknown")),
        ("POST", "EIO=4&transport=polling", (400, 2, "Bad handshake method")),
        ("POST", "EIO=4&transport=websocket", (400, 2, "Bad handshake method")),
        ("GET", "EIO=4&transport=websocket", BAD),
        ("GET", "EIO=4&EIO=3&transport=polling", BAD),
    ];
    for (method, query, (status, code, message)) in refused {
        let answer = request(gateway.address, method, &format!("/v1/updates/?{query}"), "").await;
        assert_eq!(answer.refusal(), (status, code, message.to_owned()), "{method} {query}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.body, format!(r#"{{"code":{code},"message":"{message}"}}"#));
    }
}

#[tokio::test]
async fn happy_19_another_version_is_refused_before_a_socket_is_there() {
    let gateway = Gateway::start().await;
    for (query, refused) in [
        ("EIO=3&transport=websocket", r#"{"code":5,"message":"Unsupported protocol version"}"#),
        ("EIO=4&transport=websocket&sid=nobody", r#"{"code":1,"message":"Session ID unknown"}"#),
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(head(&format!("/v1/updates/?{query}")).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = answer(stream).await;
        assert_eq!((answer.status, &*answer.body), (400, refused));
    }
}

#[tokio::test]
async fn the_path_has_its_last_slash_and_stands_at_the_root_and_below_happy() {
    let mut gateway = Gateway::start().await;
    for (path, status) in [
        ("/v1/updates/?EIO=4&transport=polling", 200),
        ("/happy/v1/updates/?EIO=4&transport=polling", 200),
        ("/v1/updates?EIO=4&transport=polling", 404),
        ("/happy/v1/updates?EIO=4&transport=polling", 404),
        ("/socket.io/?EIO=4&transport=polling", 404),
    ] {
        assert_eq!(request(gateway.address, "GET", path, "").await.status, status, "{path}");
    }
    let _peers = [gateway.peer().await, gateway.peer().await];
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_and_read() {
    let mut gateway = Gateway::start().await;
    let path = format!("{OPEN}polling");
    let plain = request(gateway.address, "GET", &path, "").await;
    assert_eq!(plain.header("access-control-allow-origin"), Some("*"));
    assert_eq!(plain.header("access-control-allow-credentials"), Some("true"));
    let _peer = gateway.peer().await;

    let asked = "Origin: https://app.example\r\nAccess-Control-Request-Headers: x-happy-client\r\n";
    let preflight = request(gateway.address, "OPTIONS", &path, asked).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET,POST,OPTIONS"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("x-happy-client"));

    let refused = request(gateway.address, "GET", "/v1/updates/", "Origin: https://app.example\r\n").await;
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example"), "refusals can be read too");
}

#[tokio::test]
async fn sessions_that_poll_are_bounded_and_those_over_a_websocket_do_not_count() {
    let mut gateway = Gateway::with(|options| options.polling_sessions = 1).await;
    let first = Poller::open(gateway.address).await;
    let peer = gateway.peer().await;
    let refused = request(gateway.address, "GET", &format!("{OPEN}polling"), "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    Ws::open(gateway.address).await;

    // One that has a WebSocket by now has left its place to another.
    let mut socket = Ws::at(gateway.address, &first.path.replace("polling", "websocket")).await;
    socket.says("2probe").await;
    assert_eq!(socket.hears().await, "3probe");
    socket.says("5").await;
    let ended = engine::live(peer);
    socket.says("40").await;
    assert!(socket.hears().await.starts_with("40{"));
    Poller::open(gateway.address).await;
    drop(socket);
    engine::soon(ended).await.unwrap();
}

#[tokio::test]
async fn the_door_knows_who_calls() {
    let mut gateway = Gateway::start().await;
    let path = format!("{OPEN}polling");
    answer(send(gateway.address, "GET", &path, "X-Happy-Client: cli-daemon/1.2.5\r\n", "").await).await;
    let peer = gateway.peer().await;
    assert_eq!(peer.caller().label.as_deref(), Some("cli-daemon/1.2.5"));
    assert_eq!(peer.caller().address, None, "this server does not say");
}
