//! Sockets.

use std::time::Duration;

use futures_util::SinkExt;
use rejoin_core::event::Event;
use rejoin_core::id::{CallId, PartId};
use rejoin_core::who::Role;
use rejoin_ports::gateway::Failure;
use rejoin_ports::sign_in::Standing;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use super::door::{Door, SOON, Ws, is};
use super::fake::NOW;

async fn open(door: &Door) -> Ws {
    let mut socket = door.socket("/sessions/s1/socket?key=ada&client=laptop").await;
    socket.hears_until("caughtUp").await;
    socket
}

fn prompt(id: &str) -> Value {
    json!({ "command": { "id": id, "type": "enqueue", "text": id } })
}

#[tokio::test]
async fn a_socket_tells_the_past_and_then_the_present() {
    let door = Door::open().await;
    door.create("s1").await;
    door.fake.note("s1", "two");
    let mut socket = door.socket("/sessions/s1/socket?key=ada&after=e1.1").await;
    let event = socket.hears_a("event").await;
    assert_eq!((&event["epoch"], &event["seq"], &event["title"]), (&json!("e1"), &json!(2), &json!("two")));
    assert_eq!(socket.hears_a("caughtUp").await, json!({ "position": "e1.2" }));
    door.fake.note("s1", "three");
    assert_eq!(socket.hears_a("event").await["title"], "three");
    socket.says(json!({ "ping": 7 })).await;
    assert_eq!(socket.hears_a("pong").await, 7);

    let mut lost = door.socket("/sessions/s1/socket?key=ada&after=abc.1").await;
    assert_eq!(lost.hears_a("gap").await["snapshot"]["position"], "e1.3");
    assert_eq!(lost.hears_a("caughtUp").await, json!({ "position": "e1.3" }));
}

#[tokio::test]
async fn an_answer_follows_every_event_it_brought() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut socket = open(&door).await;
    for round in 0..50 {
        let id = format!("c{round}");
        socket.says(json!({ "command": { "id": id, "type": "rename", "title": id } })).await;
        let heard = socket.hears_until("ack").await;
        let (ack, events) = heard.split_last().unwrap();
        let brought = events.last().map(|event| &event["event"]);
        assert_eq!(brought.map(|event| &event["title"]), Some(&json!(id)), "{heard:?}");
        let position = format!("e1.{}", brought.unwrap()["seq"]);
        assert_eq!(ack["ack"], json!({ "id": id, "position": position }));
        assert_eq!(brought.unwrap()["author"]["client"], "laptop");
        assert!(brought.unwrap()["author"]["connection"].is_string());
    }
}

#[tokio::test]
async fn commands_are_done_in_order_and_do_not_hold_up_events() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut socket = open(&door).await;
    door.fake.held.send_replace(true);
    // More than may be in flight: the rest waits in the client's own buffers.
    for n in 0..40 {
        socket.says(prompt(&format!("c{n}"))).await;
    }
    door.fake.note("s1", "while they wait");
    assert_eq!(socket.hears_a("event").await["title"], "while they wait");
    door.fake.held.send_replace(false);
    let mut acks = Vec::new();
    while acks.len() < 40 {
        let heard = socket.hears().await.unwrap();
        if let Some(ack) = heard.get("ack") {
            acks.push(ack["id"].as_str().unwrap().to_owned());
        }
    }
    let wanted: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
    assert_eq!(acks, wanted);
    let queue = door.get("/sessions/s1").await.json()["queue"].clone();
    let texts: Vec<&str> = queue.as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap()).collect();
    assert_eq!(texts, wanted);
}

