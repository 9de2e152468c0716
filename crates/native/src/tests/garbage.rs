//! Whatever comes, the door answers in its own words or closes, and goes on.

use std::num::NonZeroU32;

use proptest::prelude::*;
use reqwest::Method;
use serde_json::json;

use super::door::{Door, Got, is};
use crate::Limits;
use crate::operations;

async fn post(door: &Door, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Got {
    let request = door.request(Method::POST, &format!("/api/v1{path}")).bearer_auth("ada");
    door.send(request.header("content-type", kind).body(body)).await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_without_being_repeated() {
    let door = Door::open().await;
    door.create("s1").await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"hunter2",
        b"{\"agent\": hunter2}",
        b"\xff\xfe",
        b"\0",
        b"{\"agent\": \"\0\"}",
        b"[1,2",
        deep.as_bytes(),
    ];
    for path in ["/sessions", "/sessions/s1/commands", "/workspaces", "/keys"] {
        for body in bodies {
            let got = post(&door, path, "application/json", body.to_vec()).await;
            assert_eq!(got.problem(), is(400, "malformed"), "{path} {:?}", &body[..body.len().min(20)]);
            assert!(!String::from_utf8_lossy(&got.body).contains("hunter2"));
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"] {
            let got = post(&door, path, kind, "{}").await;
            assert_eq!(got.problem(), is(415, "unsupported_media_type"), "{path} {kind}");
        }
    }
    let with_charset = post(&door, "/sessions", "application/json; charset=utf-8", "{\"agent\":\"echo\"}").await;
    assert_eq!(with_charset.status, 201);
    let nul = post(&door, "/sessions", "application/json", "{\"agent\":\"echo\",\"title\":\"a\\u0000b\"}").await;
    assert_eq!(nul.status, 201);
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_announced_or_not() {
    let limits =
        Limits { json_bytes: 1_000, command_bytes: 2_000, burst: NonZeroU32::new(1_000).unwrap(), ..Limits::default() };
    let door = Door::with(limits).await;
    door.create("s1").await;
    for (path, most) in [("/sessions", 1_000), ("/sessions/s1/commands", 2_000)] {
        let text = format!("\"{}\"", "x".repeat(most));
        let announced = post(&door, path, "application/json", text.clone()).await;
        assert_eq!(announced.problem(), is(413, "body_too_large"), "{path}");
        assert_eq!(announced.json()["most"], most);
        let chunk = || Ok::<_, std::io::Error>("x".repeat(600));
        let chunks = futures_util::stream::iter((0..10).map(move |_| chunk()));
        let streamed = post(&door, path, "application/json", reqwest::Body::wrap_stream(chunks)).await;
        assert_eq!(streamed.problem(), is(413, "body_too_large"), "{path}");
    }
}

#[tokio::test]
async fn a_prompt_of_many_megabytes_arrives_whole() {
    let door = Door::open().await;
    door.create("s1").await;
    let text = "line\n".repeat((4 << 20) / 5);
    let got = door.run("s1", json!({ "type": "prompt", "text": text })).await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    let page = door.get("/sessions/s1/messages").await.json();
    assert_eq!(page["items"][0]["parts"][0]["text"].as_str().unwrap().len(), text.len());
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let door = Door::open().await;
    let head = "POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ada\r\n\
        content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"agent\":";
    let cut = door.raw(head.as_bytes()).await;
    assert!(cut.is_empty() || cut.contains(" 400 "), "{cut}");

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut slow = tokio::net::TcpStream::connect(door.address).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    while door.fake.state().signed_in.len() < 2 {
        tokio::task::yield_now().await;
    }
    let mut answer = vec![0; 16];
    let answered = async {
        loop {
            door.clock.advance(60_000);
            let short = std::time::Duration::from_millis(5);
            if let Ok(read) = tokio::time::timeout(short, slow.read_exact(&mut answer)).await {
                return read.unwrap();
            }
        }
    };
    tokio::time::timeout(super::door::SOON, answered).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let door = Door::open().await;
    for bytes in [
        b"\0\0\0\0".as_slice(),
        b"GET",
        b"GET /api/v1/sessions HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /api/v1/sessions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/sessions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        door.raw(bytes).await;
    }
    assert_eq!(door.get("/agents").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let door = Door::open().await;
    for path in ["/", "/nowhere", "/sessions/", "/sessions/s/t/u", "//"] {
        assert_eq!(door.get(path).await.problem(), is(404, "not_found"), "{path}");
    }
    let all = operations::all();
    for operation in &all {
        let path = operation.path.replace("{*path}", "a").replace(['{', '}'], "");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let known = |other: &operations::Operation| other.path == operation.path && other.method == method;
            if all.iter().any(known) {
                continue;
            }
            let got = door.asks("ada", method.clone(), &path, None).await;
            assert_eq!(got.problem(), is(405, "method_not_allowed"), "{method} {path}");
            let allow = got.headers["allow"].to_str().unwrap();
            assert!(allow.contains(operation.method.as_str()), "{path}: {allow}");
        }
    }
}

/// JSON that nobody meant, some of it nearly a command.
fn junk() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "id", "type", "prompt", "text", "answer", "ask", "kind", "allow", "config", "labels", "agent", "title", "",
        "\u{0}",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        Just("1e999".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        word.clone().prop_map(|w| json!(w).to_string()),
        ".{0,20}".prop_map(|text: String| json!(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        let field = (word.clone(), inner.clone()).prop_map(|(name, value)| format!("{}:{value}", json!(name)));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(field, 0..5).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

#[test]
fn no_body_makes_the_gateway_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let door = runtime.block_on(async {
        let door = Door::open().await;
        door.create("s1").await;
        door
    });
    let config = ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(body in prop_oneof![junk(), ".{0,60}"])| {
        let statuses = runtime.block_on(async {
            let mut statuses = Vec::new();
            for path in ["/sessions", "/sessions/s1/commands", "/keys"] {
                let got = post(&door, path, "application/json", body.clone()).await;
                if !got.status.is_success() {
                    got.problem();
                }
                statuses.push(got.status.as_u16());
            }
            statuses
        });
        prop_assert!(statuses.iter().all(|status| *status < 500), "{statuses:?} for {body}");
    });
}
