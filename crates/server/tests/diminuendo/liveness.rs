//! Heartbeats, pings, viewers that do not read, and a gateway that stops.

use serde_json::json;

use crate::frames::{kind, number, numbered, of, one, seqs, streamed};
use crate::gateway::{Gateway, NOW, Plan};
use crate::peer::Peer;

const HEARTBEAT_MS: u64 = 30_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_71_whoever_is_connected_hears_a_heartbeat_in_time() {
    let gateway = Gateway::dev().await;
    let (mut joined, mut idle) = (gateway.peer().await, gateway.peer().await);
    let session = joined.creates("echo").await;
    idle.hears_a("session_created").await;
    joined.joins(&session).await;
    for beat in 1..=3 {
        for peer in [&mut joined, &mut idle] {
            assert!(of(&peer.settles().await, "heartbeat").is_empty(), "not before its time");
        }
        gateway.clock.advance(HEARTBEAT_MS);
        for peer in [&mut joined, &mut idle] {
            let heard = peer.hears_a("heartbeat").await;
            assert_eq!(number(&heard, "ts"), NOW + beat * HEARTBEAT_MS);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_72_a_ping_is_answered_with_both_clocks() {
    let gateway = Gateway::locked().await;
    let mut peer = gateway.dial().await;
    gateway.clock.advance(7);
    let pong = peer.asks(json!({ "type": "ping", "ts": 1_234 })).await;
    assert_eq!(pong, json!({ "type": "pong", "ts": NOW + 7, "clientTs": 1_234 }));
    let pong = peer.asks(json!({ "type": "ping" })).await;
    assert_eq!(pong["ts"], NOW + 7);
    let mut peer = gateway.member("acme", "ada").await;
    peer.asks(json!({ "type": "ping", "ts": 1_760_000_000_000.5 })).await;
    assert_eq!(peer.asks(json!({ "type": "ping", "ts": 0 })).await["clientTs"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_75_a_viewer_that_does_not_read_slows_nobody_and_misses_nothing() {
    let gateway = Gateway::dev().await;
    let (mut fast, mut stalled) = (gateway.peer().await, gateway.peer().await);
    let session = fast.with_script().await;
    stalled.joins(&session).await;
    // Far more than any buffer between the two; `stalled` reads nothing until the other has heard it all.
    let turn = fast.turn(&session, "!flood 3000 8000\nthe end").await;
    assert_eq!(of(&turn, "tool_result").len(), 3_000);
    assert_eq!(streamed(&turn), "the end");
    let again = fast.turn(&session, "and a second turn").await;
    let mut late = stalled.until_rest(&session).await;
    late.extend(stalled.until_rest(&session).await);
    let mut expected = numbered(&turn);
    expected.extend(numbered(&again));
    assert_eq!(seqs(&late), seqs(&expected));
    assert!(numbered(&late) == expected, "the same frames");
    stalled.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_takes_nothing_for_minutes_is_let_go_and_loses_nothing() {
    let gateway = Gateway::dev().await;
    let (mut fast, mut stalled) = (gateway.peer().await, gateway.peer().await);
    let session = fast.with_script().await;
    stalled.joins(&session).await;
    let all = numbered(&fast.turn(&session, "!flood 3000 8000\nthe end").await);
    for _ in 0..20 {
        gateway.clock.advance(10_000);
        fast.settles().await; // who reads, stays
    }
    let (frames, code) = stalled.closed().await;
    assert!(matches!(code, Some(4008) | None), "{code:?}: the last word may not get through");
    let heard = numbered(&frames);
    assert_eq!(heard[..], all[..heard.len()]);
    let last = heard.last().map_or(0, |frame| number(frame, "seq"));
    let (_, rest) = gateway.peer().await.replayed(&session, last).await;
    assert!(rest[..] == all[heard.len()..], "everything from where it stood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_viewers_of_many_sessions_hear_their_own() {
    let gateway = Gateway::dev().await;
    let mut owner = gateway.peer().await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(owner.creates("echo").await);
    }
    let mut viewers = Vec::new();
    for at in 0..10 {
        let mut peer = gateway.peer().await;
        let mine = [&sessions[at % 5], &sessions[(at + 1) % 5]].map(String::clone);
        for session in &mine {
            peer.joins(session).await;
        }
        viewers.push((mine, peer));
    }
    for (at, session) in sessions.iter().enumerate() {
        owner.runs(session, &format!("said in session {at}")).await;
    }
    for (mine, peer) in &mut viewers {
        let mut heard = Vec::new();
        while mine.iter().any(|session| !ended(&heard, session)) {
            heard.push(peer.hears().await);
        }
        heard.extend(peer.settles().await);
        for session in mine.iter() {
            let at = sessions.iter().position(|known| known == session).unwrap();
            let of_it: Vec<_> = heard.iter().filter(|frame| frame["sessionId"] == **session).cloned().collect();
            assert_eq!(streamed(&of_it), format!("said in session {at}"));
        }
        assert!(numbered(&heard).iter().all(|frame| mine.iter().any(|session| frame["sessionId"] == **session)));
    }
}

fn ended(heard: &[serde_json::Value], session: &str) -> bool {
    of(heard, "turn_complete").iter().any(|frame| frame["sessionId"] == session)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_says_so_ends_turns_and_closes_in_order() {
    let gateway = Plan::dev().stop_ms(600_000).start().await;
    let mut peer = gateway.peer().await;
    let mut idle = gateway.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "so far\n!waitsteer").await;
    let before = peer.until("the text", |frame| kind(frame) == "text_delta").await;
    assert_eq!(streamed(&before), "so far\n");
    gateway.stop().await; // in a hurry: it waits for no turn
    let (frames, code) = peer.closed().await;
    assert_eq!(code, Some(1001));
    let shutdown = one(&frames, "server_shutdown");
    number(shutdown, "ts");
    number(shutdown, "graceMs");
    let ends: Vec<_> = frames.iter().filter(|frame| ["turn_error", "turn_complete"].contains(&kind(frame))).collect();
    assert_eq!(ends.len(), 1, "whoever looks is brought to the end: {frames:?}");
    assert_eq!((kind(ends[0]), &ends[0]["code"]), ("turn_error", &json!("INTERRUPTED")));
    let (frames, code) = idle.closed().await;
    assert_eq!((of(&frames, "server_shutdown").len(), code), (1, Some(1001)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_a_restart_interrupted_is_told_once_and_the_session_can_go_on() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "so far\n!waitsteer").await;
    let heard = peer.until("the text", |frame| kind(frame) == "text_delta").await;
    let gateway = gateway.restart().await;
    let mut peer: Peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["status"], "inactive");
    let (_, replayed) = peer.replayed(&session, 0).await;
    let first = numbered(&heard);
    assert_eq!(replayed[..first.len()], first);
    let error = one(&replayed, "turn_error");
    assert_eq!((&error["code"], &error["turnId"]), (&json!("INTERRUPTED"), &one(&heard, "turn_started")["turnId"]));
    assert!(of(&replayed, "turn_complete").is_empty());
    let turn = peer.turn(&session, "next life").await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], "next life");
}
