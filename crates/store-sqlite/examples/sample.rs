//! Writes the database that a version's sample is made of: `sample FOLDER`, then `sqlite3 FOLDER/rejoin.db .dump`, and a
//! last line `PRAGMA user_version = N;`.

use std::sync::Arc;

use bytes::Bytes;
use rejoin_core::event::{Event, Logged};
use rejoin_core::header::{Config, Header};
use rejoin_core::id::{CommandId, SessionId, TenantId, UserId};
use rejoin_core::position::Seq;
use rejoin_core::who::Author;
use rejoin_ports::batch::Batch;
use rejoin_ports::store::{Append, Expect, FeedEntry, FeedItem, Owner, Receipt, RecordWrite, Row, Store, Work};
use rejoin_store_sqlite::{Options, SqliteStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("where to?")?;
    let store = SqliteStore::open(Options::new(folder))?;
    let id = SessionId::new("sample")?;
    let header: Header = serde_json::from_value(serde_json::json!({
        "id": id, "tenant": "acme", "createdBy": "ann", "kind": "hosted", "agent": "echo", "title": "A sample",
        "status": "idle", "archived": false, "createdAt": 1_000, "updatedAt": 1_000, "lastActivityAt": null,
        "turns": 0, "usage": {"input": 0, "output": 0},
    }))?;
    let author = Arc::new(Author::gateway());
    let logged = |number, event| Logged::new(Seq::new(number).expect("small"), 1_000, author.clone(), event);
    let renamed = |title: &str| Event::SessionRenamed { title: Some(title.to_owned()) };
    let append = |after, events| Append {
        session: id.clone(),
        after: Seq::new(after),
        term: 1,
        batch: Arc::new(Batch::of(id.clone(), store.epoch(), events)),
        receipts: Vec::new(),
        row: Arc::new(Row { header: header.clone(), tip: None, wake_at: Some(2_000), unsettled: true }),
        places: Vec::new(),
        files: Vec::new(),
    };
    let created = Event::SessionCreated { header: Box::new(header.clone()), config: Box::<Config>::default() };
    let first = append(0, vec![logged(1, created), logged(2, renamed("one"))]);
    store.commit(Work { stream: Some(first), ..Work::default() }).await?;
    let mut second = append(2, vec![logged(3, renamed("two")), logged(4, renamed("three"))]);
    let (user, command) = (UserId::new("ann")?, CommandId::new("c")?);
    second.receipts.push(Receipt { user, command, body: [1; 16], seq: 3 });
    let owner = Owner::Tenant(TenantId::new("acme")?);
    let (kind, key) = ("note".to_owned(), "k".to_owned());
    let what = FeedItem::Record { kind: kind.clone(), key: key.clone(), version: 1 };
    let feed = vec![FeedEntry { owner: owner.clone(), what, at: 1_000 }];
    let value = Some(Bytes::from_static(b"v"));
    let records = vec![RecordWrite { owner, kind, key, expect: Expect::Absent, value, at: 1_000 }];
    store.commit(Work { stream: Some(second), records, feed, ..Work::default() }).await?;
    while store.trim(&id, Seq::FIRST.next()).await? {}
    store.close().await?;
    Ok(())
}
