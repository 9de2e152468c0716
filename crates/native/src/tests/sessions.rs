//! Sessions over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::door::{Door, is};

#[tokio::test]
async fn a_session_is_made_once_however_often_it_is_asked_for() {
    let door = Door::open().await;
    let body = json!({ "id": "s1", "agent": "echo", "title": "fix login", "model": "m1", "labels": {"a": "b"} });
    let made = door.asks("ada", Method::POST, "/sessions", Some(body.clone())).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.headers["location"], "/api/v1/sessions/s1");
    let session = made.json();
    assert_eq!(session["id"], "s1");
    assert_eq!(session["title"], "fix login");
    assert_eq!(session["model"], json!({ "model": "m1" }));
    assert_eq!(session["status"], "idle");
    assert_eq!(session["position"], "e1.1");
    let again = door.asks("ada", Method::POST, "/sessions", Some(body)).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, session));

    let minted = door.asks("ada", Method::POST, "/sessions", Some(json!({ "agent": "echo", "tag": "t" }))).await;
    let tagged = door.asks("ada", Method::POST, "/sessions", Some(json!({ "agent": "echo", "tag": "t" }))).await;
    assert_eq!((minted.status.as_u16(), tagged.status.as_u16()), (201, 200));
    assert_eq!(minted.json()["id"], tagged.json()["id"]);
}

#[tokio::test]
async fn a_list_is_read_page_by_page_newest_first() {
    let door = Door::open().await;
    for id in ["a", "b", "c"] {
        door.create(id).await;
    }
    let first = door.get("/sessions?limit=2").await.json();
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&first), ["c", "b"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = door.get(&format!("/sessions?limit=2&cursor={cursor}")).await.json();
    assert_eq!(ids(&rest), ["a"]);
    assert!(rest.get("nextCursor").is_none());
    assert_eq!(ids(&door.get("/sessions?status=running").await.json()).len(), 0);

    let bad = door.get("/sessions?status=hunter2").await;
    assert_eq!(bad.problem(), is(400, "malformed"));
    let bad = bad.json();
    assert_eq!(bad["field"], "status");
    assert!(!bad.to_string().contains("hunter2"), "{bad}");
    for query in ["colour=red", "limit=many", "limit=1&limit=2", "label=x", "archived=2", "limit=-1"] {
        let bad = door.get(&format!("/sessions?{query}")).await;
        assert_eq!(bad.problem(), is(400, "malformed"), "{query}");
    }
}

#[tokio::test]
async fn what_another_tenant_has_does_not_exist() {
    let door = Door::open().await;
    door.create("s1").await;
    let command = json!({ "type": "prompt", "text": "hi" });
    let cases: Vec<(Method, &str, Option<Value>)> = vec![
        (Method::GET, "/sessions/s1", None),
        (Method::PATCH, "/sessions/s1", Some(json!({ "title": "mine" }))),
        (Method::DELETE, "/sessions/s1", None),
        (Method::POST, "/sessions/s1/commands", Some(command)),
        (Method::GET, "/sessions/s1/messages", None),
        (Method::GET, "/sessions/s1/messages/m", None),
        (Method::GET, "/sessions/s1/events", None),
        (Method::GET, "/sessions/s1/usage", None),
        (Method::GET, "/sessions/s1/files", None),
        (Method::GET, "/sessions/s1/files/a", None),
        (Method::PUT, "/sessions/s1/files/a", Some(json!({}))),
        (Method::GET, "/sessions/s1/versions/a", None),
        (Method::POST, "/sessions", Some(json!({ "id": "s1", "agent": "echo" }))),
    ];
    for (method, path, body) in cases {
        let got = door.asks("mallory", method.clone(), path, body).await;
        assert_eq!(got.problem(), is(404, "not_found"), "{method} {path}");
    }
    let list = door.asks("mallory", Method::GET, "/sessions", None).await.json();
    assert_eq!(list, json!({ "items": [] }));
    for nonsense in ["/sessions/%00", "/sessions/%ff", "/sessions/a%20b", &format!("/sessions/{}", "x".repeat(200))] {
        assert_eq!(door.get(nonsense).await.problem(), is(404, "not_found"), "{nonsense}");
    }
}