#[tokio::test]
async fn a_refusal_names_its_command_and_keeps_its_place() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut socket = open(&door).await;
    socket.says(prompt("c1")).await;
    socket.says(json!({ "command": { "id": "c2", "type": "dance" } })).await;
    socket.says(json!({ "command": { "id": "c3", "type": "revoke-grant", "grant": "g" } })).await;
    socket.says(prompt("c1")).await;
    socket.says_text("{nonsense").await;
    socket.says_text("{\"hello\":1}").await;
    socket.socket.send(Message::binary(vec![0, 1])).await.unwrap();
    let mut answers = Vec::new();
    while answers.len() < 7 {
        let heard = socket.hears().await.unwrap();
        for kind in ["ack", "refused"] {
            if let Some(answer) = heard.get(kind) {
                let id = answer.get("id").and_then(Value::as_str).unwrap_or("-").to_owned();
                let code = answer.get("code").and_then(Value::as_str).unwrap_or(kind).to_owned();
                answers.push((id, code, answer.get("status").and_then(Value::as_u64)));
            }
        }
    }
    let answers: Vec<_> = answers.iter().map(|(id, code, status)| (id.as_str(), code.as_str(), *status)).collect();
    assert_eq!(
        answers,
        [
            ("c1", "ack", None),
            ("c2", "malformed", Some(400)),
            ("c3", "no_such_grant", Some(404)),
            ("c1", "ack", None),
            ("-", "malformed", Some(400)),
            ("-", "malformed", Some(400)),
            ("-", "malformed", Some(400)),
        ]
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_one_far_over_ends_it() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut socket = open(&door).await;
    let text = |bytes: usize| json!({ "command": { "id": "big", "type": "prompt", "text": "x".repeat(bytes) } });
    socket.says(text(4 << 20)).await;
    let heard = socket.hears_until("ack").await;
    assert_eq!(heard.last().unwrap()["ack"]["id"], "big");
    socket.says(text(5 << 20)).await;
    let refused = socket.hears_a("refused").await;
    assert_eq!((&refused["code"], &refused["status"]), (&json!("body_too_large"), &json!(413)));
    socket.says(json!({ "ping": 1 })).await;
    socket.hears_a("pong").await;
    // The server does not wait for what it will not take, so the sending may fail.
    let _ = socket.socket.send(Message::text("x".repeat(9 << 20))).await;
    assert_eq!(socket.hears().await.unwrap_err().0, 1009);
}

#[tokio::test]
async fn frames_that_no_client_may_send_end_the_connection() {
    let door = Door::open().await;
    door.create("s1").await;
    let head = "GET /api/v1/sessions/s1/socket?key=ada&after=1 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let cases: [(&[u8], u16); 4] = [
        (b"\x81\x05hello", 1002),                                    // not masked
        (b"\xf1\x80\0\0\0\0", 1002),                                 // reserved bits
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),                         // not UTF-8
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009), // announces eight exbibytes
    ];
    for (frame, code) in cases {
        let mut stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
        stream.write_all(&[head.as_bytes(), frame].concat()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut out = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut out)).await.unwrap().unwrap();
        let close = out.windows(4).any(|window| window[0] == 0x88 && window[2..] == code.to_be_bytes());
        assert!(close, "{code}: {}", String::from_utf8_lossy(&out));
    }
    // Half a frame, and then nothing more.
    let half = door.raw(&[head.as_bytes(), b"\x81\xfe\x10\x00abcd"].concat()).await;
    assert!(half.starts_with("HTTP/1.1 101"), "{half}");
    assert_eq!(door.get("/sessions/s1").await.status, 200);
}

#[tokio::test]
async fn a_socket_closes_when_its_sign_in_is_over() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut socket = open(&door).await;
    door.fake.now_stands("ada", Standing::Changed(Role::Viewer));
    socket.says(prompt("c1")).await;
    assert_eq!(socket.hears_a("refused").await["code"], "forbidden");
    door.fake.now_stands("ada", Standing::Revoked);
    assert_eq!(socket.hears_a("refused").await["code"], "invalid_token");
    assert_eq!(socket.hears().await.unwrap_err().0, 4401);

    door.fake.admit("brief", "home", Role::Member, Some(NOW + 5_000));
    let mut socket = door.socket("/sessions/s1/socket?key=brief").await;
    socket.hears_until("caughtUp").await;
    door.clock.advance(5_000);
    assert_eq!(socket.hears_a("refused").await["code"], "token_expired");
    assert_eq!(socket.hears().await.unwrap_err().0, 4401);
}

#[tokio::test]
async fn a_socket_says_goodbye_when_the_session_or_the_gateway_ends() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut socket = open(&door).await;
    door.fake.note("s1", "the last word");
    door.fake.stop("s1");
    assert_eq!(socket.hears_a("event").await["title"], "the last word");
    assert_eq!(socket.hears_a("stopping").await, true);
    assert_eq!(socket.hears().await.unwrap_err().0, 1001);

    door.create("s2").await;
    let mut socket = door.socket("/sessions/s2/socket?key=ada").await;
    socket.hears_until("caughtUp").await;
    door.asks("ada", reqwest::Method::DELETE, "/sessions/s2", None).await;
    assert_eq!(socket.hears_a("deleted").await, true);
    assert_eq!(socket.hears().await.unwrap_err().0, 4404);
}

