//! Trimming: what fades makes no difference to whoever reads.

use std::collections::BTreeMap;

use rejoin_core::event::{Event, Logged};
use rejoin_core::id::SessionId;
use rejoin_core::session::Session;

use super::Home;
use super::making::*;
use crate::store::Store;

/// More deltas than any store packs at a time.
const WORDS: usize = 4_000;

/// A log in which parts grow next to each other and in turns, some with much text and one that never ends.
async fn long_log(store: &dyn Store, words: usize) -> (SessionId, Vec<Logged>) {
    let id = create(store, "s").await;
    let mut events = vec![started("a"), delta("a", "ä"), delta("a", "bc")];
    events.extend([started("b"), delta("b", "1"), delta("a", ""), delta("a", "d")]);
    events.extend([renamed("x"), delta("b", "2"), completed("a", "äbcd"), delta("b", "3")]);
    events.extend([completed("b", "123"), started("c"), delta("c", "only"), completed("c", "only")]);
    events.push(started("long"));
    for word in 0..words {
        events.push(delta("long", &format!("word{word} ")));
        if word % 500 == 0 {
            events.push(renamed("in between"));
        }
    }
    let text: String = (0..words).map(|word| format!("word{word} ")).collect();
    events.extend([completed("long", &text), started("open"), delta("open", "no "), delta("open", "end")]);
    let mut tip = 1;
    for some in events.chunks(7) {
        say(store, &id, tip, some.to_vec()).await;
        tip += some.len() as u64;
    }
    let all = read_all(store, &id, 0, 1000).await;
    assert_eq!(all.len() as u64, tip);
    (id, all)
}

async fn trim(store: &dyn Store, id: &SessionId, upto: u64) {
    while store.trim(id, seq(upto)).await.expect("trimming goes well") {}
}

/// What somebody has in the end who heard these: the text of each part, and everything else in order.
fn heard(events: &[Logged]) -> (BTreeMap<String, String>, Vec<Logged>) {
    let mut texts = BTreeMap::<String, String>::new();
    let mut others = Vec::new();
    for logged in events {
        match &logged.event {
            Event::PartDelta { part, text, marks, .. } => {
                assert!(marks.is_empty(), "readers are given plain deltas");
                texts.entry(part.to_string()).or_default().push_str(text);
            }
            _ => others.push(logged.clone()),
        }
    }
    texts.retain(|_, text| !text.is_empty());
    (texts, others)
}

pub(super) async fn folding_a_trimmed_log_is_folding_all_of_it(home: &dyn Home) {
    let store = home.open().await;
    let (id, all) = long_log(&*store, WORDS).await;
    let tip = all.len() as u64;
    let full = Session::replay(&all).unwrap();
    for upto in [3, 40, tip] {
        trim(&*store, &id, upto).await;
        let left = read_all(&*store, &id, 0, 1000).await;
        assert_eq!(Session::replay(&left).unwrap(), full, "trimmed up to {upto}");
        assert_eq!(heard(&left), heard(&all));
    }
    say(&*store, &id, tip, vec![delta("open", " yet")]).await;
    assert_eq!(store.stored(&id).await.unwrap().and_then(|stored| stored.row.tip), Some(seq(tip + 1)));
    let back = store.read_back(&id, tip).await.unwrap();
    assert!(back.batch.events().unwrap().iter().all(|logged| !matches!(logged.event, Event::PartDelta { .. })));
}

pub(super) async fn a_reader_inside_a_faded_stretch_hears_exactly_what_it_lacks(home: &dyn Home) {
    let store = home.open().await;
    let (id, all) = long_log(&*store, 30).await;
    trim(&*store, &id, all.len() as u64).await;
    for after in 0..=all.len() as u64 {
        for most in [1, 3, 1000] {
            assert_hears_the_rest(&*store, &id, &all, after, most).await;
        }
    }
}

pub(super) async fn a_long_part_fades_in_pieces_that_are_heard_as_one(home: &dyn Home) {
    let store = home.open().await;
    let (id, all) = long_log(&*store, WORDS).await;
    trim(&*store, &id, all.len() as u64).await;
    for after in (0..all.len() as u64).step_by(501) {
        assert_hears_the_rest(&*store, &id, &all, after, 1000).await;
    }
}

async fn assert_hears_the_rest(store: &dyn Store, id: &SessionId, all: &[Logged], after: u64, most: usize) {
    let rest = read_all(store, id, after, most).await;
    let numbers: Vec<_> = rest.iter().map(|logged| logged.seq.get()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.iter().all(|seq| *seq > after));
    assert_eq!(heard(&rest), heard(&all[after as usize..]), "after {after}, by {most}");
}
