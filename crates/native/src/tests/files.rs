//! Files over HTTP.

use std::num::NonZeroU32;

use reqwest::Method;
use serde_json::json;

use super::door::{Door, Got, is};
use crate::Limits;

async fn put(door: &Door, path: &str, bytes: &str) -> Got {
    let request = door.request(Method::PUT, &format!("/api/v1/sessions/s1/files/{path}"));
    door.send(request.bearer_auth("ada").body(bytes.to_owned())).await
}

#[tokio::test]
async fn a_file_is_written_in_versions_and_read_back() {
    let door = Door::open().await;
    door.create("s1").await;
    let first = put(&door, "src/main.rs", "fn main() {}").await;
    assert_eq!((first.status.as_u16(), &first.json()["version"]), (200, &json!(1)));
    assert_eq!(put(&door, "src/main.rs", "second").await.json()["change"], "modified");

    let now = door.get("/sessions/s1/files/src/main.rs").await;
    assert_eq!(now.body, b"second");
    assert_eq!(now.headers["content-type"], "text/html");
    assert_eq!(now.headers["x-content-type-options"], "nosniff");
    assert_eq!(now.headers["content-security-policy"], "sandbox");
    let old = door.get("/sessions/s1/files/src/main.rs?version=1").await;
    assert_eq!(old.body, b"fn main() {}");
    let none = door.get("/sessions/s1/files/src/main.rs?version=9").await;
    assert_eq!(none.problem(), is(404, "file_not_found"));
    let preview = door.get("/sessions/s1/files/src/main.rs?preview=1").await.json();
    assert_eq!(preview["content"], "second");

    for path in ["/sessions/s1/versions/src/main.rs", "/sessions/s1/files/src/main.rs/versions"] {
        let versions = door.get(path).await.json();
        assert_eq!(versions["items"][0]["version"], 2, "{path}");
        assert_eq!(versions["items"][1]["change"], "created", "{path}");
        let older = door.get(&format!("{path}?before=2&limit=1")).await.json();
        assert_eq!(older["items"][0]["version"], 1, "{path}");
    }
    put(&door, "src/versions", "a file of that name").await;
    assert_eq!(door.get("/sessions/s1/files/src/versions").await.body, b"a file of that name");

    let listed = door.get("/sessions/s1/files?path=src").await.json();
    assert_eq!(listed["items"][0]["path"], "src/main.rs");
    let found = door.get("/sessions/s1/files?search=main").await.json();
    assert_eq!(found, json!({ "items": [{ "path": "src/main.rs" }] }));
}

#[tokio::test]
async fn a_path_does_not_lead_out_and_a_file_has_its_limit() {
    let limits = Limits { file_bytes: 1_000, burst: NonZeroU32::new(100).unwrap(), ..Limits::default() };
    let door = Door::with(limits).await;
    door.create("s1").await;
    for path in ["a/..%2f..%2fetc/passwd", "%2e%2e%2fx"] {
        assert_eq!(put(&door, path, "x").await.problem(), is(403, "path_outside_workspace"), "{path}");
        let got = door.get(&format!("/sessions/s1/files/{path}")).await;
        assert_eq!(got.problem(), is(403, "path_outside_workspace"), "{path}");
    }
    assert_eq!(door.get("/sessions/s1/files?path=../..").await.problem(), is(403, "path_outside_workspace"));
    assert_eq!(put(&door, "a%00b", "x").await.problem(), is(422, "invalid_path"));
    assert_eq!(put(&door, "a%ffb", "x").await.problem(), is(404, "not_found"));
    let big = put(&door, "big", &"x".repeat(1_001)).await;
    assert_eq!(big.problem(), is(413, "body_too_large"));
    assert_eq!(big.json()["most"], 1_000);
    assert_eq!(put(&door, "fits", &"x".repeat(1_000)).await.status, 200);
    let long = door.get(&format!("/sessions/s1/files?content={}", "x".repeat(2_000))).await;
    assert_eq!(long.problem(), is(400, "malformed"));
    let viewer = door.asks("eve", Method::PUT, "/sessions/s1/files/a", Some(json!({}))).await;
    assert_eq!(viewer.problem(), is(403, "forbidden"));
}
