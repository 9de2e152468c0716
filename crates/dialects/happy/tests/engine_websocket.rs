//! Sessions over a WebSocket.
#![cfg(feature = "server")]

mod engine;

use engine::websocket::{BINARY, PING, PONG, Ws};
use engine::{Gateway, OPEN, connected, event, joined, live, next, packet, soon};
use futures_util::FutureExt;
use rejoin_happy::packet as build;
use rejoin_happy::server::engine::{Incoming, Namespace};
use rejoin_ports::clock::Clock;
use serde_json::json;
use tokio::net::TcpSocket;

#[tokio::test]
async fn happy_19_the_first_packet_says_what_clients_rely_on() {
    let gateway = Gateway::start().await;
    for under in ["", "/happy"] {
        let mut client = Ws::at(gateway.address, &format!("{under}{OPEN}websocket")).await;
        let text = client.hears().await;
        let sid = text[9..29].to_owned();
        assert!(sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{sid}");
        let rest = r#""upgrades":[],"pingInterval":15000,"pingTimeout":45000,"maxPayload":1000000}"#;
        assert_eq!(text, format!(r#"0{{"sid":"{sid}",{rest}"#));
    }
}

#[tokio::test]
async fn a_client_joins_either_namespace_or_both_and_no_other() {
    let mut gateway = Gateway::start().await;
    let mut client = Ws::open(gateway.address).await;
    let mut peer = gateway.peer().await;
    client.bursts(&["40/other,{}", "42/other,[\"lost\"]", "40/happy,{\"token\": \"t\"}", "40"]).await;
    match next(&mut peer).await {
        Some(Incoming::Connect { namespace: Namespace::Happy, auth: Some(auth) }) => {
            assert_eq!(auth.get(), "{\"token\": \"t\"}");
        }
        other => panic!("{other:?}"),
    }
    let sid = peer.accept(Namespace::Happy);
    assert!(matches!(next(&mut peer).await, Some(Incoming::Connect { namespace: Namespace::Main, auth: None })));
    peer.reject(Namespace::Main, "Missing authentication token");
    soon(peer.flush()).await;
    assert_eq!(client.hears().await, r#"44/other,{"message":"Invalid namespace"}"#);
    assert_eq!(client.hears().await, format!(r#"40/happy,{{"sid":"{sid}"}}"#));
    assert_eq!(client.hears().await, r#"44{"message":"Missing authentication token"}"#);

    client.says("40{}").await;
    joined(&mut peer, Namespace::Main).await;
    client.says("42/happy,[\"here\",1]").await;
    assert!(matches!(next(&mut peer).await, Some(Incoming::Event { namespace: Namespace::Happy, .. })));
    client.says("41/happy,").await;
    assert!(matches!(next(&mut peer).await, Some(Incoming::Disconnect { namespace: Namespace::Happy })));
    client.bursts(&["42/happy,[\"lost\"]", "42[\"still here\"]"]).await;
    assert_eq!(event(next(&mut peer).await).0, "still here");
}

#[tokio::test]
async fn happy_23_what_comes_right_behind_a_connect_waits_for_the_decision() {
    let mut gateway = Gateway::start().await;
    let mut client = Ws::open(gateway.address).await;
    client.bursts(&["40{\"token\":\"t\"}", "42[\"a\",1]", "421[\"b\",{\"x\": 1.0}]", "42[\"c\"]"]).await;
    let mut peer = gateway.peer().await;
    assert!(matches!(next(&mut peer).await, Some(Incoming::Connect { .. })));
    for _ in 0..10 {
        assert!(peer.next().now_or_never().is_none(), "nothing is told before the decision");
        tokio::task::yield_now().await;
    }
    peer.accept(Namespace::Main);
    assert_eq!(event(next(&mut peer).await), ("a".into(), "1".into()));
    match next(&mut peer).await {
        Some(Incoming::Event { name, args, ack: Some(1), .. }) => {
            assert_eq!((&*name, args[0].get()), ("b", "{\"x\": 1.0}"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(event(next(&mut peer).await).0, "c");
}

#[tokio::test]
async fn whoever_is_not_let_in_hears_why_and_may_try_again() {
    let mut gateway = Gateway::start().await;
    let mut client = Ws::open(gateway.address).await;
    client.bursts(&["40{\"token\":\"bad\"}", "42[\"lost\"]", "40{\"token\":\"good\"}", "42[\"kept\"]"]).await;
    let mut peer = gateway.peer().await;
    assert!(matches!(next(&mut peer).await, Some(Incoming::Connect { .. })));
    peer.reject(Namespace::Main, "Invalid authentication token");
    joined(&mut peer, Namespace::Main).await;
    assert_eq!(event(next(&mut peer).await).0, "kept");
    soon(peer.flush()).await;
    assert_eq!(client.hears().await, r#"44{"message":"Invalid authentication token"}"#);
}

#[tokio::test]
async fn acks_go_both_ways_under_their_numbers() {
    let mut gateway = Gateway::start().await;
    let (mut client, mut peer) = connected(&mut gateway).await;
    client.says("427[\"ping\"]").await;
    assert!(matches!(next(&mut peer).await, Some(Incoming::Event { ack: Some(7), .. })));
    peer.push(packet(&build::ack("/", 7, &json!({})).unwrap())).unwrap();
    let asked = build::event("/", Some(41), "rpc-request", &json!({ "method": "m", "params": "p" })).unwrap();
    peer.push(packet(&asked)).unwrap();
    soon(peer.flush()).await;
    assert_eq!(client.hears().await, "437[{}]");
    assert_eq!(client.hears().await, r#"4241["rpc-request",{"method":"m","params":"p"}]"#);
    client.says("4341[\"sealed\"]").await;
    match next(&mut peer).await {
        Some(Incoming::Ack { namespace: Namespace::Main, id: 41, args }) => assert_eq!(args[0].get(), "\"sealed\""),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn happy_24_a_million_bytes_pass_and_more_close_that_socket_only() {
    let mut gateway = Gateway::start().await;
    let (mut large, mut large_peer) = connected(&mut gateway).await;
    let (mut other, mut other_peer) = connected(&mut gateway).await;
    let sized = |size: usize| format!("42[\"m\",\"{}\"]", "x".repeat(size - 10));
    let told = tokio::spawn(async move {
        let arg = event(next(&mut large_peer).await).1;
        let end = next(&mut large_peer).await;
        large_peer.part().await;
        (arg.len(), end.is_none())
    });
    large.says(&sized(1_000_000)).await;
    large.says(&sized(1_100_000)).await;
    assert_eq!(large.hears_close().await, 1009);
    drop(large);
    assert_eq!(soon(told).await.unwrap(), (1_000_000 - 8, true));

    other.says("42[\"still here\"]").await;
    assert_eq!(event(next(&mut other_peer).await).0, "still here");
}

#[tokio::test]
async fn clients_are_pinged_every_fifteen_seconds_and_lost_after_forty_five_of_silence() {
    let mut gateway = Gateway::start().await;
    let (mut client, peer) = connected(&mut gateway).await;
    let ended = live(peer);
    for _ in 0..3 {
        gateway.clock.advance(14_999);
        client.says("42[\"speaking is no answer\"]").await;
        client.writes(PING, b"are you there?").await;
        assert_eq!(client.hears_frame().await, Some((PONG, b"are you there?".to_vec())), "and no ping before it");
        gateway.clock.advance(1);
        assert_eq!(client.hears().await, "2");
        client.bursts(&["3", "41"]).await;
        client.says("40").await;
        assert!(client.hears().await.starts_with("40{"), "the pong was heard");
    }
    gateway.clock.advance(15_000);
    assert_eq!(client.hears().await, "2");
    gateway.clock.advance(44_999);
    client.writes(PING, b"").await;
    assert_eq!(client.hears_frame().await, Some((PONG, Vec::new())));
    gateway.clock.advance(1);
    assert_eq!(client.hears_frame().await, None);
    soon(ended).await.unwrap();
}

#[tokio::test]
async fn a_client_that_joins_nothing_is_let_go_after_twenty_seconds() {
    let mut gateway = Gateway::start().await;
    let mut client = Ws::open(gateway.address).await;
    let peer = gateway.peer().await;
    let ended = live(peer);
    gateway.clock.advance(15_000);
    assert_eq!(client.hears().await, "2");
    client.says("3").await;
    gateway.clock.advance(5_000);
    assert_eq!(client.hears_close().await, 1000);
    drop(client);
    soon(ended).await.unwrap();
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_the_socket() {
    let mut gateway = Gateway::start().await;
    for broken in ["", "x", "4", "49", "42", "42{}", "42[\"connect\"]", "451-[\"b\",{}]", "44{}", "40", "2", "bAAAA"] {
        let (mut client, peer) = connected(&mut gateway).await;
        let ended = live(peer);
        client.says(broken).await;
        assert_eq!(client.hears_close().await, 1002, "{broken:?}");
        drop(client);
        soon(ended).await.unwrap();
    }
    let (mut client, peer) = connected(&mut gateway).await;
    let ended = live(peer);
    client.writes(BINARY, b"bytes").await;
    assert_eq!(client.hears_close().await, 1002);
    drop(client);
    soon(ended).await.unwrap();
}

#[tokio::test]
async fn a_client_leaves_in_order_or_just_hangs_up() {
    let mut gateway = Gateway::start().await;
    let (mut client, mut peer) = connected(&mut gateway).await;
    client.bursts(&["42[\"last\"]", "41", "1"]).await;
    assert_eq!(event(next(&mut peer).await).0, "last");
    assert!(matches!(next(&mut peer).await, Some(Incoming::Disconnect { .. })));
    assert!(next(&mut peer).await.is_none());
    let parting = tokio::spawn(peer.part());
    assert_eq!(client.hears_close().await, 1000);
    drop(client);
    soon(parting).await.unwrap();

    let (client, mut peer) = connected(&mut gateway).await;
    drop(client);
    assert!(next(&mut peer).await.is_none());
    soon(peer.part()).await;
}

#[tokio::test]
async fn a_door_that_ends_a_connection_is_heard_to_the_last_word() {
    let mut gateway = Gateway::start().await;
    let (mut client, mut peer) = connected(&mut gateway).await;
    for number in 0..3_000 {
        peer.push(packet(&build::event("/", None, "n", &number).unwrap())).unwrap();
    }
    peer.disconnect(Namespace::Main);
    let parting = tokio::spawn(peer.part());
    for number in 0..3_000 {
        assert_eq!(client.hears().await, format!("42[\"n\",{number}]"));
    }
    assert_eq!(client.hears().await, "41");
    assert_eq!(client.hears_close().await, 1000);
    drop(client);
    soon(parting).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_stops_says_what_was_left_to_say_and_sends_nobody_away() {
    let mut gateway = Gateway::start().await;
    let (mut client, mut peer) = connected(&mut gateway).await;
    peer.push(packet("42[\"before\"]")).unwrap();
    gateway.stop.cancel();
    assert!(next(&mut peer).await.is_none());
    peer.push(packet("42[\"after\"]")).unwrap();
    let parting = tokio::spawn(peer.part());
    assert_eq!(client.hears().await, "42[\"before\"]");
    assert_eq!(client.hears().await, "42[\"after\"]");
    assert_eq!(client.hears_close().await, 1001, "and no 41, after which clients would stay away");
    drop(client);
    soon(parting).await.unwrap();
}

/// A client with little room that reads nothing, and a door that pushes what is taken.
#[tokio::test]
async fn a_client_that_reads_nothing_costs_a_bounded_amount_and_is_let_go() {
    let mut gateway = Gateway::start().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut client = Ws::over(socket, gateway.address, &format!("{OPEN}websocket")).await;
    let mut peer = gateway.peer().await;
    client.says("40").await;
    joined(&mut peer, Namespace::Main).await;

    let event = packet(&build::event("/", None, "update", &"x".repeat(10_000)).unwrap());
    let mut pushed = 0;
    loop {
        // Until the kernel takes nothing either.
        let stuck = loop {
            if peer.push(event.clone()).is_err() {
                break peer.waiting();
            }
            pushed += 1;
        };
        assert!(stuck < (1 << 20) + event.len(), "{stuck} bytes wait");
        for _ in 0..100 {
            assert!(!matches!(peer.next().now_or_never(), Some(None)));
            tokio::task::yield_now().await;
        }
        if peer.waiting() == stuck {
            break;
        }
    }
    assert!(pushed < 400, "{pushed} events were taken");
    client.says("42[\"who does not read is not heard\"]").await;
    let began = gateway.clock.now();
    let end = tokio::spawn(async move { (next(&mut peer).await.is_none(), peer.waiting()) });
    while !end.is_finished() {
        gateway.clock.advance(1_000);
        tokio::task::yield_now().await;
        assert!(gateway.clock.now() - began < 1_000_000, "it is still there");
    }
    let (ended, waiting) = end.await.unwrap();
    assert!(ended && waiting < (1 << 20) + 2 * event.len());
    assert!(gateway.clock.now() - began >= 120_000);
}

#[tokio::test]
async fn an_event_is_encoded_once_for_all_who_get_it() {
    let mut gateway = Gateway::start().await;
    let event = packet(&build::event("/", None, "update", &"x".repeat(100_000)).unwrap());
    let copy = event.clone();
    assert_eq!(event.framed().as_ptr(), copy.framed().as_ptr());
    assert_eq!(&event.text()[..11], b"42[\"update\"");
    for _ in 0..3 {
        let (mut client, mut peer) = connected(&mut gateway).await;
        peer.push(event.clone()).unwrap();
        let (heard, ()) = tokio::join!(client.hears(), peer.flush());
        assert_eq!(heard.as_bytes(), event.text());
    }
}

#[tokio::test]
async fn a_door_that_has_its_hands_full_hears_nothing_and_its_clients_are_not_blamed() {
    let mut gateway = Gateway::start().await;
    let (mut client, mut peer) = connected(&mut gateway).await;
    client.says("42[\"later\"]").await;
    for (advance, told) in [(15_000, "2"), (45_000, "2"), (45_000, "2")] {
        gateway.clock.advance(advance);
        assert!(matches!(soon(peer.tend()).await, Some(Incoming::Written)));
        assert_eq!(client.hears().await, told);
    }
    assert_eq!(event(next(&mut peer).await).0, "later");
}
