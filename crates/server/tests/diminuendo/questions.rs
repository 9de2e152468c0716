//! Questions, permissions and steering: who asks, who answers, and who was too late.

use serde_json::{Value, json};

use crate::frames::{keys, kind, list, number, of, one, shown, statuses, streamed, text};
use crate::gateway::Gateway;
use crate::peer::Peer;

fn answer(session: &str, request: &Value, answers: Value) -> Value {
    json!({ "type": "answer_question", "sessionId": session, "requestId": request["requestId"], "answers": answers })
}

/// A request without its place in the log, which a snapshot need not show.
fn unplaced(request: &Value) -> Value {
    let mut request = request.clone();
    for field in ["seq", "ts"] {
        request.as_object_mut().expect("a frame is an object").remove(field);
    }
    request
}

/// Runs a script that asks, and hears it until the session waits.
async fn asked(peer: &mut Peer, session: &str, script: &str) -> (Value, Vec<Value>) {
    peer.runs(session, script).await;
    let (mut frames, mut waits) = (Vec::new(), false);
    let asks = |frame: &&Value| ["question_requested", "permission_requested"].contains(&kind(frame));
    while !(waits && frames.iter().any(|frame| asks(&frame))) {
        let frame = peer.hears().await;
        waits |= kind(&frame) == "session_state" && frame["status"] == "waiting";
        frames.push(frame);
    }
    (frames.iter().find(asks).unwrap().clone(), frames)
}

