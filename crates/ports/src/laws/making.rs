//! The little worlds that laws are tried in.

use std::sync::Arc;

use bytes::Bytes;
use rejoin_core::event::{Event, Logged};
use rejoin_core::header::{Config, Header, SessionKind, Status};
use rejoin_core::id::{CommandId, MessageId, PartId, SessionId, TenantId, UserId};
use rejoin_core::part::{Part, PartBody};
use rejoin_core::position::{Seq, Tip};
use rejoin_core::usage::Usage;
use rejoin_core::who::Author;

use crate::batch::Batch;
use crate::store::{
    Append, Expect, FeedEntry, FeedItem, ListFilter, Naming, Owner, Receipt, RecordWrite, Row, Store, Tally, Work,
};

pub(super) fn session(name: &str) -> SessionId {
    SessionId::new(name).expect("laws use plain names")
}
pub(super) fn tenant() -> TenantId {
    TenantId::new("acme").expect("a plain name")
}
pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).expect("laws use plain names")
}
pub(super) fn seq(number: u64) -> Seq {
    Seq::new(number).expect("laws use numbers that exist")
}

pub(super) fn header(id: &SessionId) -> Header {
    Header {
        id: id.clone(),
        tenant: tenant(),
        owner: None,
        created_by: user("ann"),
        kind: SessionKind::Hosted,
        agent: "echo".to_owned(),
        title: None,
        workspace: None,
        profile: None,
        model: None,
        parent: None,
        root: None,
        origin: None,
        labels: Default::default(),
        tag: None,
        status: Status::Idle,
        agent_status: Default::default(),
        archived: false,
        end: None,
        created_at: 1_000,
        updated_at: 1_000,
        last_activity_at: None,
        last_turn: None,
        turns: 0,
        usage: Usage::default(),
    }
}

pub(super) fn row(header: Header) -> Row {
    Row { header, tip: None, wake_at: None, unsettled: false }
}

/// What happened, numbered behind `after`.
pub(super) fn logged(after: Tip, events: Vec<Event>) -> Vec<Logged> {
    let author = Arc::new(author());
    let mut next = Seq::after(after);
    let mut number = || {
        let this = next;
        next = next.next();
        this
    };
    events.into_iter().map(|event| Logged::new(number(), 1_000, author.clone(), event)).collect()
}

fn author() -> Author {
    Author { user: user("ann"), door: "native".to_owned(), client: None, connection: None }
}

pub(super) fn created(header: &Header) -> Event {
    Event::SessionCreated { header: Box::new(header.clone()), config: Box::<Config>::default() }
}
pub(super) fn renamed(title: &str) -> Event {
    Event::SessionRenamed { title: Some(title.to_owned()) }
}
pub(super) fn part(id: &str, text: &str) -> Part {
    Part {
        id: PartId::new(id).expect("laws use plain names"),
        message: MessageId::new("m").expect("a plain name"),
        at: 1_000,
        body: PartBody::Text { text: text.to_owned() },
    }
}
pub(super) fn started(id: &str) -> Event {
    Event::PartStarted { part: part(id, "") }
}
pub(super) fn delta(id: &str, text: &str) -> Event {
    Event::PartDelta {
        part: PartId::new(id).expect("laws use plain names"),
        text: text.to_owned(),
        marks: Default::default(),
        of: Default::default(),
    }
}
pub(super) fn completed(id: &str, text: &str) -> Event {
    Event::PartCompleted { part: part(id, text), whole: false }
}

/// An append as an owner in its first term would make it.
pub(super) fn append(store: &dyn Store, id: &SessionId, after: Option<u64>, events: Vec<Event>) -> Append {
    let after = after.map(seq);
    Append {
        session: id.clone(),
        after,
        term: 1,
        batch: Arc::new(Batch::of(id.clone(), store.epoch(), logged(after, events))),
        receipts: Vec::new(),
        row: Arc::new(row(header(id))),
        places: Vec::new(),
        files: Vec::new(),
    }
}

pub(super) fn work(append: Append) -> Work {
    Work { stream: Some(append), ..Work::default() }
}

/// A session that has one event.
pub(super) async fn create(store: &dyn Store, name: &str) -> SessionId {
    let id = session(name);
    create_as(store, row(header(&id))).await;
    id
}
pub(super) async fn create_as(store: &dyn Store, row: Row) {
    let mut first = append(store, &row.header.id, None, vec![created(&row.header)]);
    first.row = Arc::new(row);
    store.commit(work(first)).await.expect("a new session is created");
}
/// Appends, and expects that it is kept.
pub(super) async fn say(store: &dyn Store, id: &SessionId, after: u64, events: Vec<Event>) {
    let append = append(store, id, Some(after), events);
    store.commit(work(append)).await.expect("the newest tip is known");
}

pub(super) fn receipt(command: &str, seq: u64) -> Receipt {
    Receipt { user: user("ann"), command: CommandId::new(command).expect("laws use plain names"), body: [7; 16], seq }
}
pub(super) fn record(key: &str, expect: Expect, value: Option<&str>) -> RecordWrite {
    RecordWrite {
        owner: Owner::Tenant(tenant()),
        kind: "note".to_owned(),
        key: key.to_owned(),
        expect,
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        at: 5,
    }
}
pub(super) fn naming(session: &SessionId, name: &str, hash: Option<&str>) -> Naming {
    Naming { session: session.clone(), name: name.to_owned(), hash: hash.map(str::to_owned) }
}
pub(super) fn tally(key: &str, by: u64) -> Tally {
    Tally { owner: Owner::Tenant(tenant()), kind: "count".to_owned(), key: key.to_owned(), by, at: 5 }
}
pub(super) fn news(owner: Owner, id: &SessionId, number: u64) -> FeedEntry {
    FeedEntry {
        owner,
        what: FeedItem::Session { session: id.clone(), seq: number, change: "renamed".to_owned() },
        at: number,
    }
}
pub(super) fn everything() -> ListFilter {
    ListFilter {
        tenant: tenant(),
        user: user("ann"),
        kind: SessionKind::Hosted,
        status: None,
        archived: None,
        parent: None,
        roots_only: false,
        workspace: None,
        label: None,
        limit: 100,
        after: None,
    }
}

/// All of a log from `after` on, read by pages of at most `most`.
pub(super) async fn read_all(store: &dyn Store, id: &SessionId, mut after: u64, most: usize) -> Vec<Logged> {
    let mut all: Vec<Logged> = Vec::new();
    loop {
        let page = store.read(id, after, most).await.expect("the log can be read");
        assert!(page.batch.len() <= most, "a page has no more than was asked for");
        all.extend_from_slice(page.batch.events().expect("the log's own lines"));
        match page.batch.last() {
            Some(last) if page.more => after = last.get(),
            _ => {
                assert!(!page.more, "an empty page is the last one");
                return all;
            }
        }
    }
}

/// Upkeep until there is no more to do.
pub(super) async fn tidy(store: &dyn Store, now: u64) {
    while store.tidy(now).await.expect("upkeep goes well") {}
}