#[tokio::test]
async fn a_change_does_what_it_says_and_leaves_the_rest() {
    let door = Door::open().await;
    door.create("s1").await;
    let patch = |body: Value| door.asks("ada", Method::PATCH, "/sessions/s1", Some(body));
    let named = patch(json!({ "title": "one", "labels": { "k": "v" } })).await;
    assert_eq!(named.status, 200);
    let named = named.json();
    assert_eq!((&named["title"], &named["labels"]["k"]), (&json!("one"), &json!("v")));
    let away =
        patch(json!({ "title": null, "archived": true, "model": { "model": "m", "variant": "x" } })).await.json();
    assert_eq!((&away["title"], &away["archived"]), (&Value::Null, &json!(true)));
    assert_eq!(away["labels"]["k"], "v");
    assert_eq!(away["model"]["variant"], "x");
    let back = patch(json!({ "archived": false, "title": "two" })).await.json();
    assert_eq!((&back["title"], &back["archived"]), (&json!("two"), &json!(false)));
    let nothing = patch(json!({})).await.json();
    assert_eq!(nothing["position"], back["position"]);

    assert_eq!(patch(json!({ "titel": "x" })).await.json()["field"], "titel");
    assert_eq!(patch(json!({ "title": "x".repeat(1_000_000) })).await.problem(), is(422, "too_long"));
    let huge = json!({ "id": "s2", "agent": "echo", "title": "x".repeat(1_000_000) });
    let huge = door.asks("ada", Method::POST, "/sessions", Some(huge)).await;
    assert_eq!(huge.problem(), is(422, "too_long"));
    let unknown = json!({ "agent": "nobody" });
    let unknown = door.asks("ada", Method::POST, "/sessions", Some(unknown)).await;
    assert_eq!(unknown.problem(), is(422, "invalid_request"));
    assert_eq!(unknown.json()["field"], "agent");
}

#[tokio::test]
async fn a_look_at_a_session_shows_it_at_one_moment() {
    let door = Door::open().await;
    door.create("s1").await;
    door.run("s1", json!({ "type": "prompt", "text": "hello" })).await;
    door.run("s1", json!({ "type": "enqueue", "text": "later" })).await;
    let view = door.get("/sessions/s1").await.json();
    assert_eq!(view["session"]["status"], "running");
    assert_eq!(view["openTurn"]["prompt"]["text"], "hello");
    assert_eq!(view["queue"][0]["text"], "later");
    assert_eq!(view["control"]["status"], "free");
    assert!(view["position"].as_str().unwrap().starts_with("e1."));

    let usage = door.get("/sessions/s1/usage").await.json();
    assert_eq!(usage["session"], "s1");
    assert_eq!(usage["usage"], json!({ "input": 0, "output": 0 }));

    let messages = door.get("/sessions/s1/messages").await.json();
    let id = messages["items"][0]["id"].as_str().unwrap();
    assert_eq!(messages["items"][0]["parts"][0]["text"], "hello");
    let one = door.get(&format!("/sessions/s1/messages/{id}")).await;
    assert_eq!(one.json()["id"], id);
    let none = door.get("/sessions/s1/messages/nope").await;
    assert_eq!(none.problem(), is(404, "not_found"));
    let none = door.get("/sessions/s1/messages?before=nope").await;
    assert_eq!(none.problem(), is(404, "no_such_message"));

    let gone = door.asks("ada", Method::DELETE, "/sessions/s1", None).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    assert_eq!(door.get("/sessions/s1").await.problem(), is(404, "not_found"));
}

