//! Turns: how they begin, what is heard of them, and that each ends once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::frames::{kind, list, number, of, one, shown, statuses, streamed, text};
use crate::gateway::Gateway;
use crate::peer::Peer;

const ENDS: [&str; 2] = ["turn_complete", "turn_error"];

fn stop(session: &str) -> Value {
    json!({ "type": "stop_turn", "sessionId": session })
}

/// Begins a turn that says something and then waits to be steered, and hears it until then.
async fn begins(peer: &mut Peer, session: &str) -> Vec<Value> {
    peer.runs(session, "so far\n!waitsteer\nmore").await;
    let mut heard = Vec::new();
    while streamed(&heard) != "so far\n" {
        heard.push(peer.hears().await);
    }
    heard
}

/// The events that belong to a turn.
fn of_turns(frames: &[Value]) -> Vec<Value> {
    frames.iter().filter(|frame| frame["turnId"].is_string()).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_42_the_first_turn_wakes_the_session_runs_and_leaves_it_ready() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("echo").await;
    assert_eq!(peer.joins(&session).await["session"]["status"], "inactive");
    let turn = peer.turn(&session, "to be or not to be").await;
    assert_eq!(statuses(&turn), ["activating", "ready", "running", "ready"]);
    let states = of(&turn, "session_state");
    assert_eq!(states[0]["previousStatus"], "inactive");
    assert_eq!(of(&turn, "turn_started").len(), 1);
    assert!(!of(&turn, "text_delta").is_empty());
    assert_eq!(of(&turn, "turn_complete").len(), 1);
    // The second finds it awake.
    let turn = peer.turn(&session, "again").await;
    assert_eq!(statuses(&turn), ["running", "ready"]);
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["status"], "ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_43_a_turns_events_share_its_id_and_stand_between_its_start_and_its_end() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let mut ids = Vec::new();
    for script in [
        "words\n!think hm\n!tool grep {} => found\n!shell echo x\n!write a.txt x\n!usage 1 2\nmore",
        "!fail bad no luck",
    ] {
        let turn = of_turns(&peer.turn(&session, script).await);
        assert_eq!(kind(&turn[0]), "turn_started", "{}", shown(&turn));
        assert!(ENDS.contains(&kind(turn.last().unwrap())), "{}", shown(&turn));
        let id = text(&turn[0], "turnId");
        assert!(turn.iter().all(|frame| frame["turnId"] == id), "{}", shown(&turn));
        assert_eq!(turn.iter().filter(|frame| ENDS.contains(&kind(frame))).count(), 1);
        ids.push(id.to_owned());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_44_the_final_text_is_what_was_streamed() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("echo").await;
    peer.joins(&session).await;
    for prompt in ["word", "to be  or\tnot\nto be ", " é 漢字 \u{1f600} ends\n\n", &"long ".repeat(5_000)] {
        let turn = peer.turn(&session, prompt).await;
        assert_eq!(streamed(&turn), prompt);
        assert_eq!(one(&turn, "turn_complete")["finalText"], prompt);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_45_the_clients_own_name_for_a_turn_comes_back_and_counts_once() {
    let gateway = Gateway::dev().await;
    let (mut peer, mut other) = (gateway.peer().await, gateway.peer().await);
    let session = peer.with_script().await;
    other.joins(&session).await;
    let run =
        |words: &str| json!({ "type": "run_turn", "sessionId": session, "text": words, "clientTurnId": "mine-1" });
    peer.says(run("hold\n!waitsteer")).await;
    assert_eq!(peer.hears_a("turn_started").await["clientTurnId"], "mine-1");
    assert_eq!(other.hears_a("turn_started").await["clientTurnId"], "mine-1");
    // Sent again, as after a reconnect: ignored while it runs and afterwards.
    peer.says(run("hold\n!waitsteer")).await;
    let heard = peer.settles().await;
    assert!(of(&heard, "error").is_empty(), "{}", shown(&heard));
    peer.says(json!({ "type": "steer", "sessionId": session, "content": "on" })).await;
    peer.until_rest(&session).await;
    peer.says(run("hold\n!waitsteer")).await;
    assert!(of(&peer.settles().await, "error").is_empty());
    let turn = peer.turn(&session, "another").await;
    assert_eq!(one(&turn, "turn_started").get("clientTurnId").filter(|id| !id.is_null()), None);
    assert_eq!(of(&peer.log_of(&session).await, "turn_started").len(), 2);
    let told = peer.asks(json!({ "type": "get_history", "sessionId": session })).await;
    assert_eq!(list(&told, "items").iter().filter(|item| item["role"] == "user").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_46_every_event_has_the_fields_that_a_client_reads() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let mut frames = peer.turn(&session, "words\n!tool grep {\"q\": 1} => found\nmore").await;
    frames.extend(peer.turn(&session, "!fail bad no luck").await);
    for frame in of_turns(&frames) {
        assert_eq!(frame["sessionId"], session);
        number(&frame, "seq");
        number(&frame, "ts");
        match kind(&frame) {
            "text_delta" => assert!(!text(&frame, "text").is_empty()),
            "tool_call" => assert_eq!((text(&frame, "toolName"), &frame["args"]), ("grep", &json!({ "q": 1 }))),
            "tool_result" => assert_eq!((text(&frame, "status"), &frame["output"]), ("success", &json!("found"))),
            "turn_complete" => assert_eq!(text(&frame, "finalText"), "words\nmore"),
            "turn_error" => assert!(text(&frame, "message").contains("no luck"), "{frame}"),
            _ => {}
        }
    }
    for name in ["turn_started", "text_delta", "tool_call", "tool_result", "turn_complete", "turn_error"] {
        assert!(!of(&frames, name).is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_47_a_stopped_turn_ends_once_with_what_it_said_so_far() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    begins(&mut peer, &session).await;
    peer.says(stop(&session)).await;
    peer.says(stop(&session)).await;
    let turn = peer.until_rest(&session).await;
    let end = one(&turn, "turn_complete");
    assert_eq!((&end["finalText"], &end["stopped"]), (&json!("so far\n"), &json!(true)));
    assert!(of(&turn, "turn_error").is_empty());
    assert_eq!(statuses(&turn).last(), Some(&"ready"));
    let next = peer.turn(&session, "goes on").await;
    assert_eq!(one(&next, "turn_complete").get("stopped").filter(|stopped| **stopped == json!(true)), None);
    let ends = peer.log_of(&session).await.iter().filter(|frame| ENDS.contains(&kind(frame))).count();
    assert_eq!(ends, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_48_stopping_nothing_changes_nothing() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.says(stop(&session)).await;
    assert!(peer.settles().await.is_empty());
    assert!(peer.log_of(&session).await.is_empty());
    peer.turn(&session, "words").await;
    let before = peer.log_of(&session).await;
    peer.says(stop(&session)).await;
    assert!(peer.settles().await.is_empty());
    assert_eq!(peer.log_of(&session).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_49_a_turn_during_a_turn_is_refused_and_the_running_one_goes_on() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    begins(&mut ann, &session).await;
    for peer in [&mut ann, &mut bob] {
        let error = peer.refused(json!({ "type": "run_turn", "sessionId": session, "text": "me too" })).await;
        assert_eq!(error["code"], "TURN_IN_PROGRESS");
    }
    ann.says(json!({ "type": "steer", "sessionId": session, "content": "on" })).await;
    let turn = ann.until_rest(&session).await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], "so far\non\nmore");
    // Also while it waits for an answer.
    ann.runs(&session, "!ask text Name?").await;
    ann.until("the question", |frame| frame["status"] == "waiting").await;
    let error = ann.refused(json!({ "type": "run_turn", "sessionId": session, "text": "me too" })).await;
    assert_eq!(error["code"], "TURN_IN_PROGRESS");
    ann.says(stop(&session)).await;
    ann.until_rest(&session).await;
    let told = ann.asks(json!({ "type": "get_history", "sessionId": session })).await;
    assert!(list(&told, "items").iter().all(|item| item["content"] != "me too"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_50_a_failure_is_told_with_its_reason_and_the_next_turn_recovers() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for (script, reason) in
        [("so far\n!fail overloaded no luck", "no luck"), ("so far\n!crash", ""), ("!no-such-word", "")]
    {
        let turn = peer.turn(&session, script).await;
        let error = one(&turn, "turn_error");
        assert!(text(error, "message").contains(reason) && !text(error, "message").is_empty(), "{error}");
        assert!(of(&turn, "turn_complete").is_empty());
        assert_eq!(statuses(&turn).last(), Some(&"error"), "{script:?}: {}", shown(&turn));
        let told = peer.asks(json!({ "type": "list_sessions" })).await;
        assert_eq!(told["sessions"][0]["status"], "error");

        let turn = peer.turn(&session, "well again").await;
        assert_eq!(one(&turn, "turn_complete")["finalText"], "well again");
        assert_eq!(statuses(&turn), ["activating", "ready", "running", "ready"], "{script:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_51_a_tenant_without_credits_begins_no_turn() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let budget = |micros: u64| gateway.native(Method::PUT, "/budget", Some(json!({ "limitMicros": micros })));
    let (status, told) = budget(0).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let error = peer.refused(json!({ "type": "run_turn", "sessionId": session, "text": "!write a.txt x" })).await;
    assert_eq!(error["code"], "INSUFFICIENT_CREDITS");
    assert!(peer.log_of(&session).await.is_empty(), "nothing was begun, and no agent was woken");
    assert_eq!(peer.status(&session), "inactive");
    // One that runs when the credits end is the last.
    budget(1_000).await;
    peer.turn(&session, "!usage 10 20 0.5").await;
    let error = peer.refused(json!({ "type": "run_turn", "sessionId": session, "text": "more" })).await;
    assert_eq!(error["code"], "INSUFFICIENT_CREDITS");
    gateway.native(Method::DELETE, "/budget", None).await;
    let turn = peer.turn(&session, "and on").await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], "and on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_55_a_megabyte_of_text_arrives_whole() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "!big 1048576").await;
    let said = streamed(&turn);
    assert_eq!(said.len(), 1_048_576);
    assert_eq!(text(one(&turn, "turn_complete"), "finalText"), said);
    let read = peer.log_of(&session).await;
    assert_eq!(streamed(&read), said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_turn_used_is_told() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "!usage 10 20 0.5\nwords").await;
    let usage = of(&turn, "usage_update");
    let usage = usage.last().unwrap_or_else(|| panic!("{}", shown(&turn)));
    assert_eq!((number(usage, "inputTokens"), number(usage, "outputTokens")), (10, 20));
    assert_eq!(number(usage, "costMicros"), 500_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_joined_runs_turns_and_hears_nothing_of_them() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.creates("echo").await;
    bob.hears_a("session_created").await;
    bob.joins(&session).await;
    ann.runs(&session, "for others").await;
    assert_eq!(streamed(&bob.until_rest(&session).await), "for others");
    assert!(ann.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_talks_without_end_is_stopped() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "!flood 10000000 10").await;
    peer.hears_a("tool_result").await;
    peer.says(stop(&session)).await;
    let rest = peer.until_rest(&session).await;
    assert_eq!(one(&rest, "turn_complete")["stopped"], true);
    let next = peer.turn(&session, "quiet now").await;
    assert_eq!(streamed(&next), "quiet now");
    assert!(of(&next, "tool_result").is_empty(), "nothing of the stopped turn comes late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_turns_that_are_asked_for_at_once_one_runs() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    let session = ann.with_script().await;
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(gateway.peer().await);
    }
    for (at, peer) in others.iter_mut().enumerate() {
        peer.runs(&session, &format!("turn {at}\n!waitsteer")).await;
    }
    let mut refused = 0;
    for peer in &mut others {
        let heard = peer.settles().await;
        let errors = of(&heard, "error");
        assert!(errors.iter().all(|error| error["code"] == "TURN_IN_PROGRESS"), "{}", shown(&heard));
        refused += errors.len();
    }
    assert_eq!(refused, 7);
    ann.hears_a("turn_started").await;
    ann.says(stop(&session)).await;
    ann.until_rest(&session).await;
    assert_eq!(of(&ann.log_of(&session).await, "turn_started").len(), 1);
}
