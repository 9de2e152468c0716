//! Connecting, signing in, and what goes wrong with it.
#![cfg(feature = "client")]

mod scripted;

use std::time::Duration;

use rejoin_diminuendo::client::event::{Authenticated, Connected, Disconnected, Opened};
use rejoin_diminuendo::client::{Client, ClientOptions, Error, Event};
use scripted::{Gateway, authenticated, connected, connected_with, error};
use serde_json::json;
use tokio::time::Instant;

#[test]
fn the_defaults_are_those_of_the_original() {
    let options = ClientOptions::new("ws://localhost:8080/ws");
    assert_eq!(options.token, "");
    assert!(options.auto_reconnect && options.auto_rejoin && !options.repair_gaps);
    assert_eq!(options.reconnect_delay, Duration::from_secs(1));
    assert_eq!(options.ping_interval, Duration::from_secs(30));
    assert_eq!(options.request_timeout, Duration::from_secs(10));
    assert_eq!(options.connect_timeout, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn diminuendo_80_a_gateway_that_never_answers_is_given_up_after_10_s() {
    for opens_a_socket in [false, true] {
        let (mut gateway, options) = Gateway::new();
        let client = Client::new(options);
        let begun = Instant::now();
        let silence = async {
            match opens_a_socket {
                true => drop(gateway.accept().await.hears_or_end().await),
                false => drop((gateway.line().await, std::future::pending::<()>().await)),
            }
        };
        let outcome = tokio::select! {
            outcome = client.connect() => outcome,
            () = async { silence.await; std::future::pending().await } => unreachable!(),
        };
        assert_eq!(outcome.unwrap_err().to_string(), "Connection timeout while waiting for authentication");
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert!(!client.connected());
    }
}

#[tokio::test(start_paused = true)]
async fn diminuendo_81_without_a_token_a_gateway_that_wants_one_is_not_waited_for() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options);
    let begun = Instant::now();
    let (outcome, mut peer) = tokio::join!(client.connect(), async {
        let mut peer = gateway.accept().await;
        peer.welcomes(true).await;
        peer
    });
    assert_eq!(outcome.unwrap_err().to_string(), "Authentication required but no token was provided");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(peer.hears_or_end().await, None, "nothing is sent");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_shown_and_the_identity_known() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options.token("a-token"));
    assert!(!client.connected() && !client.authenticated() && client.identity().is_none());
    let (outcome, mut peer) = tokio::join!(client.connect(), async {
        let mut peer = gateway.accept().await;
        peer.welcomes(true).await;
        let asked = peer.hears_a("authenticate").await;
        assert_eq!(asked["token"], "a-token");
        assert!(client.connected() && !client.authenticated());
        peer.says(authenticated()).await;
        peer
    });
    outcome.unwrap();
    assert!(client.connected() && client.authenticated());
    assert_eq!(client.identity().unwrap().email, "developer@example.com");
    client.connect().await.expect("it is connected already");
    client.disconnect();
    assert!(!client.connected() && !client.authenticated() && client.identity().is_none());
    assert_eq!(peer.hears_or_end().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_told_in_the_gateways_words() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options.token("bad"));
    let (outcome, _peer) = tokio::join!(client.connect(), async {
        let mut peer = gateway.accept().await;
        peer.welcomes(true).await;
        peer.hears_a("authenticate").await;
        peer.says(error("AUTH_FAILED", "Authentication failed")).await;
        peer
    });
    assert_eq!(outcome.unwrap_err().to_string(), "AUTH_FAILED: Authentication failed");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!gateway.was_dialled(), "a first attempt that failed is not repeated");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_not_there_is_told_at_once() {
    let (gateway, options) = Gateway::new();
    drop(gateway);
    let client = Client::new(options);
    assert!(matches!(client.connect().await, Err(Error::Socket { .. })));
    assert!(matches!(client.list_sessions(false).await, Err(Error::NotConnected)));
}

#[tokio::test(start_paused = true)]
async fn another_version_is_refused() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options);
    let (outcome, _peer) = tokio::join!(client.connect(), async {
        let mut peer = gateway.accept().await;
        peer.says(json!({ "type": "welcome", "protocolVersion": 3, "requiresAuth": false })).await;
        peer
    });
    assert_eq!(outcome.unwrap_err().code(), Some("ProtocolVersionMismatch"));
}

#[tokio::test(start_paused = true)]
async fn diminuendo_90_in_dev_mode_the_identity_is_there_when_connect_returns() {
    let (client, _gateway, _peer) = connected().await;
    assert_eq!(client.identity().unwrap().user_id, "dev-user-001");
}

