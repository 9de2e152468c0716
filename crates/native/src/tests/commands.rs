//! Commands over HTTP.

use rejoin_core::refusal::Refusal;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::StoreError;
use reqwest::Method;
use serde_json::{Value, json};

use super::door::{Door, is};

#[tokio::test]
async fn a_command_sent_twice_is_done_once_and_answered_alike() {
    let door = Door::open().await;
    door.create("s1").await;
    let prompt = json!({ "id": "c1", "type": "prompt", "text": "hello" });
    let first = door.run("s1", prompt.clone()).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["id"], "c1");
    let tip = door.get("/sessions/s1").await.json()["position"].clone();
    assert_eq!(first.json()["position"], tip);
    assert_eq!(door.run("s1", prompt).await.json(), first.json());
    assert_eq!(door.get("/sessions/s1").await.json()["position"], tip);
    let reused = door.run("s1", json!({ "id": "c1", "type": "release" })).await;
    assert_eq!(reused.problem(), is(409, "id_reused"));

    let minted = door.run("s1", json!({ "type": "enqueue", "text": "more" })).await.json();
    assert!(minted["id"].as_str().unwrap().len() >= 32, "{minted}");
    let fork = door.run("s1", json!({ "type": "fork", "into": "s2" })).await;
    assert_eq!(fork.json()["session"], "s2");
}

#[tokio::test]
async fn a_refusal_has_its_code_and_its_status() {
    let door = Door::open().await;
    door.create("s1").await;
    let refused = |command: Value| {
        let door = &door;
        async move { door.run("s1", command).await.problem() }
    };
    assert_eq!(refused(json!({ "type": "steer", "text": "x" })).await, is(409, "not_running"));
    assert_eq!(refused(json!({ "type": "prompt", "text": "" })).await, is(422, "empty"));
    assert_eq!(refused(json!({ "type": "dequeue", "item": "q" })).await, is(404, "no_such_item"));
    assert_eq!(refused(json!({ "type": "revoke-grant", "grant": "g" })).await, is(404, "no_such_grant"));
    assert_eq!(refused(json!({ "type": "claim" })).await, is(409, "client_required"));
    assert_eq!(refused(json!({ "type": "rename", "title": "x".repeat(500) })).await, is(422, "too_long"));
    let answer = json!({ "type": "answer", "ask": "a", "answer": { "kind": "dismiss" } });
    assert_eq!(refused(answer).await, is(409, "not_waiting"));
    let register = json!({ "type": "set-register", "name": "r", "expected": 7, "value": "v" });
    let mismatch = door.run("s1", register).await;
    assert_eq!(mismatch.problem(), is(409, "version_mismatch"));
    assert_eq!(mismatch.json()["version"], 0);
    let viewer = door.asks("eve", Method::POST, "/sessions/s1/commands", Some(json!({ "type": "close" }))).await;
    assert_eq!(viewer.problem(), is(403, "forbidden"));

    for (failure, status, code) in [
        (Failure::TooBusy { retry_ms: 1_500 }, 429, "too_busy"),
        (Failure::HostAway, 409, "host_away"),
        (Failure::ReadOnly, 503, "read_only"),
        (Failure::Closing, 503, "stopping"),
        (Failure::Refused(Refusal::Stopping), 503, "stopping"),
        (Failure::Store(StoreError::Full { doing: "x" }), 507, "disk_full"),
        (Failure::Store(StoreError::Io { doing: "x", why: "secret SQL".into() }), 503, "store_failed"),
    ] {
        door.fake.fail_next(failure);
        let got = door.run("s1", json!({ "type": "close" })).await;
        assert_eq!(got.problem(), is(status, code));
        assert!(!String::from_utf8_lossy(&got.body).contains("SQL"));
        if code == "too_busy" {
            assert_eq!(got.headers["retry-after"], "2");
            assert_eq!(got.json()["retryAfterMs"], 1_500);
        }
    }
}

#[tokio::test]
async fn a_misshapen_command_is_told_by_its_field() {
    let door = Door::open().await;
    door.create("s1").await;
    for (command, field) in [
        (json!({ "text": "hi" }), "type"),
        (json!({ "type": "dance" }), "type"),
        (json!({ "type": "detached", "client": "c" }), "type"),
        (json!({ "type": "prompt" }), "text"),
        (json!({ "type": "prompt", "text": "x", "colour": "red" }), "colour"),
        (json!({ "type": "prompt", "text": "x", "ifBusy": "panic" }), "ifBusy"),
        (json!({ "type": "prompt", "text": ["hunter2"] }), "text"),
        (json!({ "id": "a b", "type": "close" }), "id"),
        (json!({ "id": 7, "type": "close" }), "id"),
        (json!({ "id": "", "type": "close" }), "id"),
    ] {
        let got = door.run("s1", command.clone()).await;
        assert_eq!(got.problem(), is(400, "malformed"), "{command}");
        assert_eq!(got.json()["field"], field, "{command}");
        assert!(!String::from_utf8_lossy(&got.body).contains("hunter2"));
    }
    let odd_id = json!({ "type": "move", "item": "a b" });
    assert_eq!(door.run("s1", odd_id).await.problem(), is(400, "malformed"));
}

#[tokio::test]
async fn whoever_speaks_of_control_is_bound_by_it() {
    let door = Door::open().await;
    door.create("s1").await;
    let as_client = |client: &str, control: bool, command: Value| {
        let request = door
            .request(Method::POST, "/api/v1/sessions/s1/commands")
            .bearer_auth("ada")
            .header("x-rejoin-client", client)
            .header("x-rejoin-capabilities", "browser, clipboard")
            .json(&command);
        let request = match control {
            true => request.header("x-rejoin-control", "1"),
            false => request,
        };
        door.send(request)
    };
    assert_eq!(as_client("laptop", false, json!({ "type": "claim" })).await.status, 200);
    let other = as_client("phone", true, json!({ "type": "prompt", "text": "x" })).await;
    assert_eq!(other.problem(), is(403, "not_controller"));
    assert_eq!(other.json()["holder"], json!({ "user": "ada", "client": "laptop" }));
    assert_eq!(as_client("phone", false, json!({ "type": "prompt", "text": "x" })).await.status, 200);

    let callers = &door.fake.state().callers;
    let seen: Vec<_> = callers.iter().map(|caller| caller.speaks_control).collect();
    assert_eq!(seen, [true, true, false]);
    assert_eq!(callers[0].capabilities, ["browser", "clipboard"]);
    assert_eq!(callers[0].author.door, "native");
    assert_eq!(callers[0].author.client.as_ref().unwrap().as_str(), "laptop");
}
