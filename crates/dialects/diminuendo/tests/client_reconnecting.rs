//! Connections that are lost, and what is there when they come back.
#![cfg(feature = "client")]

mod scripted;

use std::time::Duration;

use rejoin_diminuendo::client::event::{Disconnected, TextDelta};
use rejoin_diminuendo::client::{Client, ClientOptions, Event, Events};
use scripted::{Gateway, Peer, authenticated, connected, connected_with, delta, error, meta, snapshot};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The text of the next event that is one.
async fn text(events: &mut Events) -> String {
    loop {
        match events.next().await.expect("the stream goes on") {
            Event::TextDelta(TextDelta { text, .. }) => return text,
            _ => continue,
        }
    }
}

async fn until_disconnected(events: &mut Events) -> Disconnected {
    loop {
        if let Event::Disconnected(told) = events.next().await.expect("the stream goes on") {
            return told;
        }
    }
}

/// A client that joined `s` and heard up to 16.
async fn joined(client: &Client, peer: &mut Peer, events: &mut Events) {
    let (snapshot, _) = tokio::join!(client.join_session("s", Some(0)), peer.lets_join(0));
    snapshot.unwrap();
    peer.says(delta("s", 16, "one")).await;
    assert_eq!(text(events).await, "one");
}

#[tokio::test(start_paused = true)]
async fn diminuendo_85_a_lost_socket_comes_back_after_the_delay_with_the_same_token() {
    let (mut gateway, options) = Gateway::new();
    let client = Client::new(options.token("a-token"));
    async fn signed_in(gateway: &mut Gateway) -> Peer {
        let mut peer = gateway.accept().await;
        peer.welcomes(true).await;
        assert_eq!(peer.hears_a("authenticate").await["token"], "a-token");
        peer.says(authenticated()).await;
        peer
    }
    let (outcome, mut peer) = tokio::join!(client.connect(), signed_in(&mut gateway));
    outcome.unwrap();
    let mut events = client.events();
    for closes_well in [true, false] {
        let lost = Instant::now();
        match closes_well {
            true => peer.closes().await,
            false => drop(peer),
        }
        assert!(until_disconnected(&mut events).await.will_reconnect);
        assert!(!client.connected() && !client.authenticated());
        peer = signed_in(&mut gateway).await;
        assert_eq!(lost.elapsed().as_secs(), 1);
        client.connect().await.expect("it waits until the connection is back");
        assert!(client.connected() && client.authenticated());
    }
}

