//! Pages of a log, forwards and backwards.

use rejoin_core::event::Event;
use rejoin_core::id::{CallId, MessageId, PartId};

use super::Home;
use super::making::*;
use crate::store::{PAGE_BYTES, PAGE_EVENTS};

pub(super) async fn a_page_is_bounded_by_count_and_by_bytes(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let count = 3 * PAGE_EVENTS as u64;
    let many = (0..count).map(|_| delta("p", "x")).collect();
    say(&*store, &id, 1, many).await;
    let page = store.read(&id, 0, 10).await.unwrap();
    assert_eq!((page.batch.len(), page.more), (10, true));
    let page = store.read(&id, 5, usize::MAX).await.unwrap();
    assert_eq!(page.batch.first(), Some(seq(6)));
    assert!(page.more && page.batch.len() <= PAGE_EVENTS && page.batch.lines().len() <= PAGE_BYTES);
    assert!(page.batch.len() > PAGE_EVENTS / 4, "pages are worth asking for");
    let last = store.read(&id, count, 10).await.unwrap();
    assert_eq!((last.batch.len(), last.more), (1, false));
    assert_eq!(read_all(&*store, &id, 0, usize::MAX).await.len() as u64, count + 1);
}

pub(super) async fn a_large_event_is_a_page_of_its_own(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let large = "x".repeat(3 * PAGE_BYTES);
    say(&*store, &id, 1, vec![renamed("a"), completed("p", &large), renamed("b")]).await;
    let page = store.read(&id, 2, 100).await.unwrap();
    assert_eq!((page.batch.first(), page.batch.last(), page.more), (Some(seq(3)), Some(seq(3)), true));
    assert_eq!(read_all(&*store, &id, 0, 100).await.len(), 4);
    let back = store.read_back(&id, 3).await.unwrap();
    assert_eq!((back.batch.first(), back.batch.last(), back.more), (Some(seq(3)), Some(seq(3)), true));
}

pub(super) async fn transcripts_are_read_backwards_without_deltas(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let mut tip = 1;
    let mut solid = vec![1];
    for round in 0..40 {
        let mut events = vec![delta("p", "one word "); 30];
        if round % 3 == 0 {
            events.push(Event::ToolOutput {
                part: PartId::new("p").expect("a plain name"),
                call: CallId::new("c").expect("a plain name"),
                text: "out".to_owned(),
                error: false,
            });
        }
        if round % 2 == 0 {
            events.push(completed("p", &"y".repeat(6_000)));
            solid.push(tip + events.len() as u64);
            // Looks like a delta, and is none.
            events.push(renamed("{\"type\":\"partDelta\"}"));
            solid.push(tip + events.len() as u64);
        }
        let count = events.len() as u64;
        say(&*store, &id, tip, events).await;
        tip += count;
    }
    let mut upto = tip;
    let mut found = Vec::new();
    let mut pages = 0;
    loop {
        let page = store.read_back(&id, upto).await.unwrap();
        let numbers: Vec<_> = page.batch.iter().map(|(seq, _)| seq.get()).collect();
        assert!(numbers.is_sorted() && numbers.last().is_none_or(|last| *last <= upto));
        assert!(page.batch.lines().len() <= PAGE_BYTES);
        found.splice(0..0, numbers);
        pages += 1;
        match page.batch.first() {
            Some(first) if page.more => upto = first.get() - 1,
            _ => break,
        }
    }
    assert_eq!(found, solid);
    assert!(pages > 1, "this was meant to be more than one page");
    let middle = store.read_back(&id, solid[2] - 1).await.unwrap();
    assert_eq!(middle.batch.last(), Some(seq(solid[1])));
}

pub(super) async fn messages_are_found_by_their_place(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let message = MessageId::new("m1").expect("a plain name");
    let mut append = append(&*store, &id, Some(1), vec![renamed("a"), renamed("b")]);
    append.places.push((message.clone(), seq(2), seq(3)));
    store.commit(work(append)).await.unwrap();
    assert_eq!(store.place(&id, &message).await.unwrap(), Some((seq(2), seq(3))));
    let other = MessageId::new("m2").expect("a plain name");
    assert_eq!(store.place(&id, &other).await.unwrap(), None);
    assert_eq!(store.place(&session("other"), &message).await.unwrap(), None);
}