/// Asks, answers, and gives back the request and what was heard from the answer on.
async fn answered(peer: &mut Peer, session: &str, script: &str, answers: Value) -> (Value, Vec<Value>) {
    let (request, _) = asked(peer, session, script).await;
    peer.says(answer(session, &request, answers)).await;
    let rest = peer.until_rest(session).await;
    (request, rest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_56_a_question_names_its_request_and_the_session_waits() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let (request, frames) = asked(&mut peer, &session, "before\n!ask single Which? | red | green\nafter").await;
    assert_eq!(kind(&request), "question_requested");
    assert!(!text(&request, "requestId").is_empty());
    for field in ["turnId", "sessionId"] {
        text(&request, field);
    }
    let questions = list(&request, "questions");
    assert_eq!(questions.len(), 1, "{request}");
    assert_eq!((&questions[0]["key"], &questions[0]["prompt"]), (&json!("answer"), &json!("Which?")));
    assert_eq!(questions[0]["options"], json!(["red", "green"]));
    assert_eq!(statuses(&frames), ["activating", "ready", "running", "waiting"]);
    assert_eq!(streamed(&frames), "before\n");
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["status"], "waiting");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_57_an_answer_reaches_the_agent_and_the_turn_goes_on() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for (script, answers, printed) in [
        ("!ask text Name?\nafter", json!({ "answer": "Ada Lovelace" }), "Ada Lovelace\nafter"),
        ("!ask confirm Sure?\nafter", json!({ "answer": "yes" }), "yes\nafter"),
        ("!ask confirm Sure?\nafter", json!({ "answer": "no" }), "no\nafter"),
        ("!ask single Which? | red | green\nafter", json!({ "answer": "green" }), "green\nafter"),
        (
            "!ask multi Which? | red | green | blue\nafter",
            json!({ "answer": "[\"red\",\"blue\"]" }),
            "red, blue\nafter",
        ),
    ] {
        let (request, rest) = answered(&mut peer, &session, script, answers.clone()).await;
        let resolved = one(&rest, "approval_resolved");
        assert_eq!(resolved["requestId"], request["requestId"]);
        assert_eq!(resolved["turnId"], request["turnId"]);
        assert_eq!((&resolved["outcome"], &resolved["answers"]), (&json!("answered"), &answers), "{resolved}");
        assert_eq!(resolved["resolvedBy"], "dev-user-001");
        assert_eq!(streamed(&rest), printed, "{script:?}");
        assert_eq!(statuses(&rest), ["running", "ready"], "{script:?}");
        assert_eq!(one(&rest, "turn_complete")["finalText"], printed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_is_asked_and_answered_by_its_own_keys() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let form = json!({ "questions": [
        { "key": "preferred_language", "question": "Language?", "options": ["TypeScript", "Rust"], "required": true },
        { "key": "framework", "question": "Framework?" },
    ]});
    let answers = json!({ "preferred_language": "TypeScript", "framework": "React" });
    let (request, rest) = answered(&mut peer, &session, &format!("!ask form {form}"), answers.clone()).await;
    let questions = list(&request, "questions");
    let asked: Vec<_> = questions.iter().map(|question| (text(question, "key"), text(question, "prompt"))).collect();
    assert_eq!(asked, [("preferred_language", "Language?"), ("framework", "Framework?")]);
    assert_eq!((&questions[0]["options"], &questions[0]["required"]), (&json!(["TypeScript", "Rust"]), &json!(true)));
    assert_eq!(one(&rest, "approval_resolved")["answers"], answers);
    assert_eq!(serde_json::from_str::<Value>(&streamed(&rest)).expect("the script prints the values"), answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_58_a_question_can_be_dismissed() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for script in ["!ask text Name?\nafter", "!ask single Which? | a | b\nafter", "!ask confirm Sure?\nafter"] {
        let (request, _) = asked(&mut peer, &session, script).await;
        let mut dismissal = answer(&session, &request, json!({}));
        dismissal["dismissed"] = json!(true);
        peer.says(dismissal).await;
        let rest = peer.until_rest(&session).await;
        assert_eq!(one(&rest, "approval_resolved")["outcome"], "dismissed");
        assert_eq!(streamed(&rest), "dismissed\nafter");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_59_the_first_answer_wins_and_the_second_is_told_so() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    bob.joins(&session).await;
    let (request, _) = asked(&mut ann, &session, "!ask text Name?\n!waitsteer").await;
    bob.hears_a("question_requested").await;
    bob.says(answer(&session, &request, json!({ "answer": "bob's" }))).await;
    ann.hears_a("approval_resolved").await;
    for peer in [&mut ann, &mut bob] {
        let error = peer.refused(answer(&session, &request, json!({ "answer": "too late" }))).await;
        assert_eq!(error["code"], "QUESTION_NOT_FOUND");
    }
    ann.says(json!({ "type": "steer", "sessionId": session, "content": "on" })).await;
    let rest = ann.until_rest(&session).await;
    assert_eq!(one(&rest, "turn_complete")["finalText"], "bob's\non\n");
    assert_eq!(of(&ann.log_of(&session).await, "approval_resolved").len(), 1);
    // One of a turn that is over, and one that never was.
    for id in [&request, &json!({ "requestId": "never" })] {
        let error = ann.refused(answer(&session, id, json!({ "answer": "x" }))).await;
        assert_eq!(error["code"], "QUESTION_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_answers_that_race_exactly_one_wins() {
    let gateway = Gateway::dev().await;
    let mut first = gateway.peer().await;
    let session = first.with_script().await;
    let (request, _) = asked(&mut first, &session, "!ask text Name?").await;
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(gateway.peer().await);
    }
    for (at, peer) in others.iter_mut().enumerate() {
        peer.says(answer(&session, &request, json!({ "answer": format!("answer {at}") }))).await;
    }
    let mut winners = Vec::new();
    for (at, peer) in others.iter_mut().enumerate() {
        let heard = peer.settles().await;
        let errors = of(&heard, "error");
        assert!(errors.iter().all(|error| error["code"] == "QUESTION_NOT_FOUND"), "{}", shown(&heard));
        if errors.is_empty() {
            winners.push(format!("answer {at}\n"));
        }
    }
    let rest = first.until_rest(&session).await;
    assert_eq!(winners, [streamed(&rest)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_60_who_joins_while_the_session_waits_can_answer() {
    let gateway = Gateway::dev().await;
    let mut ann = gateway.peer().await;
    for by_replay in [false, true] {
        let session = ann.with_script().await;
        let (request, _) = asked(&mut ann, &session, "!ask text Name?").await;
        let mut bob = gateway.peer().await;
        let seen = match by_replay {
            true => {
                assert_eq!(bob.joins_after(&session, 0).await["session"]["status"], "waiting");
                bob.hears_a("question_requested").await
            }
            false => {
                let snapshot = bob.joins(&session).await;
                assert_eq!(snapshot["session"]["status"], "waiting");
                list(&snapshot, "pendingRequests")[0].clone()
            }
        };
        assert_eq!(unplaced(&seen), unplaced(&request), "in the words in which it was asked");
        bob.says(answer(&session, &seen, json!({ "answer": "late and welcome" }))).await;
        assert_eq!(streamed(&bob.until_rest(&session).await), "late and welcome\n");
        let rest = ann.until_rest(&session).await;
        assert_eq!(one(&rest, "approval_resolved")["outcome"], "answered");
        let snapshot = bob.joins(&session).await;
        assert!(snapshot["pendingRequests"].as_array().is_none_or(Vec::is_empty), "{snapshot}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_61_a_permission_is_asked_for_and_given_or_denied() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    for (decision, outcome, printed) in [
        ("allow", "allowed", "allowed once\n"),
        ("deny", "denied", "denied\n"),
        ("allow_always", "allowed", "allowed workspace\n"),
    ] {
        let session = peer.with_script().await;
        let script = "!ask permission deploy tool {\"to\": \"production\"}";
        let (request, frames) = asked(&mut peer, &session, script).await;
        assert_eq!(kind(&request), "permission_requested");
        assert_eq!(request["toolName"], "deploy");
        assert!(!text(&request, "action").is_empty());
        let options = list(&request, "options");
        assert!(["allow", "deny", "allow_always"].iter().all(|known| options.contains(&json!(known))), "{request}");
        assert!(request.to_string().contains("production"), "what for: {request}");
        assert_eq!(statuses(&frames).last(), Some(&"waiting"));
        peer.says(answer(&session, &request, json!({ "decision": decision }))).await;
        let rest = peer.until_rest(&session).await;
        let resolved = one(&rest, "approval_resolved");
        assert_eq!((&resolved["requestId"], &resolved["outcome"]), (&request["requestId"], &json!(outcome)));
        assert_eq!(streamed(&rest), printed);
        assert_eq!(statuses(&rest), ["running", "ready"]);
        let error = peer.refused(answer(&session, &request, json!({ "decision": "allow" }))).await;
        assert_eq!(error["code"], "QUESTION_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_asks_first_runs_only_when_it_may() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let script = "!guarded deploy {\"to\": \"production\"} => deployed";
    let (request, frames) = asked(&mut peer, &session, script).await;
    assert_eq!(request["toolName"], "deploy");
    assert!(of(&frames, "tool_result").is_empty(), "it has not run");
    peer.says(answer(&session, &request, json!({ "decision": "allow" }))).await;
    let rest = peer.until_rest(&session).await;
    let result = one(&rest, "tool_result");
    assert_eq!((&result["status"], &result["output"]), (&json!("success"), &json!("deployed")));
    assert_eq!(request["toolCallId"], result["toolCallId"]);

    let (request, _) = asked(&mut peer, &session, script).await;
    peer.says(answer(&session, &request, json!({ "decision": "deny" }))).await;
    let rest = peer.until_rest(&session).await;
    assert!(!shown(&rest).contains("deployed"), "{}", shown(&rest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_fit_is_refused_and_the_question_stays() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for (script, misfits, fit, printed) in [
        (
            "!ask single Which? | red | green",
            vec![json!({ "answer": "blue" }), json!({})],
            json!({ "answer": "red" }),
            "red\n",
        ),
        ("!ask confirm Sure?", vec![json!({ "answer": "perhaps" })], json!({ "answer": "yes" }), "yes\n"),
        (
            "!ask multi Which? | red | green",
            vec![json!({ "answer": "[\"red\",\"blue\"]" }), json!({ "answer": "[" })],
            json!({ "answer": "[\"green\"]" }),
            "green\n",
        ),
        (
            "!ask permission deploy tool",
            vec![json!({ "decision": "perhaps" }), json!({})],
            json!({ "decision": "deny" }),
            "denied\n",
        ),
    ] {
        let (request, _) = asked(&mut peer, &session, script).await;
        for misfit in misfits {
            let error = peer.refused(answer(&session, &request, misfit.clone())).await;
            let known = ["INVALID_ANSWER", "INVALID_MESSAGE"].contains(&text(&error, "code"));
            assert!(known, "{script} {misfit}: {error}");
        }
        peer.says(answer(&session, &request, fit)).await;
        assert_eq!(streamed(&peer.until_rest(&session).await), printed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_62_a_steer_reaches_the_running_turn_and_begins_none() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    bob.joins(&session).await;
    for field in ["content", "text", "message"] {
        ann.runs(&session, "before\n!waitsteer\nafter").await;
        let mut heard = Vec::new();
        while streamed(&heard) != "before\n" {
            heard.push(ann.hears().await);
        }
        ann.says(json!({ "type": "steer", "sessionId": session, field: "mind the tests" })).await;
        let rest = ann.until_rest(&session).await;
        let sent = one(&rest, "steer_sent");
        assert_eq!((&sent["content"], &sent["userId"]), (&json!("mind the tests"), &json!("dev-user-001")));
        assert_eq!(sent["turnId"], one(&heard, "turn_started")["turnId"]);
        assert_eq!(streamed(&rest), "mind the tests\nafter");
        assert!(of(&rest, "turn_started").is_empty());
        assert_eq!(one(&bob.until_rest(&session).await, "steer_sent"), sent);
    }
    let error = ann.refused(json!({ "type": "steer", "sessionId": session, "content": "nobody" })).await;
    assert_eq!(error["code"], "NO_ACTIVE_TURN");
    let blank = ann.refused(json!({ "type": "steer", "sessionId": session, "content": "x", "sessionid": 1 })).await;
    assert_eq!(blank["code"], "NO_ACTIVE_TURN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_withdraws_what_was_asked() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let (request, _) = asked(&mut peer, &session, "!ask text Name?").await;
    peer.says(json!({ "type": "stop_turn", "sessionId": session })).await;
    let rest = peer.until_rest(&session).await;
    assert_eq!(one(&rest, "turn_complete")["stopped"], true);
    let resolved = one(&rest, "approval_resolved");
    assert_eq!(resolved["requestId"], request["requestId"]);
    assert!(["dismissed", "expired"].contains(&text(resolved, "outcome")), "nobody answered: {resolved}");
    let error = peer.refused(answer(&session, &request, json!({ "answer": "x" }))).await;
    assert_eq!(error["code"], "QUESTION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_outlives_a_restart_and_is_answered_after_it() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let (request, heard) = asked(&mut peer, &session, "before\n!ask text Name?\nafter").await;
    let gateway = gateway.restart().await;
    let mut peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["status"], "waiting");
    let last = number(heard.iter().rfind(|frame| frame.get("seq").is_some()).unwrap(), "seq");
    let snapshot = peer.joins_after(&session, last).await;
    let pending = list(&snapshot, "pendingRequests");
    assert_eq!((pending.len(), unplaced(&pending[0])), (1, unplaced(&request)));
    assert_eq!(snapshot["activeTurn"]["turnId"], request["turnId"]);
    let error = peer.refused(json!({ "type": "run_turn", "sessionId": session, "text": "no" })).await;
    assert_eq!(error["code"], "TURN_IN_PROGRESS");
    peer.says(answer(&session, &request, json!({ "answer": "Ada" }))).await;
    let rest = peer.until_rest(&session).await;
    let end = one(&rest, "turn_complete");
    assert_eq!((&end["turnId"], &end["finalText"]), (&request["turnId"], &json!("before\nAda\nafter")));
    assert!(!keys(end).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_in_the_wrong_order_are_refused_one_by_one() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("script").await;
    for (early, code) in [
        (json!({ "type": "steer", "sessionId": session, "content": "left" }), "NO_ACTIVE_TURN"),
        (answer(&session, &json!({ "requestId": "r" }), json!({ "answer": "x" })), "QUESTION_NOT_FOUND"),
        (json!({ "type": "read_file", "sessionId": session, "path": "a" }), "FILE_NOT_FOUND"),
    ] {
        let error = peer.refused(early).await;
        assert_eq!(error["code"], code);
    }
    peer.joins(&session).await;
    assert!(peer.log_of(&session).await.is_empty());
    peer.turn(&session, "and then it works").await;
}
