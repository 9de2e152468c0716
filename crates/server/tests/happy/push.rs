//! What phones are told while nobody looks.

use serde_json::{Value, json};

use crate::account::Account;
use crate::frames::{each, list};
use crate::gateway::{Gateway, NOW, Plan};
use crate::peer::Peer;
use crate::standins::{StandIn, expo};

async fn says(account: &Account, session: &str) -> Value {
    let event = json!({ "kind": "done", "title": "It is done", "body": "All of it", "data": { "any": ["thing"] } });
    account.post(&format!("/v1/sessions/{session}/push-event"), event).await.ok()
}

async fn hears(peer: &mut Peer, session: &str) {
    let expected = json!({
        "type": "session-event", "sessionId": session, "kind": "done", "title": "It is done", "body": "All of it",
        "timestamp": NOW,
    });
    assert_eq!(peer.hears_next("session-event").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_48_tokens_are_kept_once_and_listed() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    assert_eq!(account.get("/v1/push-tokens").await.ok(), json!({ "tokens": [] }));
    for token in ["ExponentPushToken[a]", "ExponentPushToken[b]", "ExponentPushToken[a]"] {
        let told = account.post("/v1/push-tokens", json!({ "token": token })).await.ok();
        assert_eq!(told, json!({ "success": true }));
    }
    let told = account.get("/v1/push-tokens").await.ok();
    let tokens = list(&told, "tokens");
    let mut names = each(tokens, "token");
    names.sort_unstable();
    assert_eq!(names, ["ExponentPushToken[a]", "ExponentPushToken[b]"]);
    for token in tokens {
        let fields: Vec<_> = token.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields.len(), 4, "{token}");
        assert_eq!((&token["createdAt"], token["id"].is_string()), (&json!(NOW), true));
        assert!(token["updatedAt"].is_u64());
    }
    assert_eq!(other.get("/v1/push-tokens").await.ok(), json!({ "tokens": [] }));
    let deleted = "/v1/push-tokens/ExponentPushToken%5Ba%5D";
    assert_eq!(other.delete(deleted).await.ok(), json!({ "success": true }));
    assert_eq!(list(&account.get("/v1/push-tokens").await.ok(), "tokens").len(), 2, "it was not that account's");
    for _ in 0..2 {
        assert_eq!(account.delete(deleted).await.ok(), json!({ "success": true }));
    }
    let told = account.get("/v1/push-tokens").await.ok();
    assert_eq!(each(list(&told, "tokens"), "token"), ["ExponentPushToken[b]"]);
    account.post("/v1/push-tokens", json!({})).await.invalid();
    account.post("/v1/push-tokens", json!({ "token": 7 })).await.invalid();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_48_an_event_is_told_to_who_looks_and_pushed_to_nobody_without_a_token() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, other) = (account.creates().await, account.creates().await);
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let mut elsewhere = account.session(&other).await;
    for kind in ["done", "permission", "question"] {
        let event = json!({ "kind": kind, "title": "t", "body": "b" });
        let told = account.post(&format!("/v1/sessions/{session}/push-event"), event).await.ok();
        assert_eq!((&told["success"], &told["result"]), (&json!(true), &json!("no_tokens")), "{told}");
        let expected = json!({
            "type": "session-event", "sessionId": session, "kind": kind, "title": "t", "body": "b", "timestamp": NOW,
        });
        assert_eq!(user.hears_next("session-event").await, expected);
        assert_eq!(agent.hears_next("session-event").await, expected);
    }
    assert!(elsewhere.settles().await.is_empty());
    for wrong in [
        json!({}),
        json!({ "kind": "other", "title": "t", "body": "b" }),
        json!({ "kind": "done", "title": "", "body": "b" }),
        json!({ "kind": "done", "title": "t", "body": "" }),
        json!({ "kind": "done", "title": "t".repeat(201), "body": "b" }),
        json!({ "kind": "done", "title": "t", "body": "b".repeat(501) }),
        json!({ "kind": "done", "title": "t", "body": "b", "data": "text" }),
        json!({ "kind": "done", "title": 7, "body": "b" }),
    ] {
        account.post(&format!("/v1/sessions/{session}/push-event"), wrong).await.invalid();
    }
    assert!(user.settles().await.is_empty());
    let longest = json!({ "kind": "done", "title": "t".repeat(200), "body": "b".repeat(500), "data": {} });
    account.post(&format!("/v1/sessions/{session}/push-event"), longest).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_48_nothing_is_pushed_while_somebody_looks() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    account.post("/v1/push-tokens", json!({ "token": "ExponentPushToken[a]" })).await.ok();
    let active = json!({ "clientType": "user-scoped", "appState": "active" });
    let mut user = account.connects(active).await;
    let told = says(&account, &session).await;
    assert_eq!((&told["success"], &told["result"]), (&json!(true), &json!("suppressed")), "{told}");
    assert_eq!(told["reason"], "active-ui-client");
    hears(&mut user, &session).await;
    user.goes().await;

    // It may say so later.
    let mut user = account.user().await;
    user.emits("app-state", json!({ "state": "active" })).await;
    user.reaches().await;
    assert_eq!(says(&account, &session).await["result"], "suppressed");
    hears(&mut user, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_48_phones_are_woken_while_nobody_looks_and_those_without_the_app_are_forgotten() {
    let StandIn { url, mut heard } = expo().await;
    let gateway = Plan::default().says(&format!("push = \"{url}/send\"")).start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let add = async |token: &str| account.post("/v1/push-tokens", json!({ "token": token })).await.ok();
    let outcome = |result: &str, tokens: u64, delivered: u64| json!({ "success": true, "result": result, "tokens": tokens, "delivered": delivered });
    add("phone").await;
    assert_eq!(says(&account, &session).await, outcome("sent", 1, 1));
    let expected = json!([{
        "to": "phone", "title": "It is done", "body": "All of it", "sound": "default", "channelId": "messages",
        "data": { "sessionId": session, "any": ["thing"], "kind": "done" },
    }]);
    assert_eq!(heard.recv().await.unwrap(), expected);
    add("gone").await;
    assert_eq!(says(&account, &session).await, outcome("partial", 2, 1));
    assert_eq!(each(list(&account.get("/v1/push-tokens").await.ok(), "tokens"), "token"), ["phone"]);
    assert_eq!(says(&account, &session).await, outcome("sent", 1, 1));
    account.delete("/v1/push-tokens/phone").await.ok();
    add("busy").await;
    let told = says(&account, &session).await;
    assert_eq!((&told["result"], &told["delivered"]), (&json!("failed"), &json!(0)), "{told}");
}
