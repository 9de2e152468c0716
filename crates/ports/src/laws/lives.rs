//! From one life of the process to the next.

use std::sync::Arc;

use rejoin_core::id::SessionId;

use super::Home;
use super::making::*;
use crate::store::{CommitError, Expect, Owner, Store, StoreError, Work};

async fn set_unsettled(store: &dyn Store, id: &SessionId, after: u64, unsettled: bool) {
    let mut append = append(store, id, Some(after), vec![renamed("a")]);
    let mut row = row(header(id));
    row.unsettled = unsettled;
    append.row = Arc::new(row);
    store.commit(work(append)).await.unwrap();
}

pub(super) async fn what_another_life_left_unsettled_is_stale_until_it_is_settled(home: &dyn Home) {
    let store = home.open().await;
    for name in ["a", "b", "c", "settled"] {
        let id = create(&*store, name).await;
        set_unsettled(&*store, &id, 1, name != "settled").await;
    }
    let stored = store.stored(&session("a")).await.unwrap().expect("it is there");
    assert!(stored.row.unsettled && !stored.stale, "its own life knows better");
    assert_eq!(store.unsettled(None, 10).await.unwrap(), []);
    drop(store); // not closed: it was killed

    let store = home.open().await;
    let left = store.unsettled(None, 2).await.unwrap();
    assert_eq!(left, [session("a"), session("b")]);
    let rest = store.unsettled(left.last(), 2).await.unwrap();
    assert_eq!(rest, [session("c")]);
    assert!(store.take(&session("a")).await.unwrap().expect("it is there").stale);
    assert!(store.list(everything()).await.unwrap().iter().any(|stored| stored.stale));
    let retake = store.take(&session("b")).await.unwrap().expect("it is there");
    let mut settling = append(&*store, &session("b"), Some(2), vec![renamed("b")]);
    settling.term = retake.term;
    store.commit(work(settling)).await.unwrap();
    let settled = store.stored(&session("b")).await.unwrap().expect("it is there");
    assert!(!settled.stale && !settled.row.unsettled);

    // One that is unsettled again, but by this life.
    let again = store.take(&session("c")).await.unwrap().expect("it is there");
    let mut busy = append(&*store, &session("c"), Some(2), vec![renamed("c")]);
    busy.term = again.term;
    let mut unsettled = row(header(&session("c")));
    unsettled.unsettled = true;
    busy.row = Arc::new(unsettled);
    store.commit(work(busy)).await.unwrap();
    assert!(!store.stored(&session("c")).await.unwrap().expect("it is there").stale);
    assert_eq!(store.unsettled(None, 10).await.unwrap(), [session("a")]);
}

pub(super) async fn everything_is_there_in_the_next_life(home: &dyn Home) {
    let store = home.open().await;
    let epoch = store.epoch();
    let id = create(&*store, "s").await;
    let mut second = append(&*store, &id, Some(1), vec![renamed("a"), delta("p", "x")]);
    second.receipts.push(receipt("c", 2));
    let mut second = work(second);
    second.records.push(record("k", Expect::Absent, Some("v")));
    store.commit(second).await.unwrap();
    let before = read_all(&*store, &id, 0, 100).await;
    drop(store);

    let store = home.open().await;
    assert_eq!(store.epoch(), epoch, "only a restore begins a new epoch");
    assert_eq!(read_all(&*store, &id, 0, 100).await, before);
    assert!(store.receipt(&id, &user("ann"), &receipt("c", 2).command).await.unwrap().is_some());
    let owner = Owner::Tenant(tenant());
    assert!(store.record(&owner, "note", "k").await.unwrap().is_some());
    say(&*store, &id, 3, vec![renamed("and on")]).await;
    store.close().await.unwrap();
    drop(store);
    assert_eq!(read_all(&*home.open().await, &id, 0, 100).await.len(), 4);
}

pub(super) async fn a_closed_store_says_so(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    store.close().await.unwrap();
    let late = store.commit(Work::default()).await;
    assert!(matches!(late, Err(CommitError::Store(StoreError::Closed))), "{late:?}");
    assert!(matches!(store.stored(&id).await, Err(StoreError::Closed)));
    store.close().await.expect("closing twice is closing");
}
