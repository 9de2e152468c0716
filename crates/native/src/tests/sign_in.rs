//! Who is let in, and how often.

use std::num::NonZeroU32;

use reqwest::Method;
use serde_json::json;

use super::door::{Door, is};
use crate::Limits;

#[tokio::test]
async fn nobody_enters_without_a_key() {
    let door = Door::open().await;
    let get = |path: &str| door.request(Method::GET, path);
    let got = door.send(get("/api/v1/sessions")).await;
    assert_eq!(got.problem(), is(401, "unauthenticated"));
    assert_eq!(got.headers["www-authenticate"], "Bearer");
    for wrong in ["Bearer nobody", "Bearer  ", "Basic ada", "ada", "Bearer"] {
        let got = door.send(get("/api/v1/sessions").header("authorization", wrong)).await;
        assert_eq!(got.status, 401, "{wrong}");
    }
    assert_eq!(door.send(get("/api/v1/sessions").header("authorization", "bearer ada")).await.status, 200);
    let busy = door.send(get("/api/v1/sessions").bearer_auth("busy")).await;
    assert_eq!(busy.problem(), is(429, "too_many_attempts"));
    assert_eq!(busy.headers["retry-after"], "3");
    let peers = &door.fake.state().signed_in;
    assert!(peers.iter().all(|carrier| carrier.peer == Some(door.address.ip()) && carrier.door == "native"));
}

#[tokio::test]
async fn a_key_in_the_query_opens_streams_and_nothing_else() {
    let door = Door::open().await;
    door.create("s1").await;
    let get = |path: &str| door.request(Method::GET, path);
    for path in ["/api/v1/sessions?key=ada", "/api/v1/sessions/s1/events?key=ada", "/api/v1/feed?key=ada"] {
        assert_eq!(door.send(get(path)).await.problem(), is(401, "unauthenticated"), "{path}");
    }
    let stream = get("/api/v1/sessions/s1/events?key=ada&client=web").header("accept", "text/event-stream");
    assert_eq!(stream.send().await.unwrap().status(), 200);
    let mut socket = door.socket("/sessions/s1/socket?key=ada").await;
    socket.hears_a("event").await;
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let limits =
        Limits { requests_per_second: NonZeroU32::MIN, burst: NonZeroU32::new(3).unwrap(), ..Limits::default() };
    let door = Door::with(limits).await;
    for _ in 0..3 {
        assert_eq!(door.get("/agents").await.status, 200);
    }
    let got = door.get("/agents").await;
    assert_eq!(got.problem(), is(429, "rate_limited"));
    assert_eq!(got.headers["retry-after"], "1");
    assert!((1..=1_000).contains(&got.json()["retryAfterMs"].as_u64().unwrap()));
    let other = door.asks("eve", Method::GET, "/agents", None).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let door = Door::open().await;
    let request = door.request(Method::GET, "/api/v1/agents").bearer_auth("ada");
    let got = door.send(request.header("x-request-id", "mine-1")).await;
    assert_eq!(got.headers["x-request-id"], "mine-1");
    for (path, status) in [("/agents", 200), ("/nowhere", 404)] {
        let got = door.get(path).await;
        assert_eq!(got.status, status);
        assert_eq!(got.headers["x-request-id"].len(), 36, "{path}");
    }
    let request = door.request(Method::GET, "/api/v1/agents");
    let got = door.send(request.header("x-request-id", "x".repeat(500))).await;
    assert_eq!(got.headers["x-request-id"].len(), 36);
}

#[tokio::test]
async fn a_client_that_cannot_be_is_refused() {
    let door = Door::open().await;
    let ask = |name: &'static str, value: String| {
        let request = door.request(Method::GET, "/api/v1/agents").bearer_auth("ada");
        door.send(request.header(name, value))
    };
    assert_eq!(ask("x-rejoin-client", "a b".into()).await.json()["field"], "client");
    assert_eq!(ask("x-rejoin-client", "x".repeat(200)).await.problem(), is(400, "malformed"));
    let many = vec!["x"; 65].join(",");
    assert_eq!(ask("x-rejoin-capabilities", many).await.json()["field"], "capabilities");
    assert_eq!(ask("x-rejoin-capabilities", "a,,b".into()).await.status, 200);
    assert_eq!(
        door.get("/agents").await.json()["items"],
        json!([{
            "name": "echo", "title": "Echo", "description": "Says what was said.",
            "resumable": true, "steerable": false,
        }])
    );
}
