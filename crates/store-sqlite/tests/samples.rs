//! Files of every released version are opened, and what is in them is found.

mod common;

use common::*;
use rejoin_core::id::{CommandId, TenantId, UserId};
use rejoin_ports::store::{Naming, Owner, Store, Work};
use rejoin_store_sqlite::{DATABASE, Options, SqliteStore};
use tempfile::TempDir;

/// One for each version of the schema, written by the program that had it.
const SAMPLES: &[&str] = &[include_str!("samples/version-1.sql"), include_str!("samples/version-2.sql")];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_every_version_is_opened_and_goes_on() {
    for (sample, version) in SAMPLES.iter().zip(1..) {
        let folder = TempDir::new().unwrap();
        let db = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
        db.execute_batch(sample).unwrap();
        let found: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(found, version, "the sample says which version it is of");
        drop(db);

        let store = SqliteStore::open(Options::new(folder.path())).unwrap();
        let id = session("sample");
        let log = read_all(&*store, &id).await;
        assert_eq!(log.iter().map(|logged| logged.seq.get()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let (user, command) = (UserId::new("ann").unwrap(), CommandId::new("c").unwrap());
        assert_eq!(store.receipt(&id, &user, &command).await.unwrap().map(|done| done.seq), Some(3));
        let owner = Owner::Tenant(TenantId::new("acme").unwrap());
        let record = store.record(&owner, "note", "k").await.unwrap().expect("it is in the sample");
        assert_eq!((record.version, record.value.as_deref()), (1, Some(&b"v"[..])));
        assert_eq!(store.feed(&owner, 0, 10).await.unwrap().newest, 1);
        let named = store.named(&id, "picture").await.unwrap();
        assert_eq!(named.is_some(), version >= 2, "{named:?}");
        let naming = Naming { session: id.clone(), name: "other".to_owned(), hash: Some("0f".to_owned()) };
        store.commit(Work { blobs: vec![naming], ..Work::default() }).await.unwrap();
        assert_eq!(store.named(&id, "other").await.unwrap().as_deref(), Some("0f"));
        say(&*store, &id, vec![renamed("goes on")]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_newer_version_is_left_alone() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(Options::new(folder.path())).unwrap());
    let db = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
    db.execute_batch("PRAGMA user_version = 1000").unwrap();
    drop(db);
    let refused = SqliteStore::open(Options::new(folder.path())).err().expect("it is not ours to read");
    assert!(refused.to_string().contains("version 1000"), "{refused}");
}
