//! Joining: the snapshot, what is replayed, what is counted, what is read by pages, and that it all outlives a restart.

use serde_json::{Value, json};

use crate::frames::{keys, kind, list, number, numbered, of, one, seqs, shown, streamed, text};
use crate::gateway::{Gateway, PATIENCE, Plan};
use crate::peer::Peer;

/// What a turn of many kinds of frames says; the turn stays open until somebody steers.
const RICH: &str = "first words\n!think a thought\n!tool grep {\"q\": \"x\"} => found\nwords in between\n!stream 40\n\
                    !argdelta edit {\"path\": \"a\"}\n!write notes/a.txt text\n!shell echo out\n!usage 10 20\nlast words\n!waitsteer\n";

/// Runs [`RICH`] until it waits.
async fn rich_and_waiting(peer: &mut Peer) -> (String, Vec<Value>) {
    let session = peer.with_script().await;
    peer.runs(&session, RICH).await;
    let mut heard = Vec::new();
    while !streamed(&heard).ends_with("last words\n") {
        heard.push(peer.hears().await);
    }
    (session, heard)
}

async fn steers(peer: &mut Peer, session: &str, words: &str) {
    peer.says(json!({ "type": "steer", "sessionId": session, "content": words })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_32_a_join_is_answered_with_the_session_its_history_and_how_many_look() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("echo").await;
    let snapshot = peer.joins(&session).await;
    assert_eq!(snapshot["sessionId"], session);
    assert_eq!((&snapshot["session"]["id"], &snapshot["session"]["status"]), (&json!(session), &json!("inactive")));
    assert_eq!(keys(&snapshot["session"]).len(), 9);
    assert!(list(&snapshot, "recentHistory").is_empty());
    assert_eq!(number(&snapshot, "subscriberCount"), 1);
    peer.turn(&session, "to be or not to be").await;
    let snapshot = peer.joins(&session).await;
    let history = list(&snapshot, "recentHistory");
    assert_eq!(history.len(), 2, "{snapshot}");
    assert_eq!((&history[0]["role"], &history[1]["role"]), (&json!("user"), &json!("assistant")));
    assert_eq!(history[1]["content"], "to be or not to be");
    assert_eq!(snapshot["session"]["status"], "ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_a_snapshot_is_the_newest_fifty() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("echo").await;
    peer.joins(&session).await;
    for turn in 0..30 {
        peer.turn(&session, &format!("turn {turn}")).await;
    }
    let snapshot = peer.joins(&session).await;
    let history = list(&snapshot, "recentHistory");
    assert_eq!(history.len(), 50);
    assert_eq!((&history[0]["content"], &history[49]["content"]), (&json!("turn 5"), &json!("turn 29")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_33_each_join_says_how_many_connections_look() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob, mut eve) = (gateway.peer().await, gateway.peer().await, gateway.peer().await);
    let session = ann.creates("echo").await;
    let count = async |peer: &mut Peer| number(&peer.joins(&session).await, "subscriberCount");
    assert_eq!(count(&mut ann).await, 1);
    assert_eq!(count(&mut bob).await, 2);
    assert_eq!(count(&mut ann).await, 2, "who joins again is not counted again");
    assert_eq!(count(&mut eve).await, 3);
    // Those who look are told of those who come and go.
    ann.until("three who look", |frame| kind(frame) == "subscriber_count" && frame["subscriberCount"] == 3).await;
    eve.goes().await;
    ann.until("two who look", |frame| kind(frame) == "subscriber_count" && frame["subscriberCount"] == 2).await;
    assert_eq!(count(&mut bob).await, 2);
    bob.goes().await;
    ann.until("one who looks", |frame| kind(frame) == "subscriber_count" && frame["subscriberCount"] == 1).await;
    assert_eq!(count(&mut gateway.peer().await).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_34_leaving_is_not_answered_and_ends_the_stream_of_that_connection_only() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    let other = bob.with_script().await;
    bob.joins(&session).await;
    ann.settles().await;
    bob.settles().await;
    bob.says(json!({ "type": "leave_session", "sessionId": session })).await;
    bob.says(json!({ "type": "leave_session", "sessionId": session })).await; // not joined: nothing either
    bob.says(json!({ "type": "leave_session", "sessionId": "nobody-has-this" })).await;
    let heard = bob.settles().await;
    assert!(heard.iter().all(|frame| kind(frame) != "error"), "{}", shown(&heard));
    let turn = ann.turn(&session, "for those who stay").await;
    assert_eq!(streamed(&turn), "for those who stay");
    bob.turn(&other, "a later turn, so that anything of the first has come").await;
    let heard = bob.settles().await;
    assert!(heard.iter().all(|frame| frame["sessionId"] != session), "{}", shown(&heard));
    bob.joins(&session).await;
    ann.turn(&session, "again").await;
    assert_eq!(streamed(&bob.until_rest(&session).await), "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_35_a_join_after_a_number_replays_what_follows_it_before_anything_new() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    let session = ann.with_script().await;
    let mut heard = ann.turn(&session, "one\n!tool grep {} => found\ntwo").await;
    heard.extend(ann.turn(&session, "three").await);
    let all = numbered(&heard);
    let mut bob = gateway.peer().await;
    for after in [0].into_iter().chain(seqs(&all)) {
        let expected: Vec<_> = all.iter().filter(|frame| number(frame, "seq") > after).cloned().collect();
        bob.joins_after(&session, after).await;
        let mut replayed = Vec::new();
        while numbered(&replayed).len() < expected.len() {
            replayed.push(bob.hears().await);
        }
        assert_eq!(numbered(&replayed), expected, "after {after}");
        assert_eq!(bob.replayed(&session, after).await.1, expected, "after {after}, and nothing more");
    }
    // Beyond the end there is nothing, and without a number nothing is replayed.
    let newest = *seqs(&all).last().unwrap();
    let (snapshot, replayed) = bob.replayed(&session, newest + 1_000_000).await;
    assert!(number(&snapshot, "lastSeq") >= newest, "{snapshot}");
    assert!(replayed.is_empty(), "{}", shown(&replayed));
    bob.joins(&session).await;
    let turn = ann.turn(&session, "four").await;
    assert_eq!(numbered(&bob.until_rest(&session).await), numbered(&turn), "and then it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_36_who_joins_in_the_middle_of_a_busy_turn_hears_each_event_once() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    let session = ann.with_script().await;
    ann.runs(&session, "!stream 400 1\n!flood 200 100\n!stream 400 1\n").await;
    // Whoever comes, comes while the agent is talking: after so many frames that Ann has heard.
    let mut heard = Vec::new();
    let mut others = Vec::new();
    for moment in 0..24 {
        for _ in 0..10 {
            heard.push(ann.hears().await);
        }
        let mut peer = gateway.peer().await;
        let after = if moment % 2 == 0 { 0 } else { seqs(&heard).last().copied().unwrap_or(0) };
        peer.joins_after(&session, after).await;
        others.push((after, peer));
    }
    let ended = |frames: &[Value]| !of(frames, "turn_complete").is_empty();
    while !(ended(&heard) && kind(&heard[heard.len() - 1]) == "session_state") {
        heard.push(ann.hears().await);
    }
    let all = numbered(&heard);
    let text: String = (0..400).map(|token| format!("tok{token} ")).collect();
    assert_eq!(streamed(&all), text.repeat(2));
    for (after, mut peer) in others {
        let got = numbered(&peer.until_rest(&session).await);
        let expected: Vec<_> = all.iter().filter(|frame| number(frame, "seq") > after).cloned().collect();
        assert_eq!(seqs(&got), seqs(&expected), "after {after}");
        assert_eq!(got, expected, "after {after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_in_the_middle_of_a_turn_at_any_frame_has_every_word_once() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    let (session, heard) = rich_and_waiting(&mut ann).await;
    let before = numbered(&heard);
    let mut places = vec![0];
    for seq in seqs(&before) {
        places.extend([seq, seq + 1]); // holes are places, too
    }
    // Everybody joins twice at their place: the second replay is as good as the first.
    let mut others = Vec::new();
    for after in places {
        let mut peer = gateway.peer().await;
        for _ in 0..2 {
            let (_, replayed) = peer.replayed(&session, after).await;
            let expected: Vec<_> = before.iter().filter(|frame| number(frame, "seq") > after).cloned().collect();
            assert_eq!(replayed, expected, "after {after}");
        }
        others.push((after, peer));
    }
    steers(&mut ann, &session, "to the end").await;
    let rest = ann.until_rest(&session).await;
    let all: Vec<_> = before.iter().cloned().chain(numbered(&rest)).collect();
    let whole = streamed(&all);
    assert!(whole.starts_with("first words\nwords in between\ntok0 ") && whole.ends_with("last words\nto the end\n"));
    for (after, mut peer) in others {
        let live = numbered(&peer.until_rest(&session).await);
        assert_eq!(live, numbered(&rest), "after {after}: once, although it joined twice");
        let known: Vec<_> = before.iter().filter(|frame| number(frame, "seq") <= after).cloned().collect();
        let replayed: Vec<_> = before.iter().filter(|frame| number(frame, "seq") > after).cloned().collect();
        let words = [known, replayed, live].map(|frames| streamed(&frames)).concat();
        assert_eq!(words, whole, "after {after}");
    }
    let complete = one(&rest, "turn_complete");
    assert_eq!(text(complete, "finalText"), whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_in_the_middle_of_a_turn_has_the_text_so_far_to_the_letter() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    let session = ann.with_script().await;
    let prompt = "!stream 300 1\n!waitsteer\n";
    ann.says(json!({ "type": "run_turn", "sessionId": session, "text": prompt, "clientTurnId": "mine" })).await;
    let started = ann.hears_a("turn_started").await;
    let (mut others, mut heard) = (Vec::new(), String::new());
    // After each delta, until the last token: how many deltas these are depends on how busy the machine is.
    while others.len() < 20 && !heard.ends_with("tok299 ") {
        heard += text(&ann.hears_a("text_delta").await, "text");
        let mut peer = gateway.peer().await;
        let snapshot = peer.joins(&session).await;
        let turn = &snapshot["activeTurn"];
        assert_eq!((&turn["turnId"], &turn["clientTurnId"]), (&started["turnId"], &json!("mine")), "{snapshot}");
        number(turn, "startedAt");
        others.push((text(turn, "textSoFar").to_owned(), number(&snapshot, "lastSeq"), peer));
    }
    steers(&mut ann, &session, "end").await;
    ann.until_rest(&session).await;
    let whole: String = (0..300).map(|token| format!("tok{token} ")).collect::<String>() + "end\n";
    for (so_far, last, mut peer) in others {
        let rest = peer.until_rest(&session).await;
        assert_eq!(format!("{so_far}{}", streamed(&rest)), whole);
        assert!(seqs(&rest).into_iter().all(|seq| seq > last), "nothing of what the snapshot has");
    }
    let snapshot = gateway.peer().await.joins(&session).await;
    assert!(snapshot.get("activeTurn").is_none_or(Value::is_null), "{snapshot}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_again_and_again_while_the_agent_talks_hears_on_from_where_it_stood() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    ann.runs(&session, "!stream 600 1\nthe end").await;
    // Each joining says from where, and what was heard of it until the next one.
    let mut joinings: Vec<(u64, Vec<Value>)> = Vec::new();
    let mut last = 0;
    let over = |frames: &[Value]| !of(frames, "turn_complete").is_empty();
    while !joinings.last().is_some_and(|(_, frames)| over(frames)) {
        let after = last;
        let join = json!({ "type": "join_session", "sessionId": session, "afterSeq": after });
        bob.says(join).await;
        let mut before = bob.until_a("state_snapshot").await;
        before.pop();
        if let Some((_, frames)) = joinings.last_mut() {
            frames.extend(numbered(&before));
        }
        let mut frames = Vec::new();
        while frames.len() < 5 && !over(&frames) {
            frames.extend(numbered(&[bob.hears().await]));
        }
        last = number(&frames[frames.len() - 1], "seq");
        joinings.push((after, frames));
    }
    let all = numbered(&ann.until_rest(&session).await);
    assert!(joinings.len() > 1, "it talked for long enough");
    for (after, frames) in joinings {
        let follows: Vec<_> = all.iter().filter(|frame| number(frame, "seq") > after).take(frames.len()).collect();
        assert_eq!(frames.iter().collect::<Vec<_>>(), follows, "after {after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_viewers_see_the_same_frames_in_the_same_order() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    bob.joins(&session).await;
    let (first, second) =
        (ann.turn(&session, RICH.trim_end_matches("!waitsteer\n")).await, bob.until_rest(&session).await);
    assert_eq!(numbered(&first), numbered(&second));
    let (second, first) = (bob.turn(&session, "and back").await, ann.until_rest(&session).await);
    assert_eq!(numbered(&first), numbered(&second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_says_where_it_ended_only_to_those_who_ask() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "some words").await;
    peer.joins_after(&session, 0).await;
    let mut frames = Vec::new();
    while seqs(&frames).last() != seqs(&turn).last() {
        frames.push(peer.hears().await);
    }
    frames.extend(peer.turn(&session, "a later turn, so that anything of the replay has come").await);
    assert!(of(&frames, "replay_complete").is_empty(), "{}", shown(&frames));
    let turn = frames;
    peer.asks(json!({ "type": "join_session", "sessionId": session, "afterSeq": 0, "wantsReplayMarker": true })).await;
    let frames = peer.until_a("replay_complete").await;
    let replayed = seqs(&frames);
    assert_eq!(replayed, seqs(&turn));
    let marker = one(&frames, "replay_complete");
    assert_eq!(marker["sessionId"], session);
    assert_eq!(number(marker, "count") as usize, replayed.len());
    assert_eq!(marker["truncated"], false);
    assert!(number(marker, "toSeq") >= *replayed.last().unwrap());
    assert!(number(marker, "fromSeq") <= replayed[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_not_cut_off_however_long_it_is() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    let session = ann.with_script().await;
    let turn = ann.turn(&session, "!flood 2500 10").await;
    let mut bob = gateway.peer().await;
    bob.joins_after(&session, 0).await;
    let replayed = bob.until_rest(&session).await;
    assert_eq!(seqs(&replayed), seqs(&turn));
    assert_eq!(of(&replayed, "tool_result").len(), 2_500);
}

/// How long a session rests before its deltas fade.
const REST_MS: u64 = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_into_a_stretch_that_has_faded_has_every_word_once() {
    let gateway = Plan::dev().forgetful().start().await;
    let mut ann = gateway.peer().await;
    let session = ann.with_script().await;
    let turn = numbered(&ann.turn(&session, "!stream 100 2\n!think hm\nand then\n!stream 50 2").await);
    let whole = streamed(&turn);
    let deltas = of(&turn, "text_delta").len();
    ann.goes().await;
    // Nobody looks, and it rests.
    let mut bob = gateway.peer().await;
    let fades = async {
        loop {
            gateway.clock.advance(REST_MS);
            let told = bob.asks(json!({ "type": "get_events", "sessionId": session, "limit": 1000 })).await;
            if of(list(&told, "events"), "text_delta").len() < deltas {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, fades).await.expect("deltas of a session that rests fade");
    let stored = bob.log_of(&session).await;
    assert_eq!(streamed(&stored), whole, "no word is lost");
    for after in [0].into_iter().chain(seqs(&turn)) {
        let (_, replayed) = bob.replayed(&session, after).await;
        let known: Vec<_> = turn.iter().filter(|frame| number(frame, "seq") <= after).cloned().collect();
        assert_eq!(streamed(&known) + &streamed(&replayed), whole, "after {after}");
        assert!(seqs(&replayed).into_iter().all(|seq| seq > after), "after {after}");
        if after < *seqs(&turn).last().unwrap() {
            let ends = of(&replayed, "turn_complete").len() + of(&known, "turn_complete").len();
            assert_eq!(ends, 1, "after {after}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_looks_at_a_hundred_sessions_and_not_at_one_more() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let mut sessions = Vec::new();
    for _ in 0..101 {
        sessions.push(peer.creates("echo").await);
    }
    for session in &sessions[..100] {
        peer.joins(session).await;
    }
    peer.refused(json!({ "type": "join_session", "sessionId": sessions[100] })).await;
    peer.joins(&sessions[7]).await; // it looks at that one already
    peer.says(json!({ "type": "leave_session", "sessionId": sessions[0] })).await;
    peer.joins(&sessions[100]).await;
    peer.turn(&sessions[100], "words").await;
    peer.turn(&sessions[50], "words").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_33_who_has_left_is_not_counted_by_the_next_to_join() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.creates("echo").await;
    for _ in 0..10 {
        assert_eq!(number(&ann.joins(&session).await, "subscriberCount"), 1);
        assert_eq!(number(&bob.joins(&session).await, "subscriberCount"), 2);
        bob.says(json!({ "type": "leave_session", "sessionId": session })).await;
        bob.settles().await;
    }
    bob.joins(&session).await;
    bob.says(json!({ "type": "leave_session", "sessionId": session })).await;
    ann.until("one who looks", |frame| kind(frame) == "subscriber_count" && frame["subscriberCount"] == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_to_a_long_text_and_asks_at_once_is_answered_behind_it() {
    const LONG: usize = 8 << 20; // more than any buffer between the two
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, &format!("!big {LONG}")).await;
    for _ in 0..5 {
        let mut back = gateway.peer().await;
        back.says(json!({ "type": "join_session", "sessionId": session, "afterSeq": 0 })).await;
        for _ in 0..10 {
            back.says(json!({ "type": "get_history", "sessionId": session })).await;
        }
        peer.settles().await; // and `back` has read nothing yet
        back.until_rest(&session).await;
        back.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_left_is_read_no_more() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let readers = async || {
        let url = gateway.http("/metrics").replace("/diminuendo/", "/"); // not the door's own
        let page = gateway.get(&url).await.text().await.expect("a page");
        let line = page.lines().find_map(|line| line.strip_prefix("rejoin_readers ").map(str::to_owned));
        line.expect("a figure of readers")
    };
    assert_eq!(readers().await, "1");
    peer.says(json!({ "type": "leave_session", "sessionId": session })).await;
    let left = async {
        while readers().await != "0" {
            peer.settles().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.expect("nobody reads");
}