#[tokio::test(start_paused = true)]
async fn in_dev_mode_an_identity_that_does_not_come_is_not_waited_for_long() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options);
    let begun = Instant::now();
    let (outcome, mut peer) = tokio::join!(client.connect(), async {
        let mut peer = gateway.accept().await;
        peer.welcomes(false).await;
        peer
    });
    outcome.unwrap();
    assert_eq!(begun.elapsed().as_millis(), 500);
    assert!(client.authenticated() && client.identity().is_none());
    let mut events = client.events();
    peer.says(authenticated()).await;
    assert!(matches!(events.next().await, Some(Event::Authenticated(_))));
    assert!(client.identity().is_some(), "better late than never");
}

#[tokio::test(start_paused = true)]
async fn diminuendo_83_after_a_close_sending_fails_at_once() {
    let (client, _gateway, _peer) = connected().await;
    client.disconnect();
    let begun = Instant::now();
    let refused = [
        client.run_turn("s", "hello", None).map(drop),
        client.stop_turn("s"),
        client.steer("s", "left"),
        client.dismiss_question("s", "q"),
        client.leave_session("s"),
        client.ping().await.map(drop),
        client.join_session("s", None).await.map(drop),
    ];
    for outcome in refused {
        assert_eq!(outcome.unwrap_err().to_string(), "WebSocket not connected");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn diminuendo_83_without_reconnecting_a_lost_socket_is_a_closed_one() {
    let (client, _gateway, peer) = connected_with(|options| ClientOptions { auto_reconnect: false, ..options }).await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.ping().await }
    });
    let mut peer = peer;
    peer.hears_a("ping").await;
    drop(peer);
    assert_eq!(asking.await.unwrap().unwrap_err().to_string(), "WebSocket not connected", "what waited is told");
    client.closed().await;
    assert_eq!(client.run_turn("s", "hello", None).unwrap_err().to_string(), "WebSocket not connected");
    assert_eq!(client.list_sessions(false).await.unwrap_err().to_string(), "WebSocket not connected");
}

#[tokio::test(start_paused = true)]
async fn before_it_was_connected_nothing_can_be_sent() {
    let client = Client::new("ws://gateway.test/ws");
    assert!(matches!(client.run_turn("s", "hello", None), Err(Error::NotConnected)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_disconnected_connects_again_and_its_handlers_are_still_there() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options);
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let tell = |what: &'static str| {
        let told = told.clone();
        move || told.send(what).expect("the test listens")
    };
    let (opened, frame, signed) = (tell("opened"), tell("connected"), tell("authenticated"));
    let (by_name, gone) = (tell("by name"), tell("disconnected"));
    client.on(move |_: &Opened| opened());
    client.on(move |event: &Connected| {
        assert_eq!(event.client_id, "c-1");
        frame();
    });
    client.on(move |_: &Authenticated| signed());
    client.on_event("connected", move |_| by_name());
    client.on(move |event: &Disconnected| {
        assert!(!event.will_reconnect);
        gone();
    });
    for _ in 0..2 {
        let (outcome, _peer) = tokio::join!(client.connect(), gateway.serve());
        outcome.unwrap();
        client.disconnect();
        for expected in ["opened", "by name", "connected", "authenticated", "disconnected"] {
            assert_eq!(heard.recv().await, Some(expected));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_before_disconnecting_still_goes_out() {
    let (client, _gateway, mut peer) = connected().await;
    client.run_turn("s", "last words", None).unwrap();
    client.disconnect();
    assert_eq!(peer.hears_a("run_turn").await["text"], "last words");
    assert_eq!(peer.hears_or_end().await, None);
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_the_connection_and_its_streams() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    drop(client);
    assert_eq!(peer.hears_or_end().await, None);
    assert!(matches!(events.next().await, Some(Event::Disconnected(_))));
    assert_eq!(events.next().await, None);
}

/// Over a socket of the machine, as everybody uses it.
#[tokio::test]
async fn it_connects_over_tcp() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for frame in [json!({ "type": "welcome", "protocolVersion": 1, "requiresAuth": false }), authenticated()] {
            socket.send(Message::text(frame.to_string())).await.unwrap();
        }
        let asked = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(asked.contains("list_sessions"), "{asked}");
        socket.send(Message::text(json!({ "type": "session_list", "sessions": [] }).to_string())).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let client = Client::new(format!("ws://{address}/ws"));
    client.connect().await.unwrap();
    assert_eq!(client.list_sessions(true).await.unwrap(), []);
    drop(client);
    serving.await.unwrap();
}
