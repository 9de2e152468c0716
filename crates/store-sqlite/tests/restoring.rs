//! Backups that are made while service goes on, and what a restore does to numbers.

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use common::*;
use rejoin_core::event::Event;
use rejoin_core::id::TenantId;
use rejoin_core::position::Seq;
use rejoin_ports::store::{CommitError, Expect, FeedEntry, FeedItem, Owner, RecordWrite, Store, StoreError, Work};
use rejoin_store_sqlite::{DATABASE, LIFT, Options, SqliteStore, restore};
use tempfile::TempDir;

fn owner() -> Owner {
    Owner::Tenant(TenantId::new("acme").expect("a plain name"))
}

fn record(expect: Expect) -> RecordWrite {
    let value = Some(Bytes::from_static(b"v"));
    RecordWrite { owner: owner(), kind: "note".to_owned(), key: "k".to_owned(), expect, value, at: 1 }
}

fn news() -> FeedEntry {
    let what = FeedItem::Record { kind: "note".to_owned(), key: "k".to_owned(), version: 1 };
    FeedEntry { owner: owner(), what, at: 1 }
}

/// Writes a record and says so in the feed; gives the version.
async fn note(store: &dyn Store) -> u64 {
    let work = Work { records: vec![record(Expect::Anything)], feed: vec![news()], ..Work::default() };
    store.commit(work).await.expect("it is kept").versions[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_is_one_moment() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(Options::new(folder.path().join("data"))).unwrap();
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(create(&*store, &format!("s{number}")).await);
    }
    let filler = create(&*store, "filler").await;
    for _ in 0..100 {
        say(&*store, &filler, vec![renamed(&"x".repeat(60_000))]).await.unwrap();
    }
    let blob = store.put_blob(&TenantId::new("acme").unwrap(), Bytes::from_static(b"blob")).await.unwrap();
    say(&*store, &filler, vec![renamed(&format!("blob:{blob}"))]).await.unwrap();

    // Each round appends to all sessions in turn; at one moment their lengths differ by one at most.
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, ids, stop) = (store.clone(), ids.clone(), stop.clone());
        async move {
            let mut rounds = 0;
            while !stop.load(Relaxed) {
                for id in &ids {
                    say(&*store, id, vec![renamed(&"y".repeat(2_000))]).await.expect("service goes on");
                }
                rounds += 1;
            }
            rounds
        }
    });
    let into = folder.path().join("backup");
    store.backup(&into).await.unwrap();
    stop.store(true, Relaxed);
    assert!(writing.await.unwrap() > 0, "commits went on meanwhile");
    let again = store.backup(&into).await;
    assert!(matches!(again, Err(StoreError::Io { .. })), "a backup is not written over another: {again:?}");

    let data = folder.path().join("restored");
    restore(&into, &data).unwrap();
    let restored = SqliteStore::open(Options::new(&data)).unwrap();
    let mut lengths = Vec::new();
    for id in &ids {
        let log = read_all(&*restored, id).await;
        let numbers: Vec<_> = log.iter().map(|logged| logged.seq.get()).collect();
        assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>());
        lengths.push(log.len());
    }
    assert!(lengths.is_sorted_by(|a, b| a >= b) && lengths[0] - lengths[7] <= 1, "{lengths:?}");
    assert_eq!(read_all(&*restored, &filler).await.len(), 102);
    let kept = restored.blob(&TenantId::new("acme").unwrap(), &blob).await.unwrap();
    assert_eq!(kept, Some(Bytes::from_static(b"blob")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_gives_no_number_again() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    let first_epoch = store.epoch();
    let (id, quiet) = (create(&*store, "s").await, create(&*store, "quiet").await);
    say(&*store, &id, vec![renamed("before"); 3]).await.unwrap();
    note(&*store).await;
    store.backup(&folder.path().join("backup")).await.unwrap();
    // What is lost by the restore: it was shown to people all the same.
    say(&*store, &id, vec![renamed("lost"); 50]).await.unwrap();
    let lost_version = note(&*store).await;
    let lost_feed = store.feed(&owner(), 0, 10).await.unwrap().newest;
    store.keep_snapshot(&id, 1, Seq::new(54).unwrap(), Bytes::from_static(b"lost")).await.unwrap();
    let busy = restore(&folder.path().join("backup"), &data);
    assert!(matches!(busy, Err(StoreError::Locked { .. })), "{busy:?}");
    store.close().await.unwrap();
    drop(store);

    let done = restore(&folder.path().join("backup"), &data).unwrap();
    let kept = done.kept.expect("what was there is kept");
    assert_eq!(kept, data.join(format!("{DATABASE}.before-restore-1")));
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    assert!(store.epoch() != first_epoch && store.epoch() == done.epoch);
    assert_eq!(read_all(&*store, &id).await.len(), 4);
    assert_eq!(store.snapshot(&id, 1).await.unwrap(), None);

    let floor = 54 + LIFT;
    let found = store.stored(&id).await.unwrap().expect("it is there");
    assert_eq!(found.row.tip, Seq::new(floor), "as if everything up to there had been said");
    assert_eq!((found.lifted, found.lift), (Seq::new(floor + 1), floor));
    let stale = commit(&*store, append(&*store, &id, Seq::new(4), found.term, vec![renamed("a")])).await;
    assert!(matches!(&stale, Err(CommitError::Conflict { tip, .. }) if *tip == Seq::new(floor)), "{stale:?}");
    say(&*store, &id, Vec::new()).await.expect("a receipt may come first");
    let still = store.stored(&id).await.unwrap().expect("it is there");
    assert_eq!((still.row.tip, still.lift), (Seq::new(floor), floor));
    say(&*store, &id, vec![Event::SessionRestored { lift: found.lift }, renamed("a")]).await.unwrap();
    let settled = store.stored(&id).await.unwrap().expect("it is there");
    assert_eq!((settled.row.tip, settled.lift), (Seq::new(floor + 2), 0));
    assert_eq!(settled.lifted, Seq::new(floor + 1), "readers without an epoch still have to be told");
    let numbers: Vec<_> = read_all(&*store, &id).await.iter().map(|logged| logged.seq.get()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, floor + 1, floor + 2]);

    let fresh = create(&*store, "fresh").await;
    let fresh = store.stored(&fresh).await.unwrap().expect("it is there");
    assert_eq!((fresh.row.tip, fresh.lifted, fresh.lift), (Seq::new(1), None, 0));

    let feed = store.feed(&owner(), lost_feed, 10).await.unwrap();
    assert!(lost_feed + 1 < feed.oldest && feed.items.is_empty(), "an honest gap: {feed:?}");
    assert_eq!((feed.oldest, feed.newest), (floor + 1, floor));
    assert!(note(&*store).await > lost_version + 1_000);
    assert_eq!(store.feed(&owner(), floor, 10).await.unwrap().items[0].seq, floor + 1);

    // And once more, over a session that was not touched since the first restore.
    store.backup(&folder.path().join("second")).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    restore(&folder.path().join("second").join(DATABASE), &data).unwrap();
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    let twice = store.stored(&quiet).await.unwrap().expect("it is there");
    let second_floor = floor + 2 + LIFT;
    assert_eq!((twice.row.tip, twice.lift), (Seq::new(second_floor), second_floor));
    let once = store.stored(&id).await.unwrap().expect("it is there");
    assert_eq!((once.row.tip, once.lift), (Seq::new(second_floor), second_floor - floor));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_or_foreign_replaces_nothing() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    create(&*store, "s").await;
    store.close().await.unwrap();
    drop(store);
    let bad = folder.path().join("bad");
    for content in ["", "no database", &"SQLite format 3\0".repeat(1_000)] {
        fs::write(&bad, content).unwrap();
        let refused = restore(&bad, &data);
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    }
    assert!(restore(&folder.path().join("nowhere"), &data).is_err());
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    assert!(store.stored(&session("s")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_helps_when_the_database_is_beyond_repair() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    let id = create(&*store, "s").await;
    store.backup(&folder.path().join("backup")).await.unwrap();
    drop(store);
    fs::write(data.join(DATABASE), "beyond repair").unwrap();
    fs::write(data.join(format!("{DATABASE}-wal")), "and its log").unwrap();
    restore(&folder.path().join("backup"), &data).unwrap();
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    assert_eq!(store.stored(&id).await.unwrap().and_then(|found| found.row.tip), Seq::new(1 + LIFT));
    let kept = fs::read(data.join(format!("{DATABASE}.before-restore-1"))).unwrap();
    assert_eq!(kept, b"beyond repair", "somebody may still want it");
    let log = fs::read(data.join(format!("{DATABASE}.before-restore-1-wal"))).unwrap();
    assert_eq!(log, b"and its log");
}
