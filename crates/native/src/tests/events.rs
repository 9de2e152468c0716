//! The log as pages and as event streams.

use std::time::Duration;

use rejoin_core::event::Event;
use rejoin_core::id::{CallId, PartId};
use rejoin_core::who::Role;
use rejoin_ports::gateway::Failure;
use rejoin_ports::sign_in::Standing;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::door::{Door, SOON, Stream, is};
use super::fake::{NOW, note};

fn seqs(items: &Value) -> Vec<u64> {
    let items = items.as_array().unwrap().iter();
    items.map(|item| item["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_log_is_read_page_by_page_without_a_hole() {
    let door = Door::open().await;
    door.create("s1").await;
    for text in ["two", "three", "four"] {
        door.fake.note("s1", text);
    }
    let first = door.get("/sessions/s1/events?limit=3").await.json();
    assert_eq!(seqs(&first["items"]), [1, 2, 3]);
    assert_eq!((&first["next"], &first["tip"]), (&json!("e1.3"), &json!("e1.4")));
    let event = &first["items"][1];
    assert_eq!(
        *event,
        json!({ "epoch": "e1", "seq": 2, "at": NOW, "author": { "user": "agent", "door": "agent" },
            "type": "sessionRenamed", "title": "two" })
    );
    let rest = door.get("/sessions/s1/events?after=e1.3").await.json();
    assert_eq!(seqs(&rest["items"]), [4]);
    let none = door.get("/sessions/s1/events?after=4").await.json();
    assert_eq!(none, json!({ "items": [], "next": "e1.4", "tip": "e1.4" }));
    for bad in ["x", "e1.", "-1", "e1.9007199254740993", "1.2.3", "%00"] {
        let got = door.get(&format!("/sessions/s1/events?after={bad}")).await;
        assert_eq!(got.problem(), is(400, "malformed"), "{bad}");
    }
}

#[tokio::test]
async fn a_position_of_another_life_is_answered_with_a_snapshot() {
    let door = Door::open().await;
    door.create("s1").await;
    let gone = door.get("/sessions/s1/events?after=abc.1").await;
    assert_eq!(gone.problem(), is(410, "position_gone"));
    assert_eq!(gone.json()["tip"], "e1.1");
    assert_eq!(gone.json()["snapshot"]["session"]["id"], "s1");

    let mut stream = door.listen("/sessions/s1/events?after=abc.1").await;
    let gap = stream.next().await.unwrap();
    assert_eq!(gap.name.as_deref(), Some("gap"));
    assert_eq!(gap.data["snapshot"]["position"], "e1.1");
    assert_eq!(stream.next().await.unwrap().name.as_deref(), Some("caught-up"));
    door.fake.note("s1", "after the gap");
    assert_eq!(stream.next().await.unwrap().id.as_deref(), Some("e1.2"));

    door.fake.forget_before("s1", 2);
    assert_eq!(door.get("/sessions/s1/events?after=e1.1").await.problem(), is(410, "position_gone"));
    assert_eq!(door.get("/sessions/s1/events?after=e1.2").await.status, 200);
}

#[tokio::test]
async fn a_stream_tells_the_past_and_then_the_present() {
    let door = Door::open().await;
    door.create("s1").await;
    door.fake.append("s1", vec![note("two"), note("three")]);
    let mut stream = door.listen("/sessions/s1/events?after=1").await;
    assert_eq!(stream.response.headers()["content-type"], "text/event-stream");
    for (seq, title) in [(2, "two"), (3, "three")] {
        let event = stream.next().await.unwrap();
        assert_eq!((event.name, event.id), (None, Some(format!("e1.{seq}"))));
        assert_eq!((&event.data["title"], &event.data["epoch"]), (&json!(title), &json!("e1")));
    }
    let caught_up = stream.next().await.unwrap();
    assert_eq!(caught_up.name.as_deref(), Some("caught-up"));
    assert_eq!(caught_up.data, json!({ "position": "e1.3" }));
    door.fake.note("s1", "four");
    assert_eq!(stream.next().await.unwrap().data["title"], "four");

    let request = door.http.get(format!("http://{}/api/v1/sessions/s1/events?after=1", door.address));
    let request = request.bearer_auth("ada").header("accept", "text/event-stream");
    let back = request.header("last-event-id", "e1.3").send().await.unwrap();
    assert_eq!(Stream::of(back).next().await.unwrap().id.as_deref(), Some("e1.4"));

    let mut few = door.listen("/sessions/s1/events?limit=2").await;
    assert_eq!(few.next().await.unwrap().id.as_deref(), Some("e1.1"));
    assert_eq!(few.next().await.unwrap().id.as_deref(), Some("e1.2"));
    assert_eq!(few.next().await, None);
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_is_alive() {
    let door = Door::open().await;
    door.create("s1").await;
    let mut stream = door.listen("/sessions/s1/events").await;
    while stream.next().await.unwrap().name.as_deref() != Some("caught-up") {}
    door.clock.advance(10_000);
    assert_eq!(stream.block().await.unwrap(), ":");
    door.clock.advance(10_000);
    assert_eq!(stream.block().await.unwrap(), ":");
}

#[tokio::test]
async fn a_stream_says_why_it_ends() {
    let door = Door::open().await;
    for id in ["deleted", "stopping", "failing", "revoked"] {
        door.create(id).await;
    }
    let ended = async |stream: &mut Stream| {
        let mut last = stream.next().await.unwrap();
        while let Some(next) = stream.next().await {
            last = next;
        }
        (last.name.unwrap(), last.data)
    };
    let mut stream = door.listen("/sessions/deleted/events").await;
    door.asks("ada", reqwest::Method::DELETE, "/sessions/deleted", None).await;
    assert_eq!(ended(&mut stream).await.0, "deleted");

    let mut stream = door.listen("/sessions/stopping/events").await;
    door.fake.stop("stopping");
    assert_eq!(ended(&mut stream).await.0, "stopping");

    door.fake.fail_next(Failure::ReadOnly);
    let refused = door.listen("/sessions/failing/events").await;
    assert_eq!(refused.response.status(), 503);

    let mut stream = door.listen("/sessions/revoked/events").await;
    door.fake.now_stands("ada", Standing::Revoked);
    let (name, data) = ended(&mut stream).await;
    assert_eq!((name.as_str(), &data["code"]), ("problem", &json!("invalid_token")));
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let door = Door::open().await;
    door.create("s1").await;
    door.fake.admit("brief", "home", Role::Viewer, Some(NOW + 5_000));
    let url = format!("http://{}/api/v1/sessions/s1/events?key=brief", door.address);
    let request = door.http.get(url).header("accept", "text/event-stream");
    let mut stream = Stream::of(request.send().await.unwrap());
    while stream.next().await.unwrap().name.as_deref() != Some("caught-up") {}
    door.clock.advance(5_000);
    let last = stream.next().await.unwrap();
    assert_eq!((last.name.as_deref(), &last.data["code"]), (Some("problem"), &json!("token_expired")));
    assert_eq!(stream.next().await, None);
}

/// More than two kernels' buffers hold.
fn flood() -> Vec<Event> {
    let output = || Event::ToolOutput {
        part: PartId::new("p").unwrap(),
        call: CallId::new("c").unwrap(),
        text: "x".repeat(1 << 20),
        error: false,
    };
    std::iter::repeat_with(output).take(64).collect()
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_off_and_loses_nothing() {
    let door = Door::open().await;
    door.create("s1").await;
    for event in flood() {
        door.fake.append("s1", vec![event]);
    }
    let mut stalled = tokio::net::TcpStream::connect(door.address).await.unwrap();
    let request = "GET /api/v1/sessions/s1/events?key=ada HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n";
    stalled.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 1];
    stalled.read_exact(&mut first).await.unwrap();
    let mut open = door.open.clone();
    let before = *open.borrow_and_update();
    // The server writes until the buffers are full; only then does the client's silence count.
    let cut = async {
        while *open.borrow_and_update() == before {
            door.clock.advance(30_000);
            let _ = tokio::time::timeout(Duration::from_millis(5), open.changed()).await;
        }
    };
    tokio::time::timeout(SOON, cut).await.expect("it was not cut off");
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest).await;
    assert!(rest.len() < 60 << 20, "{} bytes were written", rest.len());

    let page = door.get("/sessions/s1/events?after=64&limit=1").await.json();
    assert_eq!(seqs(&page["items"]), [65]);
}
