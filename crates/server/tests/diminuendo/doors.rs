//! One session behind two doors: what begins here goes on over the native API, and the other way round.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::frames::{list, of, one, statuses, streamed, text};
use crate::gateway::{Gateway, PATIENCE};
use crate::peer::Peer;

fn answer(session: &str, request: &Value, words: &str) -> Value {
    let answers = json!({ "answer": words });
    json!({ "type": "answer_question", "sessionId": session, "requestId": request["requestId"], "answers": answers })
}

/// Waits for an event of the native log.
async fn until(gateway: &Gateway, session: &str, wanted: &str) -> Value {
    let path = format!("/sessions/{session}/events?limit=1000");
    let wait = async {
        loop {
            let (_, page) = gateway.native(Method::GET, &path, None).await;
            if let Some(event) = list(&page, "items").iter().find(|event| event["type"] == wanted) {
                return event.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no {wanted} in the native log"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_made_over_the_native_api_is_followed_driven_and_answered_here() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let (status, made) =
        gateway.native(Method::POST, "/sessions", Some(json!({ "agent": "script", "title": "From outside" }))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let session = text(&made, "id").to_owned();
    let told = peer.hears_a("session_created").await;
    assert_eq!((&told["session"]["id"], &told["session"]["name"]), (&json!(session), &json!("From outside")));
    assert_eq!(told["session"]["agentType"], "script");

    peer.joins(&session).await;
    gateway
        .commands(&session, json!({ "type": "prompt", "text": "outside\n!ask text Name?", "reference": "theirs" }))
        .await;
    let started = peer.hears_a("turn_started").await;
    let request = peer.hears_a("question_requested").await;
    peer.says(answer(&session, &request, "Ada")).await;
    let rest = peer.until_rest(&session).await;
    assert_eq!(one(&rest, "turn_complete")["finalText"], "outside\nAda\n");
    assert_eq!(one(&rest, "turn_complete")["turnId"], started["turnId"]);
    let answered = until(&gateway, &session, "askAnswered").await;
    assert_eq!(
        (&answered["author"]["door"], &answered["author"]["user"]),
        (&json!("diminuendo"), &json!("dev-user-001"))
    );
    assert_eq!(answered["answer"], json!({ "kind": "write", "text": "Ada" }));

    // A rename and the archive are told here, too.
    let path = format!("/sessions/{session}");
    gateway.native(Method::PATCH, &path, Some(json!({ "title": "Renamed outside" }))).await;
    let told = peer.hears_a("session_updated").await;
    assert_eq!(told["session"]["name"], "Renamed outside");
    gateway.native(Method::PATCH, &path, Some(json!({ "archived": true }))).await;
    assert_eq!(peer.hears_a("session_archived").await["session"]["archived"], true);
    gateway.native(Method::DELETE, &path, None).await;
    assert_eq!(peer.hears_a("session_deleted").await["sessionId"], session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_made_here_is_answered_over_the_native_api_and_who_is_late_is_told() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "!ask confirm Sure?\n!waitsteer").await;
    let request = peer.hears_a("question_requested").await;
    assert_eq!(request["questions"][0]["options"], json!(["yes", "no"]));
    let (_, view) = gateway.native(Method::GET, &format!("/sessions/{session}"), None).await;
    let ask = text(&view["asks"][0], "id").to_owned();
    gateway
        .commands(&session, json!({ "type": "answer", "ask": ask, "answer": { "kind": "confirm", "confirmed": true } }))
        .await;
    let resolved = peer.hears_a("approval_resolved").await;
    assert_eq!((&resolved["requestId"], &resolved["outcome"]), (&request["requestId"], &json!("answered")));
    assert_eq!(resolved["answers"], json!({ "answer": "yes" }));
    let error = peer.refused(answer(&session, &request, "no")).await;
    assert_eq!(error["code"], "QUESTION_NOT_FOUND");
    gateway.commands(&session, json!({ "type": "steer", "text": "from outside" })).await;
    let rest = peer.until_rest(&session).await;
    assert_eq!(one(&rest, "steer_sent")["content"], "from outside");
    assert_eq!(one(&rest, "turn_complete")["finalText"], "yes\nfrom outside\n");
    let (_, view) = gateway.native(Method::GET, &format!("/sessions/{session}"), None).await;
    assert!(view.to_string().contains("from outside"), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_that_others_queue_are_heard_as_turns_one_after_the_other() {
    let gateway = Gateway::dev().await;
    let mut peer: Peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "first\n!waitsteer").await;
    peer.hears_a("turn_started").await;
    for text in ["second", "third"] {
        gateway.commands(&session, json!({ "type": "prompt", "text": text, "ifBusy": "queue" })).await;
    }
    gateway.commands(&session, json!({ "type": "steer", "text": "on" })).await;
    let mut heard = Vec::new();
    while of(&heard, "turn_complete").len() < 3 || statuses(&heard).last() != Some(&"ready") {
        heard.push(peer.hears().await);
    }
    let said: Vec<_> = of(&heard, "turn_complete").into_iter().map(|end| text(end, "finalText")).collect();
    assert_eq!(said, ["first\non\n", "second", "third"]);
    assert!(streamed(&heard).ends_with("secondthird"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_from_outside_ends_the_turn_here() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "so far\n!waitsteer").await;
    peer.hears_a("text_delta").await;
    gateway.commands(&session, json!({ "type": "interrupt" })).await;
    let rest = peer.until_rest(&session).await;
    let end = one(&rest, "turn_complete");
    assert_eq!((&end["stopped"], &end["finalText"]), (&json!(true), &json!("so far\n")));
    assert_eq!(peer.status(&session), "ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_back_elsewhere_is_not_in_the_history_here() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "kept").await;
    peer.turn(&session, "regretted").await;
    let (_, view) = gateway.native(Method::GET, &format!("/sessions/{session}/messages"), None).await;
    let message = list(&view, "items").iter().find(|message| message.to_string().contains("regretted"));
    let message = text(message.expect("the prompt is in the transcript"), "id").to_owned();
    gateway.commands(&session, json!({ "type": "revert", "message": message, "inclusive": true })).await;
    let told = peer.asks(json!({ "type": "get_history", "sessionId": session })).await;
    assert!(!told.to_string().contains("regretted") && told.to_string().contains("kept"), "{told}");
    let snapshot = gateway.peer().await.joins(&session).await;
    assert!(!snapshot.to_string().contains("regretted"), "{snapshot}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_at_another_door_is_shown_again_to_who_looks() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "first").await;
    peer.turn(&session, "second").await;
    let (_, page) = gateway.native(Method::GET, &format!("/sessions/{session}/messages"), None).await;
    let messages = list(&page, "items");
    assert_eq!(messages.len(), 4);
    gateway.commands(&session, json!({ "type": "revert", "message": messages[1]["id"] })).await;
    let snapshot = peer.hears_a("state_snapshot").await;
    let said: Vec<_> = list(&snapshot, "recentHistory").iter().map(|item| text(item, "content").to_owned()).collect();
    assert_eq!(said, ["first", "first"]);
    assert_eq!(snapshot["subscriberCount"], 1);
}
