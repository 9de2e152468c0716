//! Records: versions that count up and are never given again.

use super::Home;
use super::making::*;
use crate::store::{CommitError, Expect, Owner, RecordWrite, Store, Tally, Work, tallied};

fn writes(records: Vec<RecordWrite>) -> Work {
    Work { records, ..Work::default() }
}

async fn write(store: &dyn Store, record: RecordWrite) -> Result<u64, CommitError> {
    let committed = store.commit(writes(vec![record])).await?;
    Ok(committed.versions[0])
}

pub(super) async fn a_record_changes_only_for_who_knows_its_version(home: &dyn Home) {
    let store = home.open().await;
    let owner = Owner::Tenant(tenant());
    let first = write(&*store, record("k", Expect::Absent, Some("1"))).await.unwrap();
    let again = write(&*store, record("k", Expect::Absent, Some("2"))).await;
    assert!(
        matches!(&again, Err(CommitError::Record { version, value: Some(value), .. })
            if *version == first && value == "1"),
        "{again:?}"
    );
    let second = write(&*store, record("k", Expect::Version(first), Some("2"))).await.unwrap();
    assert_eq!(second, first + 1);
    assert!(write(&*store, record("k", Expect::Version(first), Some("3"))).await.is_err());
    write(&*store, record("k", Expect::Anything, Some("3"))).await.unwrap();
    let kept = store.record(&owner, "note", "k").await.unwrap().expect("it is there");
    assert_eq!((kept.value.as_deref(), kept.updated_at), (Some(&b"3"[..]), 5));
    assert_eq!((kept.kind.as_str(), kept.key.as_str()), ("note", "k"));
    let nowhere = write(&*store, record("nowhere", Expect::Version(1), Some("1"))).await;
    assert!(matches!(nowhere, Err(CommitError::Record { version: 0, value: None, .. })));
}

pub(super) async fn a_version_is_never_given_again(home: &dyn Home) {
    let store = home.open().await;
    let owner = Owner::Tenant(tenant());
    let first = write(&*store, record("k", Expect::Absent, Some("1"))).await.unwrap();
    let deleted = write(&*store, record("k", Expect::Version(first), None)).await.unwrap();
    assert!(deleted > first);
    let kept = store.record(&owner, "note", "k").await.unwrap().expect("its version stays");
    assert_eq!((kept.version, kept.value), (deleted, None));
    let stale = write(&*store, record("k", Expect::Version(first), Some("2"))).await;
    assert!(stale.is_err(), "{stale:?}");
    let anew = write(&*store, record("k", Expect::Absent, Some("2"))).await.unwrap();
    assert!(anew > deleted);
    store.close().await.unwrap();
    drop(store);
    let store = home.open().await;
    let again = write(&*store, record("k", Expect::Version(anew), Some("3"))).await.unwrap();
    assert!(again > anew);
}

pub(super) async fn a_work_may_write_one_record_twice(home: &dyn Home) {
    let store = home.open().await;
    let twice = |second| writes(vec![record("k", Expect::Absent, Some("1")), record("k", second, Some("2"))]);
    assert!(store.commit(twice(Expect::Absent)).await.is_err());
    let versions = store.commit(twice(Expect::Version(1))).await.unwrap().versions;
    assert_eq!(versions, [1, 2]);
}

pub(super) async fn records_are_listed_by_prefix_and_page(home: &dyn Home) {
    let store = home.open().await;
    let owner = Owner::Tenant(tenant());
    for key in ["b/2", "a", "b/1", "b", "b/3", "b0", "c"] {
        write(&*store, record(key, Expect::Anything, Some(key))).await.unwrap();
    }
    write(&*store, record("b/2", Expect::Anything, None)).await.unwrap();
    let keys = async |prefix: &str, after: &str, most| -> Vec<String> {
        let found = store.records(&owner, "note", prefix, after, most).await.unwrap();
        found.into_iter().map(|record| record.key).collect()
    };
    assert_eq!(keys("b/", "", 10).await, ["b/1", "b/3"], "what was deleted is left out");
    assert_eq!(keys("", "", 3).await, ["a", "b", "b/1"]);
    assert_eq!(keys("", "b/1", 10).await, ["b/3", "b0", "c"]);
    assert_eq!(keys("b/", "a", 1).await, ["b/1"]);
    assert_eq!(keys("x", "", 10).await, Vec::<String>::new());
}

pub(super) async fn owners_do_not_share_records(home: &dyn Home) {
    let store = home.open().await;
    let owners = [
        Owner::Tenant(tenant()),
        Owner::User(tenant(), user("ann")),
        Owner::User(tenant(), user("bob")),
        Owner::Gateway,
    ];
    for (owner, value) in owners.iter().zip(["1", "2", "3", "4"]) {
        let mut write = record("k", Expect::Absent, Some(value));
        write.owner = owner.clone();
        store.commit(writes(vec![write])).await.unwrap();
    }
    for (owner, value) in owners.iter().zip(["1", "2", "3", "4"]) {
        let kept = store.record(owner, "note", "k").await.unwrap().expect("it is there");
        assert_eq!(kept.value.as_deref(), Some(value.as_bytes()));
        assert_eq!(store.records(owner, "note", "", "", 10).await.unwrap(), [kept]);
        assert_eq!(store.record(owner, "other", "k").await.unwrap(), None);
    }
}

async fn count(store: &dyn Store, tallies: Vec<Tally>) -> Vec<u64> {
    store.commit(Work { tallies, ..Work::default() }).await.unwrap().tallies
}

async fn counted(store: &dyn Store, key: &str) -> u64 {
    let record = store.record(&Owner::Tenant(tenant()), "count", key).await.unwrap();
    tallied(record.and_then(|record| record.value).as_deref())
}

pub(super) async fn a_tally_adds_up_whoever_counts(home: &dyn Home) {
    let store = home.open().await;
    assert_eq!(count(&*store, vec![tally("a", 2), tally("b", 5), tally("a", 3)]).await, [2, 5, 5]);
    let all: Vec<u64> = (1..=50).collect();
    let many = all.iter().map(|by| count(&*store, vec![tally("a", *by)]));
    let mut told: Vec<u64> = futures_util::future::join_all(many).await.concat();
    told.sort_unstable();
    told.dedup();
    assert_eq!((told.len(), told.last()), (50, Some(&(5 + 1_275))), "each was told a number of its own");
    store.close().await.unwrap();
    drop(store);
    let store = home.open().await;
    assert_eq!((counted(&*store, "a").await, counted(&*store, "b").await), (1_280, 5));
    assert_eq!(counted(&*store, "nothing").await, 0);
    let other = Tally { owner: Owner::Gateway, ..tally("a", 1) };
    assert_eq!(count(&*store, vec![other, tally("a", 1)]).await, [1, 1_281], "owners do not share it");
}

pub(super) async fn a_tally_stays_at_its_end(home: &dyn Home) {
    let store = home.open().await;
    assert_eq!(count(&*store, vec![tally("a", u64::MAX - 1), tally("a", 5)]).await, [u64::MAX - 1, u64::MAX]);
    let mut words = record("a", Expect::Anything, Some("many"));
    words.kind = "count".to_owned();
    store.commit(writes(vec![words])).await.unwrap();
    assert_eq!(count(&*store, vec![tally("a", 4)]).await, [4], "what is no number begins at nothing");
}
