//! Sessions that say things, for tests of one store.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::Arc;

use rejoin_core::event::{Event, Logged};
use rejoin_core::header::{Config, Header};
use rejoin_core::id::SessionId;
use rejoin_core::position::{Seq, Tip};
use rejoin_core::who::Author;
use rejoin_ports::batch::Batch;
use rejoin_ports::store::{Append, CommitError, Committed, Row, Store, Work};

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::new(name).expect("tests use plain names")
}

pub(crate) fn header(id: &SessionId) -> Header {
    let header = serde_json::json!({
        "id": id, "tenant": "acme", "createdBy": "ann", "kind": "hosted", "agent": "echo", "title": null,
        "status": "idle", "archived": false, "createdAt": 1_000, "updatedAt": 1_000, "lastActivityAt": null,
        "turns": 0, "usage": {"input": 0, "output": 0},
    });
    serde_json::from_value(header).expect("a header")
}

pub(crate) fn renamed(title: &str) -> Event {
    Event::SessionRenamed { title: Some(title.to_owned()) }
}

pub(crate) fn append(store: &dyn Store, id: &SessionId, after: Tip, term: u64, events: Vec<Event>) -> Append {
    let author = Arc::new(Author::gateway());
    let mut tip = after;
    let events: Vec<_> = events
        .into_iter()
        .map(|event| {
            let seq = Seq::after(tip);
            tip = Some(seq);
            Logged::new(seq, 1_000, author.clone(), event)
        })
        .collect();
    Append {
        session: id.clone(),
        after,
        term,
        batch: Arc::new(Batch::of(id.clone(), store.epoch(), events)),
        receipts: Vec::new(),
        row: Arc::new(Row { header: header(id), tip, wake_at: None, unsettled: false }),
        places: Vec::new(),
        files: Vec::new(),
    }
}

pub(crate) async fn commit(store: &dyn Store, append: Append) -> Result<Committed, CommitError> {
    store.commit(Work { stream: Some(append), ..Work::default() }).await
}

pub(crate) async fn create(store: &dyn Store, name: &str) -> SessionId {
    let id = session(name);
    let first = Event::SessionCreated { header: Box::new(header(&id)), config: Box::<Config>::default() };
    commit(store, append(store, &id, None, 1, vec![first])).await.expect("a new session");
    id
}

/// Appends behind whatever is newest.
pub(crate) async fn say(store: &dyn Store, id: &SessionId, events: Vec<Event>) -> Result<Committed, CommitError> {
    let known = store.stored(id).await?.expect("the session is there");
    commit(store, append(store, id, known.row.tip, known.term, events)).await
}

pub(crate) async fn read_all(store: &dyn Store, id: &SessionId) -> Vec<Logged> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let page = store.read(id, after, 1000).await.expect("the log can be read");
        all.extend_from_slice(page.batch.events().expect("the log's own lines"));
        match page.batch.last() {
            Some(last) if page.more => after = last.get(),
            _ => return all,
        }
    }
}
