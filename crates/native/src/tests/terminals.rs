//! Terminals, as the door shows them.

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::door::{Door, SOON, Ws};

async fn opened(door: &Door, body: Value) -> (String, Value) {
    let got = door.asks("ada", Method::POST, "/sessions/s1/terminals", Some(body)).await;
    assert_eq!(got.status, 201, "{}", String::from_utf8_lossy(&got.body));
    let info = got.json();
    (format!("/sessions/s1/terminals/{}", info["id"].as_str().unwrap()), info)
}

/// Output until it has `what` in it, and where it began.
async fn output(socket: &mut Ws, what: &str) -> (u64, String) {
    let (mut first, mut text) = (None, String::new());
    while !text.contains(what) {
        let heard = timeout(SOON, socket.socket.next()).await.expect("output").unwrap().unwrap();
        if let Message::Binary(bytes) = heard {
            let (at, bytes) = bytes.split_at(8);
            first.get_or_insert(u64::from_be_bytes(at.try_into().unwrap()));
            text.push_str(std::str::from_utf8(bytes).unwrap());
        }
    }
    (first.unwrap(), text)
}

#[tokio::test]
async fn a_terminal_is_opened_listed_resized_and_closed() {
    let door = Door::open().await;
    door.create("s1").await;
    let (path, info) = opened(&door, json!({ "command": "top", "cols": 100 })).await;
    assert_eq!((&info["command"], &info["size"]), (&json!("top"), &json!({ "cols": 100, "rows": 24 })));
    let (_, plain) = opened(&door, json!({ "plain": true })).await;
    assert_eq!((plain.get("size"), plain.get("command")), (None, None));
    assert_eq!(door.get("/sessions/s1/terminals").await.json()["items"].as_array().unwrap().len(), 2);
    let resized =
        door.asks("ada", Method::POST, &format!("{path}/resize"), Some(json!({ "cols": 5, "rows": 6 }))).await;
    assert_eq!(resized.status, 204);
    assert_eq!(door.get(&path).await.json()["size"], json!({ "cols": 5, "rows": 6 }));
    for size in [json!({ "cols": 0, "rows": 5 }), json!({ "cols": 5, "rows": 9_999 }), json!({ "cols": 5 })] {
        let refused = door.asks("ada", Method::POST, &format!("{path}/resize"), Some(size)).await.problem();
        assert!(matches!(refused.1.as_str(), "malformed" | "invalid_request"), "{refused:?}");
    }
    let plain = format!("/sessions/s1/terminals/{}/resize", plain["id"].as_str().unwrap());
    let refused = door.asks("ada", Method::POST, &plain, Some(json!({ "cols": 5, "rows": 6 }))).await.problem();
    assert_eq!(refused, (409, "no_screen".to_owned()));
    assert_eq!(door.asks("ada", Method::DELETE, &path, None).await.status, 204);
    assert_eq!(door.get(&path).await.problem(), (404, "not_found".to_owned()));
    opened(&door, json!({})).await;
    opened(&door, json!({})).await;
    let refused = door.asks("ada", Method::POST, "/sessions/s1/terminals", Some(json!({}))).await;
    assert_eq!((refused.problem().1, &refused.json()["most"]), ("too_many_terminals".to_owned(), &json!(3)));
}

#[tokio::test]
async fn two_who_look_see_the_same_and_hear_its_end() {
    let door = Door::open().await;
    door.create("s1").await;
    let (path, _) = opened(&door, json!({})).await;
    let mut one = door.socket(&format!("{path}/socket?key=ada")).await;
    assert_eq!(one.hears_a("snapshot").await["cursor"], 0);
    one.says(json!({ "input": "hello" })).await;
    assert_eq!(output(&mut one, "hello").await, (0, "hello".to_owned()));
    let mut two = door.socket(&format!("{path}/socket?key=eve")).await;
    let snapshot = two.hears_a("snapshot").await;
    assert_eq!(
        (&snapshot["cursor"], &snapshot["screen"], &snapshot["missed"]),
        (&json!(5), &json!("hello"), &json!(0))
    );
    one.socket.send(Message::binary(b" again".to_vec())).await.unwrap();
    assert_eq!(output(&mut two, "again").await, (5, " again".to_owned()));
    one.says(json!({ "resize": { "cols": 7, "rows": 8 } })).await;
    assert_eq!(two.hears_a("resized").await, json!({ "cols": 7, "rows": 8 }));
    one.says(json!({ "ping": 4 })).await;
    output(&mut one, "again").await;
    one.says(json!({ "endInput": true })).await;
    assert_eq!(two.hears_a("exited").await, json!({ "code": 0 }));
    assert_eq!(two.hears().await.unwrap_err().0, 1000);
}

#[tokio::test]
async fn a_viewer_looks_and_does_not_touch() {
    let door = Door::open().await;
    door.create("s1").await;
    let (path, _) = opened(&door, json!({})).await;
    let mut eve = door.socket(&format!("{path}/socket?key=eve")).await;
    eve.hears_a("snapshot").await;
    for said in [json!({ "input": "rm" }), json!({ "resize": { "cols": 5, "rows": 5 } }), json!({ "endInput": true })] {
        eve.says(said).await;
        let refused = eve.hears_a("refused").await;
        assert_eq!((&refused["code"], &refused["status"]), (&json!("forbidden"), &json!(403)));
    }
    for (method, at) in [(Method::POST, "/sessions/s1/terminals"), (Method::DELETE, path.as_str())] {
        let body = (method == Method::POST).then(|| json!({}));
        assert_eq!(door.asks("eve", method, at, body).await.problem().1, "forbidden");
    }
    for at in ["/sessions/s1/terminals", path.as_str()] {
        let hidden = door.asks("mallory", Method::GET, at, None).await;
        assert_eq!(hidden.problem(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn senseless_messages_are_refused_and_change_nothing() {
    let door = Door::open().await;
    door.create("s1").await;
    let (path, _) = opened(&door, json!({})).await;
    let mut socket = door.socket(&format!("{path}/socket?key=ada")).await;
    socket.hears_a("snapshot").await;
    for said in ["", "{", "[]", "{}", r#"{"input":7}"#, r#"{"resize":{"cols":-1,"rows":5}}"#, r#"{"dance":1}"#] {
        socket.says_text(said).await;
        assert_eq!(socket.hears_a("refused").await["code"], "malformed", "{said:?}");
    }
    socket.says(json!({ "resize": { "cols": 501, "rows": 5 } })).await;
    assert!(["malformed", "invalid_request"].contains(&socket.hears_a("refused").await["code"].as_str().unwrap()));
    socket.says(json!({ "ping": 3 })).await;
    assert_eq!(socket.hears_a("pong").await, json!(3.0));
    door.stop.cancel();
    assert_eq!(socket.hears_a("stopping").await, true);
    assert_eq!(socket.hears().await.unwrap_err().0, 1001);
}
