//! Handlers and streams.
#![cfg(feature = "client")]

mod scripted;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rejoin_diminuendo::client::event::{TextDelta, ThinkingProgress, TurnComplete};
use rejoin_diminuendo::client::{EVERY, Event};
use scripted::{connected, delta};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// What was told, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn writes(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn diminuendo_84_handlers_come_and_go_one_by_one_or_all_at_once() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let diary = Diary::default();
    let page = || diary.clone();
    let one = page();
    let first = client.on(move |event: &TextDelta| one.writes(format!("first {}", event.text)));
    let two = page();
    client.on_event("text_delta", move |event| two.writes(format!("second {}", event.seq().unwrap())));
    let three = page();
    client.once(move |event: &TextDelta| three.writes(format!("once {}", event.text)));
    let four = page();
    client.once_event("text_delta", move |_| four.writes("once by name"));
    let every = page();
    client.on_event(EVERY, move |event| every.writes(format!("* {}", event.name())));

    peer.says(delta("s", 1, "a")).await;
    events.next().await;
    assert_eq!(diary.take(), ["first a", "second 1", "once a", "once by name", "* text_delta"]);
    peer.says(delta("s", 2, "b")).await;
    events.next().await;
    assert_eq!(diary.take(), ["first b", "second 2", "* text_delta"]);
    first.unsubscribe();
    first.unsubscribe();
    peer.says(delta("s", 3, "c")).await;
    events.next().await;
    assert_eq!(diary.take(), ["second 3", "* text_delta"]);
    client.off::<TextDelta>();
    peer.says(delta("s", 4, "d")).await;
    events.next().await;
    assert_eq!(diary.take(), ["* text_delta"]);
    client.off_event(EVERY);
    peer.says(delta("s", 5, "e")).await;
    events.next().await;
    assert!(diary.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn handlers_may_change_handlers_and_talk_to_the_gateway() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let diary = Diary::default();
    let (within, page) = (client.clone(), diary.clone());
    client.on(move |event: &TextDelta| {
        within.off::<TextDelta>();
        let late = page.clone();
        within.on(move |event: &TextDelta| late.writes(format!("late {}", event.text)));
        within.steer(&event.session_id, "heard you").unwrap();
        page.writes("early");
    });
    let after = diary.clone();
    client.on(move |_: &TextDelta| after.writes("was taken away before its turn"));
    peer.says(delta("s", 1, "a")).await;
    peer.says(delta("s", 2, "b")).await;
    events.next().await;
    events.next().await;
    assert_eq!(diary.take(), ["early", "late b"]);
    assert_eq!(peer.hears_a("steer").await["content"], "heard you");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_takes_nobody_with_it() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let calls = Arc::new(AtomicUsize::new(0));
    client.on(|_: &TextDelta| panic!("a bug of the application"));
    let counted = calls.clone();
    client.on(move |_: &TextDelta| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    for seq in 1..=2 {
        peer.says(delta("s", seq, "a")).await;
        assert!(matches!(events.next().await, Some(Event::TextDelta(_))));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn diminuendo_89_unknown_events_and_dotted_names_are_told() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let diary = Diary::default();
    let page = diary.clone();
    client.on(move |event: &ThinkingProgress| page.writes(&event.text));
    let page = diary.clone();
    client.on_event("memory.extracted", move |event| page.writes(event.name()));
    peer.says(json!({ "type": "thinking.progress", "sessionId": "s", "turnId": "t", "text": "hm", "seq": 1 })).await;
    let unknown = json!({ "type": "memory.extracted", "sessionId": "s", "seq": 2, "items": [{ "a": null }] });
    peer.says(unknown.clone()).await;
    peer.says(json!({ "type": "turn_complete", "sessionId": "s", "turnId": "t", "finalText": "x", "new": 1 })).await;
    assert_eq!(events.next().await.unwrap().name(), "thinking_progress");
    let Some(Event::Unknown { event_type, raw }) = events.next().await else { panic!("it is known?") };
    assert_eq!((event_type.as_str(), raw), ("memory_extracted", unknown));
    assert!(matches!(events.next().await, Some(Event::TurnComplete(TurnComplete { stopped: false, .. }))));
    assert_eq!(diary.take(), ["hm", "memory_extracted"]);
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_no_events_do_no_harm() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    for frame in ["", "{", "[1,2]", "null", "\"text\"", "{}", r#"{"type":7}"#, r#"{"type":"a","type":"b"}"#] {
        peer.says_text(frame).await;
    }
    peer.send(Message::binary(vec![0xff, 0x00])).await;
    peer.says(json!({ "type": "text_delta", "sessionId": 7, "seq": "nine", "text": ["?"] })).await;
    peer.says(json!({ "type": "text_delta", "sessionId": "s", "seq": -1, "ts": null, "text": "" })).await;
    peer.says(delta("s", 1, "still here")).await;
    for _ in 0..2 {
        assert!(matches!(events.next().await, Some(Event::Unknown { event_type, .. }) if event_type == "text_delta"));
    }
    let Some(Event::TextDelta(told)) = events.next().await else { panic!("no text") };
    assert_eq!(told.text, "still here");
    assert!(client.authenticated());
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_in_one_delta_arrives_whole() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let text: String = ('a'..='z').cycle().take(1 << 20).collect();
    let (_, told) = tokio::join!(peer.says(delta("s", 1, &text)), events.next());
    let Some(Event::TextDelta(told)) = told else { panic!("no text") };
    assert!(told.text == text);
}

/// The stream is read once everything was said; the socket is held back meanwhile, and what is given goes out all the same.
#[tokio::test(start_paused = true)]
async fn a_slow_stream_loses_nothing_and_holds_the_socket_back() {
    const EVENTS: u64 = 20_000;
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let said = Arc::new(AtomicUsize::new(0));
    let (counted, text) = (said.clone(), "x".repeat(1_000));
    let saying = tokio::spawn(async move {
        for seq in 1..=EVENTS {
            peer.says(delta("s", seq, &text)).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
        peer
    });
    // Time stands still until nobody can go on.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let stopped_at = said.load(Ordering::Relaxed);
    assert!((1_000..2_000).contains(&stopped_at), "{stopped_at} of {EVENTS} were said");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(said.load(Ordering::Relaxed), stopped_at);
    client.stop_turn("s").unwrap();

    for seq in 1..=EVENTS {
        assert_eq!(events.next().await.and_then(|event| event.seq()), Some(seq));
    }
    let mut peer = saying.await.unwrap();
    while peer.hears().await["type"] != "stop_turn" {}
}

#[tokio::test(start_paused = true)]
async fn what_is_given_goes_out_although_nothing_is_read() {
    let (client, _gateway, mut peer) = connected().await;
    let _unread = client.events();
    for seq in 1..=1_100 {
        peer.says(delta("s", seq, "")).await; // more than the stream takes, less than the line holds
    }
    client.stop_turn("s").unwrap();
    peer.hears_a("stop_turn").await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_holds_nobody_back() {
    const EVENTS: u64 = 5_000;
    let (client, _gateway, mut peer) = connected().await;
    let unread = client.events();
    let mut read = client.events();
    let saying = tokio::spawn(async move {
        for seq in 1..=EVENTS {
            peer.says(delta("s", seq, "text")).await;
        }
        peer
    });
    assert_eq!(read.next().await.and_then(|event| event.seq()), Some(1));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(!saying.is_finished(), "one of the streams is not read");
    drop(unread);
    for seq in 2..=EVENTS {
        assert_eq!(read.next().await.and_then(|event| event.seq()), Some(seq));
    }
    saying.await.unwrap();
}
