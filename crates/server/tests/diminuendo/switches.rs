//! What can be configured where the original's own words are not known, and a listener of its own.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::frames::{kind, of, one, shown};
use crate::gateway::{Gateway, Plan};
use crate::peer::Peer;

async fn with(toml: &str) -> Gateway {
    Plan::dev().toml(&format!("[diminuendo]\n{toml}\n")).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_can_be_spelled_as_the_other_sources_spell_them() {
    let gateway = with("error-code-style = 'pascal'").await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for (request, code) in [
        (json!({ "type": "join_session", "sessionId": "nobody" }), "SessionNotFound"),
        (json!({ "type": "create_session", "agentType": "nobody" }), "UnknownAgentType"),
        (json!({ "type": "steer", "sessionId": session, "content": "x" }), "NoActiveTurn"),
        (json!({ "type": "no_such" }), "INVALID_MESSAGE"), // those of the transport are upper case everywhere
    ] {
        assert_eq!(peer.refused(request).await["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extended_events_can_be_spelled_with_dots() {
    let script = "!think hm\n!shell echo out\nwords\n!tool grep {} => found";
    let names = ["thinking", "terminal"];
    let extended = |frames: &[Value]| -> Vec<String> {
        let names_of = frames.iter().map(kind).filter(|name| names.iter().any(|family| name.starts_with(family)));
        names_of.map(str::to_owned).collect()
    };
    let dotted = with("event-naming = 'dotted'").await;
    let plain = Gateway::dev().await;
    for (gateway, url) in
        [(&dotted, dotted.ws()), (&plain, format!("{}?protocolVersion=2", plain.ws())), (&plain, plain.ws())]
    {
        let mut peer = Peer::dial(&url, &[], gateway.clock.clone()).await.expect("the upgrade is taken");
        let welcome = peer.hears_a("welcome").await;
        let version = if url.contains("protocolVersion=2") { 2 } else { 1 };
        assert_eq!(welcome["protocolVersion"], version);
        peer.hears_a("authenticated").await;
        let session = peer.with_script().await;
        let turn = peer.turn(&session, script).await;
        let with_dots = url.contains('?') || std::ptr::eq(gateway, &dotted);
        let found = extended(&turn);
        assert!(found.iter().any(|name| name.starts_with("terminal")), "{}", shown(&turn));
        assert!(found.iter().all(|name| name.contains('.') == with_dots), "{found:?}");
        assert!(!of(&turn, "text_delta").is_empty() && !of(&turn, "tool_call").is_empty(), "the others stay");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_session_can_be_told_as_an_update() {
    let gateway = with("session-change-event = 'updated'").await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.creates("echo").await;
    for (request, archived) in [("archive_session", true), ("unarchive_session", false)] {
        ann.says(json!({ "type": request, "sessionId": session })).await;
        let told = ann.settles().await;
        assert_eq!(one(&told, "session_updated")["session"]["archived"], archived);
        assert_eq!(bob.hears_a("session_updated").await["session"]["archived"], archived);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_have_the_names_that_the_configuration_gives_them() {
    let gateway = Plan::dev().toml("[diminuendo.agent_types]\n'my.helper:v2' = 'echo'\n").start().await;
    let mut peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "create_session", "agentType": "my.helper:v2" })).await;
    assert_eq!(told["session"]["agentType"], "my.helper:v2");
    let session = told["session"]["id"].as_str().unwrap().to_owned();
    peer.joins(&session).await;
    let turn = peer.turn(&session, "!word").await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], "!word", "it is echo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_of_its_own_has_the_door_at_the_root() {
    let gateway = with("listen = '127.0.0.1:0'").await;
    let own = gateway.own().to_owned();
    let mut peer = Peer::dial(&format!("ws://{own}/ws"), &[], gateway.clock.clone()).await.expect("an upgrade");
    peer.hears_a("authenticated").await;
    let session = peer.with_script().await;
    let mut main = gateway.peer().await;
    main.joins(&session).await;
    peer.turn(&session, "on both").await;
    main.until_rest(&session).await;
    assert_eq!(gateway.get(&format!("http://{own}/health")).await.status(), StatusCode::OK);
    assert_eq!(gateway.get(&format!("http://{own}/ws")).await.status(), StatusCode::UPGRADE_REQUIRED);
    let elsewhere = gateway.get(&format!("http://{own}/api/v1/sessions")).await;
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND, "nothing else stands there");
    assert_eq!(elsewhere.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_events_are_spelled_as_they_were_told_to_this_connection() {
    let gateway = Gateway::dev().await;
    let url = format!("{}?protocolVersion=2", gateway.ws());
    let mut peer = Peer::dial(&url, &[], gateway.clock.clone()).await.expect("the upgrade is taken");
    peer.hears_a("authenticated").await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "!think hm\n!shell echo out").await;
    let told: Vec<_> = turn.iter().filter(|frame| frame.get("seq").is_some()).map(kind).collect();
    assert!(told.contains(&"thinking.complete") && told.contains(&"terminal.complete"), "{told:?}");
    let stored = peer.log_of(&session).await;
    assert_eq!(stored.iter().map(kind).collect::<Vec<_>>(), told);
}
