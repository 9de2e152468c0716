//! Becoming a WebSocket, over a real listener.

mod common;

use common::{Io, RawClient, TEXT, accept, echo, masked, serve};
use futures_util::{SinkExt, StreamExt};
use rejoin_socket::Upgrade;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

#[tokio::test]
async fn a_client_of_another_make_is_understood() {
    for io in [Io::Plain, Io::Wrapped] {
        let address = serve(io, accept(), echo).await;
        let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/")).await.unwrap();
        let words = "wörter ".repeat(2_000);
        for message in
            [Message::text("hello"), Message::text(words), Message::text(""), Message::binary(vec![0xFF; 70_000])]
        {
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        client.send(Message::Ping("are you there?".into())).await.unwrap();
        let pong = client.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("are you there?".into()));

        let close = CloseFrame { code: CloseCode::Away, reason: "lunch".into() };
        client.close(Some(close.clone())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(Some(close)));
        assert!(client.next().await.is_none());
    }
}

#[tokio::test]
async fn frames_in_the_packet_of_the_request_are_heard() {
    for io in [Io::Plain, Io::Wrapped] {
        let address = serve(io, accept(), echo).await;
        let mut early = masked(TEXT, true, b"first");
        early.extend(masked(TEXT, true, b"second"));
        let late = masked(TEXT, true, b"third");
        early.extend(&late[..4]);
        let mut client = RawClient::join(address, &early).await;
        assert_eq!(client.hears_text().await, "first");
        assert_eq!(client.hears_text().await, "second");
        client.says(&late[4..]).await;
        assert_eq!(client.hears_text().await, "third");
    }
}

#[tokio::test]
async fn the_answer_names_the_key_and_no_extension() {
    let address = serve(Io::Plain, accept(), echo).await;
    let stream = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    let head = answer(stream, common::REQUEST).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(head.contains("connection: upgrade") && head.contains("upgrade: websocket"), "{head}");
    assert!(!head.contains("extensions") && !head.contains("protocol:"), "{head}");
}

#[tokio::test]
async fn a_sub_protocol_is_chosen_only_from_what_was_offered() {
    let address = serve(Io::Plain, accept().protocol("acp.v1"), echo).await;
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "acp.v0, acp.v1".parse().unwrap());
    let (_, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "acp.v1");

    // This client hangs up when it is given a protocol that it did not offer.
    tokio_tungstenite::connect_async(format!("ws://{address}/")).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_gets_a_problem() {
    let address = serve(Io::Plain, accept(), echo).await;
    let cases = [
        ("Upgrade: WebSocket\r\n", "", 426),
        ("keep-alive, Upgrade", "keep-alive", 426),
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("GET", "POST", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub2*jZQ==", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("HTTP/1.1", "HTTP/1.0", 426),
    ];
    for (good, bad, status) in cases {
        let request = common::REQUEST.replace(good, bad);
        assert_ne!(request, common::REQUEST);
        let stream = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
        let head = answer(stream, &request).await;
        assert!(head.contains(&format!(" {status} ")), "{request}{head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert_eq!(head.contains("sec-websocket-version: 13"), status == 426, "{head}");
    }
}

#[tokio::test]
async fn an_unfit_server_is_told_so() {
    use axum::extract::FromRequestParts;
    use axum::response::IntoResponse;
    let (mut parts, ()) = axum::http::Request::builder()
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap()
        .into_parts();
    let refusal = Upgrade::from_request_parts(&mut parts, &()).await.unwrap_err();
    assert_eq!(refusal, rejoin_socket::NotAnUpgrade::Unable);
    assert_eq!(refusal.into_response().status(), 426);
}

#[tokio::test]
async fn a_stop_can_wait_for_the_connections() {
    let tasks = tokio_util::task::TaskTracker::new();
    let address = serve(Io::Plain, accept().tracked_by(&tasks), echo).await;
    let mut client = RawClient::join(address, &masked(TEXT, true, b"here")).await;
    assert_eq!(client.hears_text().await, "here");
    assert_eq!(tasks.len(), 1);
    drop(client);
    tasks.close();
    tasks.wait().await;
}

/// What comes back for a request, in small letters.
async fn answer(mut stream: tokio::net::TcpStream, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "{request}");
    }
    String::from_utf8_lossy(&head).to_ascii_lowercase()
}