#[tokio::test]
async fn the_nouns_beside_sessions_answer_too() {
    let door = Door::open().await;
    let ask = |method, path: &'static str, body| door.asks("ada", method, path, body);
    assert_eq!(door.get("/agents").await.json()["items"][0]["name"], "echo");

    let made = ask(Method::POST, "/workspaces", Some(json!({ "id": "w1", "name": "one" }))).await;
    assert_eq!(made.status, 201);
    let renamed = ask(Method::PATCH, "/workspaces/w1", Some(json!({ "name": "two" }))).await;
    assert_eq!(renamed.json()["name"], "two");
    assert_eq!(door.get("/workspaces/w1").await.json(), renamed.json());
    assert_eq!(door.get("/workspaces").await.json()["items"][0]["id"], "w1");
    assert_eq!(ask(Method::DELETE, "/workspaces/w1", None).await.status, 204);
    assert_eq!(ask(Method::DELETE, "/workspaces/w1", None).await.problem(), is(404, "not_found"));
    let bad = ask(Method::POST, "/workspaces", Some(json!({ "path": "relative" }))).await;
    assert_eq!(bad.problem(), is(422, "invalid_path"));

    let key = ask(Method::POST, "/keys", Some(json!({ "name": "ci", "role": "member" }))).await;
    assert_eq!((key.status.as_u16(), &key.json()["key"]), (201, &json!("rjn_secret")));
    assert_eq!(key.json()["role"], "member");
    assert_eq!(door.get("/keys").await.json(), json!({ "items": [] }));
    assert_eq!(ask(Method::DELETE, "/keys/k1", None).await.status, 204);
    assert_eq!(ask(Method::DELETE, "/keys/k2", None).await.problem(), is(404, "not_found"));
    let forbidden = door.asks("eve", Method::POST, "/keys", Some(json!({}))).await;
    assert_eq!(forbidden.problem(), is(403, "forbidden"));

    assert_eq!(door.get("/members").await.json()["items"][0]["user"], "ada");
    let role = ask(Method::PUT, "/members/bob", Some(json!({ "role": "billing_admin" }))).await;
    assert_eq!(role.json()["role"], "billing_admin");
    let role = ask(Method::PUT, "/members/bob", Some(json!({ "role": "emperor" }))).await;
    assert_eq!(role.problem(), is(400, "malformed"));
    assert_eq!(ask(Method::DELETE, "/members/bob", None).await.status, 204);
    assert_eq!(ask(Method::DELETE, "/members/ada", None).await.problem(), is(409, "last_owner"));
}

#[tokio::test]
async fn a_budget_is_set_read_and_cleared_by_those_whose_tenant_it_is() {
    let door = Door::open().await;
    let ask = async |method: Method, path: &str, body| door.asks("ada", method, path, body).await;
    assert_eq!(ask(Method::GET, "/budget", None).await.problem(), is(404, "not_found"));
    let set = ask(Method::PUT, "/budget", Some(json!({ "limitMicros": 500_000 }))).await;
    let told = json!({ "limitMicros": 500_000, "spentMicros": 0, "since": 1_700_000_000_000_u64 });
    assert_eq!((set.status.as_u16(), set.json()), (200, told.clone()));
    assert_eq!(ask(Method::GET, "/budget?tenant=home", None).await.json(), told);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let body = (method == Method::PUT).then(|| json!({ "limitMicros": 1 }));
        let other = ask(method, "/budget?tenant=away", body).await;
        assert_eq!((other.problem(), &other.json()["field"]), (is(422, "invalid_request"), &json!("tenant")));
    }
    for body in [json!({}), json!({ "limitMicros": -1 }), json!({ "limitMicros": 0.5 }), json!({ "limitMicros": "1" })]
    {
        assert_eq!(ask(Method::PUT, "/budget", Some(body)).await.problem(), is(400, "malformed"));
    }
    assert_eq!(ask(Method::GET, "/budget", None).await.json(), told, "nothing of that changed it");
    assert_eq!(door.asks("eve", Method::GET, "/budget", None).await.problem(), is(403, "forbidden"));
    assert_eq!(ask(Method::DELETE, "/budget", None).await.status, 204);
    assert_eq!(ask(Method::GET, "/budget", None).await.problem(), is(404, "not_found"));
}