#[tokio::test(start_paused = true)]
async fn diminuendo_85_without_auto_reconnect_or_after_disconnecting_it_stays_away() {
    let (client, mut gateway, peer) =
        connected_with(|options| ClientOptions { auto_reconnect: false, ..options }).await;
    let mut events = client.events();
    drop(peer);
    assert!(!until_disconnected(&mut events).await.will_reconnect);
    assert_eq!(events.next().await, None, "the stream is over");

    let (again, mut other, _peer) = connected().await;
    again.disconnect();
    again.closed().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!gateway.was_dialled() && !other.was_dialled());

    // Also when it is about to connect again.
    let (again, mut other, peer) = connected().await;
    let mut events = again.events();
    drop(peer);
    until_disconnected(&mut events).await;
    again.disconnect();
    again.closed().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!other.was_dialled());
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_trying_until_the_gateway_is_back() {
    let (client, mut gateway, peer) = connected().await;
    let lost = Instant::now();
    drop(peer);
    for _ in 0..5 {
        drop(gateway.line().await); // a gateway that is starting
    }
    let _peer = gateway.serve().await;
    assert_eq!(lost.elapsed().as_secs(), 6);
    client.connect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_when_coming_back_ends_it() {
    let (client, mut gateway, peer) = connected_with(|options| options.token("expired meanwhile")).await;
    let mut events = client.events();
    drop(peer);
    let mut peer = gateway.accept().await;
    peer.welcomes(true).await;
    peer.hears_a("authenticate").await;
    peer.says(error("AUTH_FAILED", "Authentication failed")).await;
    until_disconnected(&mut events).await;
    let told = until_disconnected(&mut events).await;
    assert!(!told.will_reconnect);
    assert_eq!(told.reason.as_deref(), Some("AUTH_FAILED: Authentication failed"));
    client.closed().await;
    assert!(client.run_turn("s", "hello", None).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_wants_to_be_left_alone_is() {
    let (_client, mut gateway, peer) = connected_with(|options| options.token("a-token")).await;
    drop(peer);
    let mut peer = gateway.accept().await;
    peer.welcomes(true).await;
    peer.hears_a("authenticate").await;
    let mut refused = error("AUTH_RATE_LIMITED", "too many attempts");
    refused["retryAfterMs"] = 40_000.into();
    peer.says(refused).await;
    let told = Instant::now();
    gateway.accept().await;
    assert_eq!(told.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn what_was_joined_is_joined_again_from_what_was_heard_and_nothing_is_told_twice() {
    let (client, mut gateway, mut peer) = connected().await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    let (left, _) = tokio::join!(client.join_session("left", None), peer.lets_join(5));
    left.unwrap();
    client.leave_session("left").unwrap();
    peer.hears_a("leave_session").await;
    drop(peer);

    let mut peer = gateway.serve().await;
    let asked = peer.lets_join(48).await;
    assert_eq!((&asked["sessionId"], &asked["afterSeq"]), (&json!("s"), &json!(16)));
    // One of them was told before, and holes are no matter.
    for (seq, word) in [(16, "one"), (17, "two"), (40, "three"), (40, "three"), (64, "four")] {
        peer.says(delta("s", seq, word)).await;
    }
    for word in ["two", "three", "four"] {
        assert_eq!(text(&mut events).await, word);
    }
    drop(peer);

    // And so on, from there.
    let mut peer = gateway.serve().await;
    assert_eq!(peer.lets_join(64).await["afterSeq"], 64);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_not_heard_goes_on_where_its_snapshot_ended() {
    let (client, mut gateway, mut peer) = connected().await;
    let (snapshot, _) = tokio::join!(client.join_session("s", None), peer.lets_join(160));
    snapshot.unwrap();
    drop(peer);
    let mut peer = gateway.serve().await;
    assert_eq!(peer.lets_join(160).await["afterSeq"], 160);
}

#[tokio::test(start_paused = true)]
async fn without_auto_rejoin_nothing_is_joined() {
    let (client, mut gateway, mut peer) =
        connected_with(|options| ClientOptions { auto_rejoin: false, ..options }).await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    drop(peer);
    let mut peer = gateway.serve().await;
    client.connect().await.unwrap();
    client.stop_turn("s").unwrap();
    peer.hears_a("stop_turn").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_is_not_joined_again_and_one_that_is_busy_is() {
    let (client, mut gateway, mut peer) = connected().await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    drop(peer);
    let mut peer = gateway.serve().await;
    let asked = peer.hears_a("join_session").await;
    peer.answers(&asked, error("TOO_BUSY", "come again")).await;
    let refused = Instant::now();
    let asked = peer.hears_a("join_session").await;
    assert_eq!(refused.elapsed().as_secs(), 1);
    peer.answers(&asked, error("SESSION_NOT_FOUND", "Session does not exist")).await;
    drop(peer);
    let mut peer = gateway.serve().await;
    client.connect().await.unwrap();
    client.stop_turn("t").unwrap();
    peer.hears_a("stop_turn").await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_log_is_heard_although_its_numbers_were_told_before() {
    let (client, mut gateway, mut peer) = connected().await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    drop(peer);
    let mut peer = gateway.serve().await;
    peer.lets_join(3).await; // it had 16 before
    peer.says(delta("s", 4, "another life")).await;
    assert_eq!(text(&mut events).await, "another life");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_while_there_is_no_connection_is_sent_when_there_is_one() {
    let (client, mut gateway, mut peer) = connected().await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    drop(peer);
    until_disconnected(&mut events).await;
    let turn = client.run_turn("s", "while in the tunnel", None).unwrap();
    client.answer_question("s", "q", [("answer", "yes")], false).unwrap();
    let listing = tokio::spawn({
        let client = client.clone();
        async move { client.list_sessions(false).await }
    });

    let mut peer = gateway.serve().await;
    let asked = peer.hears_a("join_session").await;
    // Nothing goes out before we hear what happened meanwhile.
    let early = tokio::time::timeout(Duration::from_secs(5), peer.hears()).await;
    assert!(early.is_err(), "{early:?}");
    peer.answers(&asked, snapshot("s", 16)).await;
    let sent = peer.hears_a("run_turn").await;
    assert_eq!((&sent["clientTurnId"], &sent["text"]), (&json!(turn), &json!("while in the tunnel")));
    peer.hears_a("answer_question").await;
    let asked = peer.hears_a("list_sessions").await;
    peer.answers(&asked, json!({ "type": "session_list", "sessions": [meta("s")] })).await;
    assert_eq!(listing.await.unwrap().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_broke_on_its_way_is_sent_again_as_the_same_turn() {
    let (client, mut gateway, mut peer) = connected().await;
    let turn = client.run_turn("s", "hello", None).unwrap();
    client.steer("s", "left").unwrap();
    let first = peer.hears_a("run_turn").await;
    peer.hears_a("steer").await;
    drop(peer);
    let mut peer = gateway.serve().await;
    // Whatever tells of the turn would come before the answer to this.
    let ping = peer.hears_a("ping").await;
    peer.says(json!({ "type": "pong", "ts": 1, "clientTs": ping["ts"] })).await;
    let again = peer.hears_a("run_turn").await;
    assert_eq!(first, again);
    assert_eq!(again["clientTurnId"], json!(turn));
    assert_eq!(peer.hears_a("steer").await["content"], "left");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_had_begun_is_not_sent_again() {
    for shown_by in ["the event itself", "the event told again", "history", "the running turn", "a later answer"] {
        let (client, mut gateway, mut peer) = connected().await;
        let mut events = client.events();
        joined(&client, &mut peer, &mut events).await;
        let turn = client.run_turn("s", "hello", None).unwrap();
        peer.hears_a("run_turn").await;
        let started =
            json!({ "type": "turn_started", "sessionId": "s", "turnId": "t", "clientTurnId": turn, "seq": 32 });
        match shown_by {
            "the event itself" => {
                peer.says(started.clone()).await;
                while events.next().await.unwrap().name() != "turn_started" {}
            }
            "a later answer" => {
                let (pong, ()) = tokio::join!(client.ping(), async {
                    let ping = peer.hears_a("ping").await;
                    peer.says(json!({ "type": "pong", "ts": 1, "clientTs": ping["ts"] })).await;
                });
                pong.unwrap();
            }
            _ => {}
        }
        drop(peer);
        let mut peer = gateway.serve().await;
        peer.hears_a("join_session").await;
        let mut told = snapshot("s", 48);
        match shown_by {
            "history" => {
                let item = json!({
                    "id": "m", "role": "user", "content": "hello", "createdAt": 1, "metadata": { "clientTurnId": turn },
                });
                told["recentHistory"] = json!([item]);
            }
            "the running turn" => told["activeTurn"] = json!({ "turnId": "t", "clientTurnId": turn }),
            _ => {}
        }
        peer.says(told).await;
        if shown_by == "the event told again" {
            peer.says(started).await;
        }
        client.stop_turn("other").unwrap();
        loop {
            let message = peer.hears().await;
            match message["type"].as_str().unwrap() {
                "ping" => peer.says(json!({ "type": "pong", "ts": 1 })).await,
                "stop_turn" => break,
                other => panic!("{other} was sent although {shown_by} shows that the turn began"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_the_gateway_refused_is_not_sent_again_and_one_that_came_too_fast_is() {
    let (client, mut gateway, mut peer) = connected().await;
    client.run_turn("s", "refused", None).unwrap();
    let refused = peer.hears_a("run_turn").await;
    client.run_turn("s", "too fast", None).unwrap();
    let too_fast = peer.hears_a("run_turn").await;
    let begun = Instant::now();
    peer.answers(&refused, error("FORBIDDEN", "not for you")).await;
    let mut limited = error("RATE_LIMITED", "too many messages");
    limited["retryAfterMs"] = 3_000.into();
    peer.answers(&too_fast, limited).await;
    assert_eq!(peer.hears_a("run_turn").await, too_fast);
    assert_eq!(begun.elapsed().as_secs(), 3);
    drop(peer);
    let mut peer = gateway.serve().await;
    peer.hears_a("ping").await;
    peer.says(json!({ "type": "pong", "ts": 1 })).await;
    assert_eq!(peer.hears_a("run_turn").await, too_fast);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_not_sent_again_to_a_session_in_which_nothing_runs() {
    let (client, mut gateway, mut peer) = connected().await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    client.stop_turn("s").unwrap();
    peer.hears_a("stop_turn").await;
    drop(peer);
    let mut peer = gateway.serve().await;
    peer.lets_join(16).await; // it is inactive
    client.steer("s", "on").unwrap();
    peer.hears_a("steer").await;
}

#[tokio::test(start_paused = true)]
async fn the_room_of_messages_that_arrived_is_free_again() {
    let (client, _gateway, mut peer) = connected().await;
    // Far more than may wait at once: a ping now and then finds out that they arrived.
    for number in 0..2_000 {
        client.steer("s", &number.to_string()).unwrap_or_else(|why| panic!("{number}: {why}"));
        loop {
            let message = peer.hears().await;
            if message["type"] == "ping" {
                peer.says(json!({ "type": "pong", "ts": 1 })).await;
                continue;
            }
            assert_eq!(message["content"], number.to_string());
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_late_hears_everything_of_both_connections_in_order() {
    const EACH: u64 = 3_000;
    let (client, mut gateway, mut peer) = connected().await;
    let (snapshot, _) = tokio::join!(client.join_session("s", Some(0)), peer.lets_join(0));
    snapshot.unwrap();
    let mut events = client.events();
    let saying = tokio::spawn(async move {
        for seq in 1..=EACH {
            peer.says(delta("s", seq, "text")).await;
        }
        peer.closes().await;
        let mut peer = gateway.serve().await;
        let asked = peer.lets_join(2 * EACH).await;
        for seq in asked["afterSeq"].as_u64().unwrap()..=2 * EACH {
            peer.says(delta("s", seq, "text")).await;
        }
        peer
    });
    tokio::time::sleep(Duration::from_secs(120)).await;
    let mut expected = 1;
    while expected <= 2 * EACH {
        let event = events.next().await.expect("the stream goes on");
        if let Some(seq) = event.seq() {
            assert_eq!(seq, expected);
            expected += 1;
        }
    }
    saying.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn diminuendo_86_pings_are_sent_every_interval_and_with_zero_never() {
    let (_client, _gateway, mut peer) = connected().await;
    let begun = Instant::now();
    for round in 1..=3 {
        let ping = peer.hears_a("ping").await;
        assert_eq!(begun.elapsed().as_secs(), round * 30);
        peer.says(json!({ "type": "pong", "ts": 1, "clientTs": ping["ts"] })).await;
    }
    let (_client, _gateway, mut peer) =
        connected_with(|options| ClientOptions { ping_interval: Duration::ZERO, ..options }).await;
    let silence = tokio::time::timeout(Duration::from_secs(3_600), peer.hears_or_end()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pong_for_us_is_not_taken_for_that_of_a_caller() {
    let (client, _gateway, mut peer) = connected().await;
    peer.hears_a("ping").await; // ours
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.ping().await }
    });
    peer.hears_a("ping").await;
    peer.says(json!({ "type": "pong", "ts": 1 })).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!asking.is_finished());
    peer.says(json!({ "type": "pong", "ts": 1 })).await;
    assert_eq!(asking.await.unwrap().unwrap().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_silent_for_35_s_is_left() {
    let (client, mut gateway, mut peer) =
        connected_with(|options| ClientOptions { ping_interval: Duration::ZERO, ..options }).await;
    let mut events = client.events();
    joined(&client, &mut peer, &mut events).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        peer.says(json!({ "type": "heartbeat", "sessionId": "s", "ts": 1 })).await;
    }
    assert!(matches!(events.next().await, Some(Event::Heartbeat(_))));
    let heard = Instant::now();
    let told = until_disconnected(&mut events).await;
    assert_eq!((heard.elapsed().as_secs(), told.will_reconnect), (35, true));
    gateway.serve().await.lets_join(16).await;
}

async fn with_a_hole(repair_gaps: bool) -> (Client, Gateway, Peer, Events) {
    let (client, gateway, mut peer) = connected_with(|options| ClientOptions { repair_gaps, ..options }).await;
    let mut events = client.events();
    let (snapshot, _) = tokio::join!(client.join_session("s", Some(0)), peer.lets_join(0));
    snapshot.unwrap();
    peer.says(delta("s", 1, "one")).await;
    peer.says(delta("s", 4, "four")).await;
    peer.says(delta("s", 5, "five")).await;
    assert_eq!(text(&mut events).await, "one");
    (client, gateway, peer, events)
}

#[tokio::test(start_paused = true)]
async fn diminuendo_91_a_hole_leads_to_one_question_and_nothing_is_told_twice() {
    let (client, _gateway, mut peer, mut events) = with_a_hole(true).await;
    let asked = peer.hears_a("get_events").await;
    assert_eq!((&asked["sessionId"], &asked["afterSeq"], &asked["limit"]), (&json!("s"), &json!(1), &json!(2)));
    let found: Vec<Value> = vec![delta("s", 2, "two"), delta("s", 4, "four")];
    let answer = json!({ "type": "events", "sessionId": "s", "events": found, "hasMore": false, "lastSeq": 4 });
    peer.says(answer).await;
    peer.says(delta("s", 6, "six")).await;
    for word in ["two", "four", "five", "six"] {
        assert_eq!(text(&mut events).await, word);
    }
    client.stop_turn("s").unwrap();
    peer.hears_a("stop_turn").await; // and no other question
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_and_does_not_come_is_given_up() {
    let (_client, _gateway, mut peer, mut events) = with_a_hole(true).await;
    peer.hears_a("get_events").await;
    let asked = Instant::now();
    assert_eq!(text(&mut events).await, "four");
    assert_eq!(asked.elapsed().as_secs(), 10);
    assert_eq!(text(&mut events).await, "five");
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_nothing_unless_one_wants_it_to_be() {
    let (client, _gateway, mut peer, mut events) = with_a_hole(false).await;
    assert_eq!(text(&mut events).await, "four");
    assert_eq!(text(&mut events).await, "five");
    client.stop_turn("s").unwrap();
    peer.hears_a("stop_turn").await;
}
