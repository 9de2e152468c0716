//! Services that show sessions, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::door::{Door, is};

#[tokio::test]
async fn a_session_is_shared_with_a_service_that_is_linked_first() {
    let door = Door::open().await;
    door.create("s1").await;
    let ask = async |method: Method, path: &str, body| door.asks("ada", method, path, body).await;
    let link = ask(Method::GET, "/integrations/paper", None).await.json();
    assert_eq!(link, json!({ "kind": "paper", "standing": "none", "shareNew": false }));
    assert_eq!(ask(Method::GET, "/integrations", None).await.json(), json!({ "items": [link] }));
    let early = ask(Method::PUT, "/integrations/paper/sessions/s1", None).await;
    assert_eq!(early.problem(), is(404, "not_found"));

    let link = ask(Method::POST, "/integrations/paper", Some(json!({ "server": "http://there" }))).await.json();
    assert_eq!((&link["standing"], &link["server"]), (&json!("linked"), &json!("http://there")));
    let link = ask(Method::PATCH, "/integrations/paper", Some(json!({ "shareNew": true }))).await.json();
    assert_eq!(link["shareNew"], true);
    let share = ask(Method::PUT, "/integrations/paper/sessions/s1", None).await.json();
    assert_eq!((&share["session"], &share["standing"]), (&json!("s1"), &json!("live")));
    let shares = async || -> Value { ask(Method::GET, "/integrations/paper/sessions", None).await.json() };
    assert_eq!(shares().await, json!({ "items": [share] }));
    assert_eq!(ask(Method::DELETE, "/integrations/paper/sessions/s1", None).await.status, 204);
    assert_eq!(shares().await, json!({ "items": [] }));
    assert_eq!(ask(Method::DELETE, "/integrations/paper", None).await.status, 204);
    assert_eq!(ask(Method::GET, "/integrations/paper", None).await.json()["standing"], "none");
}

#[tokio::test]
async fn what_is_not_there_or_not_yours_is_not_shared() {
    let door = Door::open().await;
    door.create("s1").await;
    let ask = async |who: &str, method: Method, path: &str, body| door.asks(who, method, path, body).await;
    let linked = ask("mallory", Method::POST, "/integrations/paper", Some(json!({}))).await;
    assert_eq!(linked.json()["standing"], "linked");
    let other = ask("mallory", Method::PUT, "/integrations/paper/sessions/s1", None).await;
    assert_eq!(other.problem(), is(404, "not_found"));
    assert_eq!(ask("ada", Method::GET, "/integrations/stone", None).await.problem(), is(404, "not_found"));
    assert_eq!(ask("eve", Method::GET, "/integrations/paper", None).await.problem(), is(403, "forbidden"));
    for body in [json!({ "url": "x" }), json!({ "server": 7 }), json!([])] {
        assert_eq!(ask("ada", Method::POST, "/integrations/paper", Some(body)).await.problem(), is(400, "malformed"));
    }
}
