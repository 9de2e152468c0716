//! Sessions that poll.
#![cfg(feature = "server")]

mod engine;

use engine::http::{Poller, answer};
use engine::{Gateway, event, joined, live, next, packet, soon};
use futures_util::FutureExt;
use rejoin_happy::packet as build;
use rejoin_happy::server::engine::{Incoming, Namespace, Peer};
use serde_json::json;

async fn polling(gateway: &mut Gateway) -> (Poller, Peer) {
    let client = Poller::open(gateway.address).await;
    client.says("40{\"token\":\"t\"}").await;
    let mut peer = gateway.peer().await;
    joined(&mut peer, Namespace::Main).await;
    let heard = client.hears().await;
    assert!(heard.len() == 1 && heard[0].starts_with("40{\"sid\":\""), "{heard:?}");
    (client, peer)
}

#[tokio::test]
async fn the_first_answer_offers_a_websocket() {
    let mut gateway = Gateway::start().await;
    let client = Poller::open_at(gateway.address, "/happy").await;
    let sid = client.sid();
    let rest = json!({ "upgrades": ["websocket"], "pingInterval": 15000, "pingTimeout": 45000, "maxPayload": 1000000 });
    let mut whole = json!({ "sid": sid });
    whole.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    assert_eq!((sid.len(), &client.open), (20, &whole));
    let _peer = gateway.peer().await;
}

#[tokio::test]
async fn packets_go_both_ways_in_order_many_in_one_request() {
    let mut gateway = Gateway::start().await;
    let (client, mut peer) = polling(&mut gateway).await;
    client.says("42[\"a\",1]\u{1e}427[\"b\"]\u{1e}42[\"c\",{\"x\": 1.0}]").await;
    assert_eq!(event(next(&mut peer).await), ("a".into(), "1".into()));
    assert!(matches!(next(&mut peer).await, Some(Incoming::Event { ack: Some(7), .. })));
    assert_eq!(event(next(&mut peer).await), ("c".into(), "{\"x\": 1.0}".into()));

    for number in 0..3 {
        peer.push(packet(&build::event("/", None, "n", &number).unwrap())).unwrap();
    }
    assert!(peer.waiting() > 0);
    assert_eq!(client.hears().await, ["42[\"n\",0]", "42[\"n\",1]", "42[\"n\",2]"]);
    assert!(matches!(soon(peer.next()).await, Some(Incoming::Written)));
    assert_eq!(peer.waiting(), 0);

    // A poll that comes first waits.
    let poll = client.begin_poll().await;
    let push = async {
        peer.push(packet("42[\"late\"]")).unwrap();
        soon(peer.flush()).await;
    };
    let (answer, ()) = tokio::join!(answer(poll), push);
    assert_eq!(answer.body, "42[\"late\"]");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
}

#[tokio::test]
async fn a_post_waits_until_the_one_before_was_heard() {
    let mut gateway = Gateway::start().await;
    let (client, mut peer) = polling(&mut gateway).await;
    client.says("42[\"one\"]\u{1e}42[\"two\"]").await;
    let mut second = Box::pin(client.post("42[\"three\"]"));
    assert_eq!(event(next(&mut peer).await).0, "one");
    for _ in 0..100 {
        assert!(second.as_mut().now_or_never().is_none(), "nobody asked for more");
        tokio::task::yield_now().await;
    }
    assert_eq!(event(next(&mut peer).await).0, "two");
    assert_eq!(second.await.status, 200);
    assert_eq!(event(next(&mut peer).await).0, "three");
}

#[tokio::test]
async fn a_body_of_a_million_bytes_passes_and_a_larger_one_ends_the_session() {
    let mut gateway = Gateway::start().await;
    let (client, mut peer) = polling(&mut gateway).await;
    let sized = |size: usize| format!("42[\"m\",\"{}\"]", "x".repeat(size - 10));
    client.says(&sized(1_000_000)).await;
    assert_eq!(event(next(&mut peer).await).1.len(), 1_000_000 - 8);
    let ended = live(peer);
    assert_eq!(client.post(&sized(1_000_001)).await.status, 413);
    soon(ended).await.unwrap();
    assert_eq!(client.poll().await.refusal().1, 1, "the session is gone");
}

