//! The same server below a path, which Socket.IO clients take for a namespace; and the doors beside it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::frames::{list, text};
use crate::gateway::{Gateway, Plan};
use crate::http::Door;
use crate::peer::Peer;
use crate::polling::Polling;
use crate::wire::{Heard, Wire};

const WEBSOCKET: &str = "EIO=4&transport=websocket";

/// A conversation of everybody at one door: of HTTP, of updates, of answers and of calls.
async fn story(account: &Account) {
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    agent.emits("message", json!({ "sid": session, "message": "YWdlbnQ=" })).await;
    assert_eq!(user.hears_next("new-message").await["body"]["message"]["content"]["c"], "YWdlbnQ=");
    account.says(&session, "cG9zdGVk").await;
    user.hears_next("new-message").await;
    agent.hears_next("new-message").await;
    let write = json!({ "sid": session, "expectedVersion": 0, "metadata": "bmV3" });
    assert_eq!(agent.asks("update-metadata", write).await["result"], "success");
    user.hears_next("update-session").await;
    agent.emits("rpc-register", json!({ "method": "m" })).await;
    agent.hears_a("rpc-registered").await;
    let call = user.calls("rpc-call", json!({ "method": "m", "params": "p" })).await;
    let request = agent.until("rpc-request", |event| event.name == "rpc-request").await.pop().unwrap();
    agent.answers(&request, json!("r")).await;
    assert_eq!(user.ack(call).await, json!({ "ok": true, "result": "r" }));
    assert_eq!(account.contents(&session).await, ["YWdlbnQ=", "cG9zdGVk"]);
    let refused = Peer::connects(&account.door, json!({ "token": "bad" })).await.err();
    assert_eq!(refused, Some(json!({ "message": "Invalid authentication token" })));
    agent.goes().await;
    user.goes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_served_at_every_door_and_in_every_namespace() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let below = gateway.below();
    // The listener of its own, also with a namespace; the shared one with the engine at the root and below the path.
    story(&account).await;
    story(&account.at(&Door { namespace: "/happy", ..account.door.clone() })).await;
    story(&account.at(&below)).await;
    story(&account.at(&Door { namespace: "", ..below.clone() })).await;
    let deep = below.clone().engine_below();
    story(&account.at(&deep)).await;
    story(&account.at(&Door { namespace: "", ..deep })).await;
    // And it is possible to come in there in the first place.
    story(&Account::new(&below).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_a_namespace_carry_its_name() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let below = gateway.below();
    let mut wire = Wire::dial(&below.engine, WEBSOCKET).await.expect("the upgrade is taken");
    assert!(wire.packet().await.starts_with("0{"));
    wire.sends(&format!("40/happy,{}", json!({ "token": account.token }))).await;
    assert!(wire.packet().await.starts_with("40/happy,{\"sid\":\""));
    wire.sends("42/happy,7[\"ping\"]").await;
    assert_eq!(wire.packet().await, "43/happy,7[{}]");
    account.says(&session, "aGk=").await;
    assert!(wire.packet().await.starts_with("42/happy,[\"update\","));
    wire.sends("42/happy,[\"rpc-register\",{\"method\":\"m\"}]").await;
    assert_eq!(wire.packet().await, "42/happy,[\"rpc-registered\",{\"method\":\"m\"}]");
    wire.sends("41/happy,").await;
    wire.goes().await;

    let mut polling = Polling::open(&below).await;
    polling.says(&[&format!("40/happy,{}", json!({ "token": account.token }))]).await;
    assert!(polling.hears().await.starts_with("40/happy,{"));
    polling.says(&["42/happy,1[\"ping\"]"]).await;
    assert_eq!(polling.hears().await, "43/happy,1[{}]");

    for packet in ["40/happy,", "40/happy,{}", "40/happy"] {
        let mut wire = Wire::dial(&below.engine, WEBSOCKET).await.expect("the upgrade is taken");
        wire.packet().await;
        wire.sends(packet).await;
        let refused = format!("44/happy,{}", json!({ "message": "Missing authentication token" }));
        assert_eq!(wire.packet().await, refused, "{packet}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_namespace_is_refused_and_a_second_one_wants_an_engine_of_its_own() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let auth = json!({ "token": account.token });
    let mut wire = Wire::dial(&account.door.engine, WEBSOCKET).await.expect("the upgrade is taken");
    wire.packet().await;
    wire.sends(&format!("40/elsewhere,{auth}")).await;
    let refused = wire.packet().await;
    assert_eq!(refused, format!("44/elsewhere,{}", json!({ "message": "Invalid namespace" })));
    wire.sends(&format!("40{auth}")).await;
    assert!(wire.packet().await.starts_with("40{"));
    wire.sends(&format!("40/happy,{auth}")).await;
    let refused = wire.packet().await;
    assert_eq!(refused, format!("44/happy,{}", json!({ "message": "Invalid namespace" })));
    account.says(&session, "aGk=").await;
    assert!(wire.packet().await.starts_with("42[\"update\""));
    wire.sends("422[\"ping\"]").await;
    assert_eq!(wire.packet().await, "432[{}]", "the other goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_one_whatever_door_its_clients_use() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let outside = account.at(&gateway.below());
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, outside.session(&session).await);
    for number in 0..10 {
        agent.emits("message", json!({ "sid": session, "message": base64([number]) })).await;
        user.emits("message", json!({ "sid": session, "message": base64([number + 100]) })).await;
        assert_eq!(user.hears_next("new-message").await["body"]["message"]["content"]["c"], base64([number]));
        assert_eq!(agent.hears_next("new-message").await["body"]["message"]["content"]["c"], base64([number + 100]));
    }
    assert_eq!(outside.messages(&session).await.len(), 20);
    assert_eq!(outside.id().await, account.id().await);
    let again = Account::enters(&outside.door, account.seed).await;
    assert_eq!(again.id().await, account.id().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sealed_is_not_there_at_the_other_doors() {
    let gateway = Plan::dev().start().await;
    let account = gateway.account().await;
    let session = text(&account.opens("a tag of theirs").await, "id").to_owned();
    account.says(&session, "c2VhbGVk").await;

    let (status, page) = gateway.native(Method::GET, "/sessions", None).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(list(&page, "items"), [] as [Value; 0], "the native list has none");
    for path in ["", "/events", "/messages"] {
        let (status, told) = gateway.native(Method::GET, &format!("/sessions/{session}{path}"), None).await;
        assert!(matches!(status.as_u16(), 400 | 404), "{status} {told}");
    }
    let prompt = json!({ "type": "prompt", "text": "hello" });
    let (status, told) = gateway.native(Method::POST, &format!("/sessions/{session}/commands"), Some(prompt)).await;
    assert!(status.is_client_error(), "{status} {told}");
    let (status, told) = gateway.native(Method::DELETE, &format!("/sessions/{session}"), None).await;
    assert!(status.is_client_error(), "{status} {told}");

    let mut wire = Wire::dial(&format!("{}/diminuendo/ws", gateway.shared()), "").await.expect("the upgrade is taken");
    let hears = async |wire: &mut Wire, wanted: &[&str]| loop {
        let Some(Heard::Packet(line)) = wire.hears().await else { panic!("no {wanted:?} came") };
        let frame: Value = serde_json::from_str(&line).unwrap();
        if wanted.contains(&text(&frame, "type")) {
            return frame;
        }
    };
    hears(&mut wire, &["authenticated"]).await;
    wire.sends(&json!({ "type": "list_sessions" }).to_string()).await;
    assert_eq!(hears(&mut wire, &["session_list"]).await["sessions"], json!([]));
    for request in ["join_session", "get_history", "run_turn", "delete_session"] {
        wire.sends(&json!({ "type": request, "sessionId": session, "text": "hello" }).to_string()).await;
        let told = hears(&mut wire, &["error", "state_snapshot", "history", "turn_started", "session_deleted"]).await;
        assert_eq!(told["type"], "error", "{told}");
    }
    // And nobody there hears of what happens here.
    let mut user = account.user().await;
    account.says(&session, "bW9yZQ==").await;
    user.hears_next("new-message").await;
    wire.sends(&json!({ "type": "ping", "ts": 7 }).to_string()).await;
    loop {
        let Some(Heard::Packet(line)) = wire.hears().await else { panic!("no pong came") };
        assert!(!line.contains(&session), "{line}");
        if line.contains("\"pong\"") {
            break;
        }
    }
    assert_eq!(account.contents(&session).await, ["c2VhbGVk", "bW9yZQ=="], "it was not touched");

    // Nor is what is there, here.
    let (status, made) = gateway.native(Method::POST, "/sessions", Some(json!({ "agent": "echo" }))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let theirs = text(&made, "id");
    account.get(&format!("/v3/sessions/{theirs}/messages")).await.refused(404, "Session not found");
    assert_eq!(list(&account.get("/v1/sessions").await.ok(), "sessions").len(), 1);
    assert!(user.settles().await.is_empty());
}
