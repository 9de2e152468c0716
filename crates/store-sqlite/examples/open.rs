//! How long a start takes and what it keeps in memory: `cargo run --release -p rejoin-store-sqlite --example open -- [sessions]`.

use std::sync::Arc;
use std::time::Instant;

use rejoin_core::event::{Event, Logged};
use rejoin_core::header::{Config, Header};
use rejoin_core::id::SessionId;
use rejoin_core::position::Seq;
use rejoin_core::who::Author;
use rejoin_ports::batch::Batch;
use rejoin_ports::store::{Append, Row, Store, Work};
use rejoin_store_sqlite::{Options, SqliteStore};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let sessions = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(Options::new(folder.path())).expect("a store");
    let mut making = tokio::task::JoinSet::new();
    for number in 0..sessions {
        let store = store.clone();
        making.spawn(async move { store.commit(created(&store, number)).await.expect("a new session") });
        if making.len() == 256 {
            making.join_next().await;
        }
    }
    making.join_all().await;
    println!("{sessions} sessions made, {:.1} MiB resident", resident());
    store.close().await.expect("it closes");
    drop(store);
    for _ in 0..5 {
        let started = Instant::now();
        let store = SqliteStore::open(Options::new(folder.path())).expect("a store");
        let opened = started.elapsed();
        let id = session(sessions / 2);
        store.stored(&id).await.expect("reading").expect("it is there");
        let found = started.elapsed();
        println!(
            "opened in {:.2} ms, first answer after {:.2} ms, {:.1} MiB resident",
            opened.as_secs_f64() * 1e3,
            found.as_secs_f64() * 1e3,
            resident()
        );
    }
}

fn session(number: usize) -> SessionId {
    SessionId::new(format!("0197a2b0-0000-7000-8000-{number:012}")).expect("an id")
}

fn created(store: &SqliteStore, number: usize) -> Work {
    let id = session(number);
    let header: Header = serde_json::from_value(serde_json::json!({
        "id": id, "tenant": "t", "createdBy": "u", "kind": "hosted", "agent": "echo", "title": "A session",
        "status": "idle", "archived": false, "createdAt": number, "updatedAt": 1_000, "lastActivityAt": null,
        "turns": 0, "usage": {"input": 0, "output": 0},
    }))
    .expect("a header");
    let event = Event::SessionCreated { header: Box::new(header.clone()), config: Box::<Config>::default() };
    let logged = Logged::new(Seq::FIRST, 1_000, Arc::new(Author::gateway()), event);
    Work {
        stream: Some(Append {
            session: id.clone(),
            after: None,
            term: 1,
            batch: Arc::new(Batch::of(id, store.epoch(), vec![logged])),
            receipts: Vec::new(),
            row: Arc::new(Row { header, tip: Some(Seq::FIRST), wake_at: None, unsettled: false }),
            places: Vec::new(),
            files: Vec::new(),
        }),
        ..Work::default()
    }
}

/// Memory of this process that is not only reserved, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}
