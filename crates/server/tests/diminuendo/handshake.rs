//! From the upgrade to `authenticated`, and everybody who does not get that far.

use rejoin_ports::clock::Clock;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::frames::{keys, kind, list, number, text};
use crate::gateway::{Gateway, NOW, Plan};
use crate::peer::Peer;
use crate::provider::{Provider, Signer};

/// How long the door waits for somebody to sign in.
const DEADLINE_MS: u64 = 30_000;
/// Longer than the pause between two looks at a provider's keys.
const LATER_MS: u64 = 60_000;

fn authenticate(token: &str) -> Value {
    json!({ "type": "authenticate", "token": token })
}

fn assert_failed(error: &Value) {
    assert_eq!((text(error, "code"), text(error, "message")), ("AUTH_FAILED", "Authentication failed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_01_the_first_frame_welcomes_with_a_version_and_says_whether_to_sign_in() {
    for (gateway, requires) in [(Gateway::dev().await, false), (Gateway::locked().await, true)] {
        let welcome = gateway.dial().await.hears().await;
        assert_eq!(welcome, json!({ "type": "welcome", "protocolVersion": 1, "requiresAuth": requires }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_02_the_second_frame_names_the_client_the_heartbeat_and_the_time() {
    for gateway in [Gateway::dev().await, Gateway::locked().await] {
        let mut names = Vec::new();
        for _ in 0..2 {
            let mut peer = gateway.dial().await;
            assert_eq!(kind(&peer.hears().await), "welcome");
            let connected = peer.hears().await;
            assert_eq!(kind(&connected), "connected");
            names.push(uuid::Uuid::parse_str(text(&connected, "clientId")).expect("a UUID"));
            assert_eq!(number(&connected, "heartbeatIntervalMs"), 30_000);
            assert_eq!(number(&connected, "ts"), NOW);
        }
        assert_ne!(names[0], names[1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_03_in_dev_the_third_frame_lets_the_developer_in_unasked() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.dial().await;
    assert_eq!(kind(&peer.hears().await), "welcome");
    assert_eq!(kind(&peer.hears().await), "connected");
    let developer = json!({ "userId": "dev-user-001", "email": "developer@example.com", "tenantId": "dev" });
    assert_eq!(peer.hears().await, json!({ "type": "authenticated", "identity": developer }));
    // Any token does, and none.
    for token in ["anything", ""] {
        assert_eq!(peer.asks(authenticate(token)).await["identity"], developer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_04_nobody_is_let_in_before_a_valid_token() {
    let gateway = Gateway::locked().await;
    let mut peer = gateway.dial().await;
    let frames = peer.settles().await;
    assert_eq!(frames.iter().map(kind).collect::<Vec<_>>(), ["welcome", "connected"]);
    peer.refused(authenticate("nonsense")).await;
    assert!(peer.settles().await.is_empty());
    let told = peer.asks(authenticate(&gateway.token("acme", "ada"))).await;
    assert_eq!(told["identity"]["userId"], "ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_05_a_token_and_a_key_give_an_identity_of_exactly_three_fields() {
    let gateway = Gateway::locked().await;
    let mut peer = gateway.dial().await;
    let told = peer.asks(authenticate(&gateway.token("acme", "ada"))).await;
    assert_eq!(keys(&told), ["identity", "type"]);
    assert_eq!(told["identity"], json!({ "userId": "ada", "email": "ada@example.org", "tenantId": "acme" }));

    let mut peer = gateway.dial().await;
    let told = peer.asks(authenticate(gateway.owner_key())).await;
    assert_eq!(keys(&told["identity"]), ["email", "tenantId", "userId"]);
    assert!(told["identity"]["email"].is_string(), "also for somebody without an address: {told}");
    assert_eq!((&told["identity"]["userId"], &told["identity"]["tenantId"]), (&json!("owner"), &json!("default")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_06_a_bad_token_is_refused_and_the_socket_stays_open() {
    let gateway = Gateway::locked().await;
    let mut peer = gateway.dial().await;
    for token in ["nonsense", "", "a.b.c", "rjn_0000", &"x".repeat(100_000)] {
        assert_failed(&peer.refused(authenticate(token)).await);
    }
    peer.asks(authenticate(&gateway.token("acme", "ada"))).await;
    peer.asks(json!({ "type": "list_sessions" })).await;
}

/// What a provider that is believed says of somebody.
fn claims(name: &str, expires_ms: u64) -> Value {
    json!({
        "sub": name, "tenant_id": "acme", "email": format!("{name}@example.org"),
        "iss": "https://id.example", "aud": "rejoin", "exp": expires_ms / 1000,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_07_only_tokens_of_the_right_issuer_audience_time_and_key_are_taken() {
    let (signer, stranger) = (Signer::rsa("k1"), Signer::rsa("k1"));
    let provider = Provider::start(&[&signer]).await;
    let gateway = Plan::with_provider(provider.url()).start().await;
    let good = claims("ada", NOW + 3_600_000);
    let other = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let unnamed = Signer::rsa("never-published").sign(&good);
    let mut peer = gateway.dial().await;
    for (why, token) in [
        ("another issuer", signer.sign(&other("iss", json!("https://evil.example")))),
        ("another audience", signer.sign(&other("aud", json!("somebody-else")))),
        ("no audience", signer.sign(&other("aud", Value::Null))),
        ("expired", signer.sign(&other("exp", json!(NOW / 1000 - 3_600)))),
        ("another's key under a known name", stranger.sign(&good)),
        ("an unknown key", unnamed),
    ] {
        let error = peer.refused(authenticate(&token)).await;
        assert_eq!(error["code"], "AUTH_FAILED", "{why}: {error}");
    }
    let told = peer.asks(authenticate(&signer.sign(&good))).await;
    assert_eq!(told["identity"], json!({ "userId": "ada", "email": "ada@example.org", "tenantId": "acme" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_08_a_rotated_key_is_taken_without_a_restart() {
    let (old, new) = (Signer::rsa("old"), Signer::rsa("new"));
    let provider = Provider::start(&[&old]).await;
    let gateway = Plan::with_provider(provider.url()).start().await;
    let claims = claims("ada", NOW + 3_600_000);
    gateway.enter(&old.sign(&claims)).await;
    provider.publish(&[&new]);
    gateway.clock.advance(LATER_MS);
    gateway.enter(&new.sign(&claims)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_09_too_many_failures_from_one_address_wait_also_on_a_new_connection() {
    let gateway = Gateway::locked().await;
    let mut peer = gateway.dial().await;
    let mut failures = 0;
    let limited = loop {
        let error = peer.refused(authenticate(&format!("guess {failures}"))).await;
        if error["code"] != "AUTH_FAILED" {
            break error;
        }
        failures += 1;
        assert!(failures < 40, "nobody stops a program that guesses");
    };
    assert!(failures >= 3, "a person who mistypes is not stopped at once");
    assert_eq!(limited["code"], "AUTH_RATE_LIMITED");
    let wait = number(&limited, "retryAfterMs");
    assert!(wait > 0);

    let again = gateway.dial().await.refused(authenticate("another guess")).await;
    assert_eq!(again["code"], "AUTH_RATE_LIMITED");
    gateway.clock.advance(wait);
    let mut peer = gateway.dial().await;
    assert_failed(&peer.refused(authenticate("a guess in time")).await);
    peer.asks(authenticate(&gateway.token("acme", "ada"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_10_pages_of_other_origins_open_no_socket() {
    let gateway = Plan::locked().origin("https://app.example").start().await;
    let dial = async |gateway: &Gateway, origin| {
        let dialled = Peer::dial(&gateway.ws(), &[("origin", origin)], gateway.clock.clone()).await;
        dialled.map_err(|answer| answer.status().as_u16())
    };
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        assert_eq!(dial(&gateway, origin).await.err(), Some(403), "{origin}");
    }
    let mut page = dial(&gateway, "https://app.example").await.expect("an origin of the list");
    assert_eq!(kind(&page.hears().await), "welcome");
    assert_eq!(kind(&gateway.dial().await.hears().await), "welcome", "programs send no origin");

    let open = Gateway::dev().await;
    let mut page = dial(&open, "http://localhost:5173").await.expect("a page of this machine");
    assert_eq!(kind(&page.hears().await), "welcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_11_nothing_is_done_for_somebody_who_has_not_signed_in() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    let session = ada.creates("echo").await;
    let mut peer = gateway.dial().await;
    for request in [
        json!({ "type": "list_sessions" }),
        json!({ "type": "create_session", "agentType": "echo" }),
        json!({ "type": "join_session", "sessionId": session }),
        json!({ "type": "run_turn", "sessionId": session, "text": "hello" }),
        json!({ "type": "delete_session", "sessionId": session }),
        json!({ "type": "manage_members", "action": "list" }),
    ] {
        let error = peer.refused(request).await;
        assert_eq!(error["code"], "UNAUTHENTICATED", "{error}");
    }
    // A ping is answered, and the socket is as good as before.
    peer.asks(json!({ "type": "ping" })).await;
    peer.asks(authenticate(&gateway.token("acme", "bob"))).await;
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(list(&told, "sessions").len(), 1, "{told}");
    assert_eq!(told["sessions"][0]["status"], "inactive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_12_the_health_page_names_what_the_gateway_leans_on() {
    let gateway = Gateway::locked().await;
    let _peer = gateway.dial().await;
    let answer = gateway.get(&gateway.http("/health")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
    let health: Value = answer.json().await.unwrap();
    assert_eq!(health["status"], "ok", "{health}");
    assert!(!text(&health, "version").is_empty());
    number(&health, "uptimeMs");
    number(&health, "activeSessions");
    assert_eq!(number(&health, "connections"), 1, "{health}");
    let all = health["dependencies"].as_object().unwrap_or_else(|| panic!("{health}"));
    assert!(all.contains_key("agents"), "{health}");
    assert!(all.values().all(|one| one["status"] == "ok"), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_13_answers_over_http_carry_the_headers_of_caution() {
    let gateway = Gateway::locked().await;
    for (path, status) in
        [("/health", StatusCode::OK), ("/ws", StatusCode::UPGRADE_REQUIRED), ("/nowhere", StatusCode::NOT_FOUND)]
    {
        let answer = gateway.get(&gateway.http(path)).await;
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_ascii_lowercase());
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options").as_deref(), Some("deny"), "{path}");
        assert!(header("content-security-policy").is_some(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_14_compression_is_not_taken_up_when_it_is_offered() {
    let gateway = Gateway::dev().await;
    let offer = [("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")];
    let dialled = Peer::upgrade(&gateway.ws(), &offer, gateway.clock.clone()).await;
    let Ok((mut peer, answer)) = dialled else { panic!("the upgrade is refused") };
    assert_eq!(answer.headers().get("sec-websocket-extensions"), None);
    assert_eq!(kind(&peer.hears().await), "welcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_sign_in_in_time_is_shown_out() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    let mut peer = gateway.dial().await;
    peer.settles().await;
    gateway.clock.advance(DEADLINE_MS - 1);
    peer.settles().await;
    gateway.clock.advance(1);
    let (_, code) = peer.closed().await;
    assert_eq!(code, Some(4001));
    ada.settles().await; // who is in, stays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_again_changes_who_one_is_only_if_it_succeeds_and_the_tenant_stays() {
    let gateway = Gateway::locked().await;
    let mut peer = gateway.member("acme", "ada").await;
    assert_failed(&peer.refused(authenticate("nonsense")).await);
    peer.asks(json!({ "type": "create_session", "agentType": "echo" })).await;
    let told = peer.asks(authenticate(&gateway.token("acme", "bob"))).await;
    assert_eq!(told["identity"]["userId"], "bob");

    let error = peer.refused(authenticate(&gateway.token("elsewhere", "bob"))).await;
    assert_eq!(error["code"], "AUTH_FAILED");
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["tenantId"], "acme", "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_speaks_no_version_of_ours_is_told_and_shown_out() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    peer.asks(json!({ "type": "authenticate", "token": "x", "protocolVersions": [1, 7] })).await;
    peer.says(json!({ "type": "authenticate", "token": "x", "protocolVersions": [7] })).await;
    let (frames, code) = peer.closed().await;
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!((kind(&frames[0]), text(&frames[0], "code")), ("error", "ProtocolVersionMismatch"));
    assert_eq!(code, Some(4002));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_and_an_expired_token_end_their_sockets() {
    let gateway = Gateway::locked().await;
    let body = json!({ "name": "phone", "role": "member" });
    let (status, made) = gateway.native(reqwest::Method::POST, "/keys", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let mut phone = gateway.enter(text(&made, "key")).await;
    let session = phone.with_script().await;
    phone.settles().await;
    gateway.native(reqwest::Method::DELETE, &format!("/keys/{}", text(&made, "id")), None).await;
    let (_, code) = phone.closed().await;
    assert_eq!(code, Some(4001));
    let mut phone = gateway.dial().await;
    assert_failed(&phone.refused(authenticate(text(&made, "key"))).await);

    let mut ada = gateway.member("acme", "ada").await;
    let error = ada.refused(json!({ "type": "join_session", "sessionId": session })).await;
    assert_eq!(error["code"], "SESSION_NOT_FOUND");
    gateway.clock.advance(86_400_000 + 60_000); // its day, and how far clocks may differ
    let (_, code) = ada.closed().await;
    assert_eq!(code, Some(4001));
    assert!(gateway.clock.now() > NOW + 86_400_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_is_closed_at_once_harms_nobody() {
    let gateway = Gateway::dev().await;
    for _ in 0..20 {
        drop(gateway.dial().await);
        gateway.peer().await.goes().await;
        gateway.dial().await.sends(Message::Ping(Vec::new().into())).await;
    }
    gateway.peer().await.creates("echo").await;
}