#[tokio::test]
async fn one_poll_takes_what_a_client_takes_at_once() {
    let mut gateway = Gateway::start().await;
    let (client, mut peer) = polling(&mut gateway).await;
    let event = build::event("/", None, "m", &"x".repeat(400_000)).unwrap();
    for _ in 0..3 {
        peer.push(packet(&event)).unwrap();
    }
    assert!(peer.push(packet(&event)).is_err(), "and the outbox has its bound");
    assert_eq!(client.hears().await.len(), 2);
    peer.push(packet(&event)).unwrap();
    assert_eq!(client.hears().await.len(), 2);
}

#[tokio::test]
async fn a_client_that_polls_is_pinged_and_lost_when_it_never_comes_back() {
    let mut gateway = Gateway::start().await;
    let (client, peer) = polling(&mut gateway).await;
    let ended = live(peer);
    for _ in 0..3 {
        gateway.clock.advance(15_000);
        assert_eq!(client.hears().await, ["2"]);
        client.says("3\u{1e}41\u{1e}40").await;
        assert!(client.hears().await[0].starts_with("40{"), "the pong was heard");
    }
    // Pinged, and not even the ping is fetched.
    let ends = async {
        while !ended.is_finished() {
            gateway.clock.advance(15_000);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    };
    soon(ends).await;
    assert_eq!(client.poll().await.refusal().1, 1);
}

#[tokio::test]
async fn a_client_that_makes_two_requests_of_a_kind_is_confused_and_ends() {
    let mut gateway = Gateway::start().await;
    let (client, peer) = polling(&mut gateway).await;
    let ended = live(peer);
    // Which of the two comes first is open; one is refused, and the other hears the end.
    let (first, second) = tokio::join!(client.poll(), client.poll());
    let mut heard = [(first.status, first.body), (second.status, second.body)];
    heard.sort();
    assert_eq!(heard[0], (200, "1".to_owned()));
    assert_eq!(heard[1].0, 400);
    soon(ended).await.unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_on_its_poll_is_gone() {
    let mut gateway = Gateway::start().await;
    let (client, peer) = polling(&mut gateway).await;
    let poll = client.begin_poll().await;
    let ended = live(peer);
    // The poll has come when what is pushed ends it; so let one come, be answered, and another begin.
    gateway.clock.advance(15_000);
    assert_eq!(answer(poll).await.body, "2");
    drop(client.begin_poll().await);
    soon(ended).await.unwrap();
    assert_eq!(client.poll().await.refusal().1, 1);
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_session_behind_what_was_pushed() {
    let mut gateway = Gateway::start().await;
    for broken in ["x", "40", "42{}", "2", "bAAAA", "3\u{1e}", "451-[\"b\",{}]"] {
        let (client, mut peer) = polling(&mut gateway).await;
        peer.push(packet("42[\"before\"]")).unwrap();
        let ended = live(peer);
        client.says(broken).await;
        let mut heard = client.hears().await;
        if heard.len() == 1 {
            heard.extend(client.hears().await);
        }
        assert_eq!(heard, ["42[\"before\"]", "1"], "{broken:?}");
        soon(ended).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_polls_leaves_and_a_gateway_that_stops_says_so() {
    let mut gateway = Gateway::start().await;
    let (client, peer) = polling(&mut gateway).await;
    let ended = live(peer);
    client.says("41\u{1e}1").await;
    soon(ended).await.unwrap();
    assert_eq!(client.poll().await.refusal().1, 1);

    let (client, mut peer) = polling(&mut gateway).await;
    peer.push(packet("42[\"before\"]")).unwrap();
    gateway.stop.cancel();
    let ended = live(peer);
    let mut heard = client.hears().await;
    if heard.len() == 1 {
        heard.extend(client.hears().await);
    }
    assert_eq!(heard, ["42[\"before\"]", "1"]);
    soon(ended).await.unwrap();
}
