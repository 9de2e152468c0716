//! Readers, writers and upkeep at the same time: nobody sees a hole, whatever is indexed or packed just then.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use common::*;
use rejoin_core::event::Event;
use rejoin_core::id::{CommandId, PartId, SessionId};
use rejoin_core::position::Seq;
use rejoin_core::who::Author;
use rejoin_ports::store::{CommitError, Durability, Receipt, Store};
use rejoin_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

const SESSIONS: usize = 5;
const APPENDS: u64 = 400;

fn delta(text: &str) -> Event {
    let part = PartId::new("p").expect("a plain name");
    Event::PartDelta { part, text: text.to_owned(), marks: Default::default(), of: Default::default() }
}

fn receipt(after: u64) -> Receipt {
    let command = CommandId::new(format!("c{after}")).expect("a plain name");
    Receipt { user: Author::gateway().user, command, body: [1; 16], seq: after + 1 }
}

/// Appends by turns of three deltas and a name, each with a receipt.
async fn write(store: Arc<SqliteStore>, id: SessionId) {
    let mut tip = 1;
    for _ in 0..APPENDS {
        let events = vec![delta("a "), delta("b "), delta("c "), renamed("solid")];
        let mut append = append(&*store, &id, Seq::new(tip), 1, events);
        append.receipts.push(receipt(tip));
        commit(&*store, append).await.expect("there is one writer");
        tip += 4;
    }
}

/// Follows the log from its beginning until it is complete: what is behind a page is behind the next one too.
async fn follow(store: Arc<SqliteStore>, id: SessionId) {
    let (mut after, mut words, mut names) = (0, 0, 0);
    while after < 1 + 4 * APPENDS {
        let known = store.stored(&id).await.unwrap().and_then(|found| found.row.tip).map_or(0, Seq::get);
        let page = store.read(&id, after, 50).await.unwrap();
        assert!(known <= after || !page.batch.is_empty(), "{id}: {known} is there, and nothing is behind {after}");
        for logged in page.batch.events().unwrap() {
            assert!(logged.seq.get() > after);
            after = logged.seq.get();
            match &logged.event {
                Event::PartDelta { text, .. } => words += text.split_whitespace().count(),
                Event::SessionRenamed { .. } => {
                    names += 1;
                    assert_eq!(after, 1 + 4 * names, "{id}: no name is left out");
                }
                _ => {}
            }
        }
        // Inside a page a word may come late, with those that it has been merged with; behind it none is missing.
        let behind = after.saturating_sub(1);
        assert_eq!(words as u64, 3 * (behind / 4) + (behind % 4).min(3), "{id}: each word up to {after} is heard once");
    }
}

/// Looks back from the newest: names are all there, and every receipt.
async fn look_back(store: Arc<SqliteStore>, id: SessionId, stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        let known = store.stored(&id).await.unwrap().and_then(|found| found.row.tip).map_or(0, Seq::get);
        let page = store.read_back(&id, known).await.unwrap();
        let numbers: Vec<_> = page.batch.iter().map(|(seq, _)| seq.get()).collect();
        assert_eq!(numbers.last(), Some(&known), "{id}: the newest is solid");
        let steps = numbers.windows(2).all(|pair| pair[1] - pair[0] == 4);
        assert!(steps, "{id}: {numbers:?}");
        if known > 1 {
            let done = receipt(known - 4);
            let found = store.receipt(&id, &done.user, &done.command).await.unwrap();
            assert_eq!(found, Some(done));
            let names = store.receipts(&id, 10_000).await.unwrap().len() as u64;
            assert!(names >= (known - 1) / 4, "{id}: {names} receipts of {known}");
        }
    }
}

/// Fades what is more than a few appends old.
async fn trim(store: Arc<SqliteStore>, id: SessionId, stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        let known = store.stored(&id).await.unwrap().and_then(|found| found.row.tip).map_or(0, Seq::get);
        if let Some(upto) = Seq::new(known.saturating_sub(40)) {
            store.trim(&id, upto).await.unwrap();
        }
        store.tidy(0).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_while_others_write_and_tidy_up_sees_no_hole() {
    for pending in [0, 3, 100, 100_000] {
        let folder = TempDir::new().unwrap();
        let options = Options { durability: Durability::Normal, pending, ..Options::new(folder.path()) };
        let store = SqliteStore::open(options.clone()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (mut work, mut upkeep) = (tokio::task::JoinSet::new(), tokio::task::JoinSet::new());
        for number in 0..SESSIONS {
            let id = create(&*store, &format!("s{number}")).await;
            work.spawn(write(store.clone(), id.clone()));
            work.spawn(follow(store.clone(), id.clone()));
            upkeep.spawn(look_back(store.clone(), id.clone(), stop.clone()));
            if number % 2 == 0 {
                upkeep.spawn(trim(store.clone(), id, stop.clone()));
            }
        }
        while let Some(done) = work.join_next().await {
            done.unwrap();
        }
        stop.store(true, Relaxed);
        while let Some(done) = upkeep.join_next().await {
            done.unwrap();
        }

        // And the next life, which was not prepared for, finds all of it.
        drop(store);
        let store = SqliteStore::open(options).unwrap();
        for number in 0..SESSIONS {
            let id = session(&format!("s{number}"));
            follow(store.clone(), id.clone()).await;
            assert_eq!(store.receipts(&id, 10_000).await.unwrap().len() as u64, APPENDS);
            let mut again = append(&*store, &id, Seq::new(1 + 4 * APPENDS), 1, vec![renamed("again")]);
            again.receipts.push(receipt(1));
            let refused = commit(&*store, again).await;
            assert!(matches!(refused, Err(CommitError::Repeated { .. })), "{refused:?}");
        }
    }
}
