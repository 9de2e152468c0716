//! Talking to an agent, with stand-ins of the services that it takes.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::account::Account;
use crate::gateway::{Gateway, Plan};

const DAY: u64 = 24 * 3_600_000;

/// What the services know.
#[derive(Default)]
struct Known {
    /// Who talked, in which conversation, and for how many seconds.
    talked: Vec<(String, String, u64)>,
    is_away: bool,
    paid: Vec<String>,
}

#[derive(Clone, Default)]
struct Services(Arc<Mutex<Known>>);

type Asked = Query<std::collections::HashMap<String, String>>;

impl Services {
    async fn start() -> (Services, String) {
        let services = Services::default();
        let routes = Router::new()
            .route("/v1/convai/conversation/token", get(token))
            .route("/v1/convai/conversations", get(conversations))
            .route("/v2/projects/{project}/customers/{customer}/subscriptions", get(subscriptions))
            .with_state(services.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (services, url)
    }
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }
    /// Everybody's last conversation was so long.
    fn last_took(&self, seconds: u64) {
        self.known().talked.last_mut().expect("somebody talked").2 = seconds;
    }
}

fn refuses(services: &Services, headers: &HeaderMap, key: &str) -> Option<Response> {
    if services.known().is_away {
        return Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
    }
    let given = headers.get("xi-api-key").or_else(|| headers.get("authorization"));
    (given.map(|given| given.as_bytes()) != Some(key.as_bytes())).then(|| StatusCode::UNAUTHORIZED.into_response())
}

async fn token(State(services): State<Services>, headers: HeaderMap, Query(asked): Asked) -> Response {
    if let Some(refused) = refuses(&services, &headers, "xi-secret") {
        return refused;
    }
    let mut known = services.known();
    let name = format!("conv_{}", known.talked.len());
    known.talked.push((asked["participant_name"].clone(), name.clone(), 0));
    let claims = json!({ "video": { "room": format!("room_{}_{name}", asked["agent_id"]) } }).to_string();
    Json(json!({ "token": format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)) })).into_response()
}

/// Two at a time, however many are asked for.
async fn conversations(State(services): State<Services>, headers: HeaderMap, Query(asked): Asked) -> Response {
    if let Some(refused) = refuses(&services, &headers, "xi-secret") {
        return refused;
    }
    let known = services.known();
    let from: usize = asked.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let of = known.talked.iter().filter(|(who, ..)| *who == asked["user_id"]).skip(from);
    let page =
        of.clone().take(2).map(|(_, name, seconds)| json!({ "conversation_id": name, "call_duration_secs": seconds }));
    let (page, more) = (page.collect::<Vec<_>>(), of.count() > 2);
    Json(json!({ "conversations": page, "has_more": more, "next_cursor": more.then(|| (from + 2).to_string()) }))
        .into_response()
}

async fn subscriptions(
    State(services): State<Services>,
    headers: HeaderMap,
    Path((project, customer)): Path<(String, String)>,
) -> Response {
    if let Some(refused) = refuses(&services, &headers, "Bearer rc-secret") {
        return refused;
    }
    assert_eq!(project, "proj");
    match services.known().paid.contains(&customer) {
        true => Json(json!({ "items": [{ "gives_access": false }, { "gives_access": true }] })).into_response(),
        false => (StatusCode::NOT_FOUND, Json(json!({ "type": "resource_missing" }))).into_response(),
    }
}

async fn gateway(url: &str, key: &str, more: &str) -> Gateway {
    Plan::default().says(&format!("[happy.voice]\nurl = \"{url}\"\nkey = \"{key}\"\n{more}")).start().await
}

async fn asks(account: &Account) -> Value {
    account.post("/v1/voice/conversations", json!({ "agentId": "agent_1" })).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_granted_and_counted_over_a_restart_for_thirty_days() {
    let (services, url) = Services::start().await;
    let gateway = gateway(&url, "xi-secret", "").await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let granted = asks(&account).await;
    let usage = account.get("/v1/voice/usage").await.ok();
    assert_eq!(granted["allowed"], true);
    assert_eq!((&granted["conversationId"], &granted["agentId"]), (&json!("conv_0"), &json!("agent_1")));
    assert!(granted["conversationToken"].as_str().unwrap().starts_with("h."));
    assert_eq!((&granted["usedSeconds"], &granted["limitSeconds"]), (&json!(0), &json!(18_000)));
    assert_eq!(granted["elevenUserId"], usage["elevenUserId"]);
    assert_ne!(usage["elevenUserId"], other.get("/v1/voice/usage").await.ok()["elevenUserId"]);
    services.last_took(70);
    asks(&account).await;
    services.last_took(50);
    asks(&account).await;
    services.last_took(5);

    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    let used = async || {
        let usage = account.get("/v1/voice/usage").await.ok();
        (usage["usedSeconds"].as_u64().unwrap(), usage["conversationCount"].as_u64().unwrap())
    };
    assert_eq!(used().await, (125, 3));
    gateway.clock.advance(30 * DAY);
    assert_eq!(used().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_not_paid_talks_a_little_and_nobody_without_end() {
    let (services, url) = Services::start().await;
    let paid = format!(
        "conversations = 4\n[happy.voice.revenuecat]\nurl = \"{url}\"\nproject = \"proj\"\nkey = \"rc-secret\""
    );
    let gateway = gateway(&url, "xi-secret", &paid).await;
    let account = gateway.account().await;
    assert_eq!(asks(&account).await["limitSeconds"], 1_200);
    services.last_took(1_199);
    assert_eq!(asks(&account).await["allowed"], true);
    services.last_took(1);
    let denied = json!({
        "allowed": false, "reason": "subscription_required", "usedSeconds": 1_200, "limitSeconds": 1_200, "agentId": "agent_1",
    });
    assert_eq!(asks(&account).await, denied);
    let name = account.get("/v1/account/profile").await.ok()["id"].as_str().unwrap().to_owned();
    services.known().paid.push(name);
    assert_eq!(asks(&account).await["limitSeconds"], 18_000);
    services.last_took(16_800);
    assert_eq!(asks(&account).await["reason"], "voice_hard_limit_reached");
    services.last_took(1);
    assert_eq!(asks(&account).await["allowed"], true);
    assert_eq!(asks(&account).await["reason"], "voice_conversation_limit_reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_away_or_refuses_our_key_is_an_error_that_tells_no_secret() {
    let (services, url) = Services::start().await;
    let gateway = gateway(&url, "xi-wrong", "").await;
    let account = gateway.account().await;
    let refused = account.post("/v1/voice/conversations", json!({ "agentId": "a" })).await;
    refused.refused(500, "Voice is not available right now");
    services.known().is_away = true;
    let away = account.post("/v1/voice/conversations", json!({ "agentId": "a" })).await;
    away.refused(500, "Voice is not available right now");
    account.post("/v1/voice/conversations", json!({ "agentId": "" })).await.invalid();
    assert_eq!(account.get("/v1/voice/usage").await.ok()["conversationCount"], 0);
}
