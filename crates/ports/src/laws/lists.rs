//! Lists of sessions, and alarms.

use std::sync::Arc;

use rejoin_core::header::{SessionKind, Status};
use rejoin_core::id::{TenantId, WorkspaceId};

use super::Home;
use super::making::*;
use crate::store::{ListCursor, ListFilter, Row, Store};

/// A session with a certain place in lists.
async fn create_at(store: &dyn Store, name: &str, at: u64, change: impl FnOnce(&mut Row)) {
    let mut row = row(header(&session(name)));
    row.header.created_at = at;
    change(&mut row);
    create_as(store, row).await;
}

async fn names(store: &dyn Store, filter: ListFilter) -> Vec<String> {
    let found = store.list(filter).await.unwrap();
    found.iter().map(|stored| stored.row.header.id.to_string()).collect()
}

pub(super) async fn a_list_stays_in_place_while_sessions_come_and_go(home: &dyn Home) {
    let store = home.open().await;
    for (name, at) in [("a", 10), ("b", 20), ("c", 20), ("d", 30), ("e", 40)] {
        create_at(&*store, name, at, |_| {}).await;
    }
    let page = |after: Option<(u64, &str)>| {
        let mut filter = everything();
        filter.limit = 2;
        filter.after = after.map(|(created_at, id)| ListCursor { created_at, id: session(id) });
        filter
    };
    assert_eq!(names(&*store, page(None)).await, ["e", "d"]);
    create_at(&*store, "f", 50, |_| {}).await;
    assert!(store.delete(&session("d"), Vec::new()).await.unwrap());
    assert_eq!(names(&*store, page(Some((30, "d")))).await, ["c", "b"]);
    assert_eq!(names(&*store, page(Some((20, "b")))).await, ["a"]);
    assert_eq!(names(&*store, page(Some((10, "a")))).await, Vec::<String>::new());
    assert_eq!(names(&*store, everything()).await, ["f", "e", "c", "b", "a"]);
}

pub(super) async fn a_list_shows_what_was_asked_for(home: &dyn Home) {
    let store = home.open().await;
    let work_there = WorkspaceId::new("w").expect("a plain name");
    create_at(&*store, "plain", 1, |_| {}).await;
    create_at(&*store, "running", 2, |row| row.header.status = Status::Running).await;
    create_at(&*store, "archived", 3, |row| row.header.archived = true).await;
    create_at(&*store, "child", 4, |row| row.header.parent = Some(session("plain"))).await;
    create_at(&*store, "there", 5, |row| row.header.workspace = Some(work_there.clone())).await;
    create_at(&*store, "sealed", 6, |row| row.header.kind = SessionKind::Sealed).await;
    create_at(&*store, "labelled", 7, |row| {
        row.header.labels.insert("it's a \"name\"".to_owned(), "value.$".to_owned());
    })
    .await;
    create_at(&*store, "foreign", 8, |row| {
        row.header.tenant = TenantId::new("other").expect("a plain name");
    })
    .await;
    let shown = async |change: &dyn Fn(&mut ListFilter)| {
        let mut filter = everything();
        change(&mut filter);
        names(&*store, filter).await
    };
    let all = ["labelled", "there", "child", "archived", "running", "plain"];
    assert_eq!(shown(&|_| {}).await, all);
    assert_eq!(shown(&|filter| filter.status = Some(Status::Running)).await, ["running"]);
    assert_eq!(shown(&|filter| filter.archived = Some(true)).await, ["archived"]);
    assert_eq!(shown(&|filter| filter.archived = Some(false)).await.len(), 5);
    assert_eq!(shown(&|filter| filter.parent = Some(session("plain"))).await, ["child"]);
    assert_eq!(shown(&|filter| filter.roots_only = true).await.len(), 5);
    assert_eq!(shown(&|filter| filter.workspace = Some(work_there.clone())).await, ["there"]);
    assert_eq!(shown(&|filter| filter.kind = SessionKind::Sealed).await, ["sealed"]);
    let label = |value: &str| Some(("it's a \"name\"".to_owned(), value.to_owned()));
    assert_eq!(shown(&|filter| filter.label = label("value.$")).await, ["labelled"]);
    assert_eq!(shown(&|filter| filter.label = label("value")).await, Vec::<String>::new());

    // A list shows the newest row.
    let mut done = append(&*store, &session("running"), Some(1), vec![renamed("done")]);
    let mut row = row(header(&session("running")));
    row.header.created_at = 2;
    row.header.title = Some("done".to_owned());
    done.row = Arc::new(row);
    store.commit(work(done)).await.unwrap();
    assert_eq!(shown(&|filter| filter.status = Some(Status::Running)).await, Vec::<String>::new());
    let idle = store.list(everything()).await.unwrap();
    let row = &idle.iter().find(|stored| stored.row.header.id == session("running"));
    let row = &row.expect("it is listed").row;
    assert_eq!((row.header.title.as_deref(), row.tip), (Some("done"), Some(seq(2))));
}

pub(super) async fn what_is_private_is_shown_to_its_owner_only(home: &dyn Home) {
    let store = home.open().await;
    create_at(&*store, "shared", 1, |_| {}).await;
    create_at(&*store, "of-ann", 2, |row| row.header.owner = Some(user("ann"))).await;
    create_at(&*store, "of-bob", 3, |row| row.header.owner = Some(user("bob"))).await;
    assert_eq!(names(&*store, everything()).await, ["of-ann", "shared"]);
    let mut of_bob = everything();
    of_bob.user = user("bob");
    assert_eq!(names(&*store, of_bob).await, ["of-bob", "shared"]);
}

pub(super) async fn sessions_wake_in_the_order_of_their_time(home: &dyn Home) {
    let store = home.open().await;
    create_at(&*store, "never", 1, |_| {}).await;
    for (name, at) in [("c", 300), ("a", 100), ("b", 200)] {
        create_at(&*store, name, 1, |row| row.wake_at = Some(at)).await;
    }
    let ids = |names: &[&str]| names.iter().map(|name| session(name)).collect::<Vec<_>>();
    assert_eq!(store.due(99, 10).await.unwrap(), (ids(&[]), Some(100)));
    assert_eq!(store.due(200, 10).await.unwrap(), (ids(&["a", "b"]), Some(300)));
    assert_eq!(store.due(300, 1).await.unwrap(), (ids(&["a"]), Some(200)));
    assert_eq!(store.due(300, 10).await.unwrap(), (ids(&["a", "b", "c"]), None));
    // Whoever has decided something is woken for the next thing, or not at all.
    for (name, at) in [("a", None), ("b", Some(400))] {
        let mut append = append(&*store, &session(name), Some(1), vec![renamed("x")]);
        let mut row = row(header(&session(name)));
        row.wake_at = at;
        append.row = Arc::new(row);
        store.commit(work(append)).await.unwrap();
    }
    assert_eq!(store.due(300, 10).await.unwrap(), (ids(&["c"]), Some(400)));
}