#[tokio::test]
async fn a_client_of_control_that_is_gone_is_reported_once_its_last_socket_is() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut first = open(&door).await;
    let mut second = door.socket("/sessions/s1/socket?key=ada&client=laptop&control=1").await;
    second.hears_until("caughtUp").await;
    first.says(json!({ "command": { "id": "c", "type": "claim" } })).await;
    first.hears_until("ack").await;
    second.hears_until("event").await;
    let control = async || door.get("/sessions/s1").await.json()["control"]["status"].clone();

    drop(first);
    second.says(json!({ "command": { "id": "d", "type": "rename", "title": "still here" } })).await;
    second.hears_until("ack").await;
    assert_eq!(control().await, "held");
    let mut watching = door.socket("/sessions/s1/socket?key=ada&client=phone").await;
    watching.hears_until("caughtUp").await;
    drop(second);
    let changed = watching.hears_a("event").await;
    assert_eq!((&changed["type"], &changed["reason"]), (&json!("controlChanged"), &json!("graceEntered")));
    assert_eq!(control().await, "grace");
}

#[tokio::test]
async fn a_quiet_client_is_asked_and_then_given_up() {
    let door = Door::open().await;
    door.create("s1").await;
    let head = "GET /api/v1/sessions/s1/socket?key=ada&after=1 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut out = Vec::new();
    while !out.windows(8).any(|window| window == b"caughtUp") {
        out.push(stream.read_u8().await.unwrap());
    }
    let rest = b"\":{\"position\":\"e1.1\"}}";
    stream.read_exact(&mut vec![0; rest.len()]).await.unwrap();
    door.clock.advance(30_000);
    let mut ping = [0; 2];
    tokio::time::timeout(SOON, stream.read_exact(&mut ping)).await.unwrap().unwrap();
    assert_eq!(ping, [0x89, 0]);
    // It never answers.
    let end = async {
        let mut rest = Vec::new();
        loop {
            door.clock.advance(15_000);
            let short = Duration::from_millis(5);
            if let Ok(end) = tokio::time::timeout(short, stream.read_to_end(&mut rest)).await {
                return (end, rest);
            }
        }
    };
    let (end, rest) = tokio::time::timeout(SOON, end).await.expect("it was not given up");
    assert!(end.is_ok() && rest.is_empty(), "{end:?} {rest:?}");
}

#[tokio::test]
async fn a_reader_that_stalls_is_closed_and_hears_the_rest_when_it_comes_back() {
    let door = Door::open().await;
    door.create("s1").await;
    for n in 0..64 {
        let output = Event::ToolOutput {
            part: PartId::new("p").unwrap(),
            call: CallId::new("c").unwrap(),
            text: format!("{n}{}", "x".repeat(1 << 20)),
            error: false,
        };
        door.fake.append("s1", vec![output]);
    }
    let mut socket = door.socket("/sessions/s1/socket?key=ada").await;
    let mut heard = vec![socket.hears_a("event").await["seq"].as_u64().unwrap()];
    let gone = async {
        while !door.tasks.is_empty() {
            door.clock.advance(30_000);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("it was not closed");
    // What was on its way still arrives; then it comes back from there.
    while let Ok(message) = socket.hears().await {
        heard.push(message["event"]["seq"].as_u64().unwrap());
    }
    assert!(heard.len() < 64, "{}", heard.len());
    let last = heard.last().unwrap();
    let mut back = door.socket(&format!("/sessions/s1/socket?key=ada&after=e1.{last}")).await;
    for message in back.hears_until("caughtUp").await {
        if let Some(event) = message.get("event") {
            heard.push(event["seq"].as_u64().unwrap());
        }
    }
    assert_eq!(heard, (1..=65).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_socket_is_refused_before_it_opens() {
    let door = Door::open().await;
    door.create("s1").await;
    let upgrade = |path: &str| {
        door.request(reqwest::Method::GET, &format!("/api/v1{path}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    assert_eq!(door.send(upgrade("/sessions/s1/socket")).await.problem(), is(401, "unauthenticated"));
    assert_eq!(door.send(upgrade("/sessions/s1/socket?key=mallory")).await.problem(), is(404, "not_found"));
    let foreign = upgrade("/sessions/s1/socket?key=ada").header("origin", "https://evil.example");
    assert_eq!(door.send(foreign).await.problem(), is(403, "origin_refused"));
    let bad = upgrade("/sessions/s1/socket?key=ada&after=x");
    assert_eq!(door.send(bad).await.problem(), is(400, "malformed"));
    assert_eq!(door.get("/sessions/s1/socket").await.problem(), is(426, "upgrade_required"));
    door.fake.fail_next(Failure::Closing);
    assert_eq!(door.send(upgrade("/sessions/s1/socket?key=ada")).await.problem(), is(503, "stopping"));
}
