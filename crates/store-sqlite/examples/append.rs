//! How fast the store keeps events: `cargo run --release -p rejoin-store-sqlite --example append -- [seconds] [full|normal]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rejoin_core::event::{Event, Logged};
use rejoin_core::header::{Config, Header};
use rejoin_core::id::{CommandId, PartId, SessionId};
use rejoin_core::position::{Seq, Tip};
use rejoin_core::who::Author;
use rejoin_ports::batch::Batch;
use rejoin_ports::store::{Append, Durability, Receipt, Row, Store, Work};
use rejoin_store_sqlite::{Options, SqliteStore};

const SESSIONS: usize = 256;
const BATCH: usize = 64;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    let durability = match arguments.next().as_deref() {
        Some("normal") => Durability::Normal,
        _ => Durability::Full,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let length = Duration::from_secs(seconds);
    runtime.block_on(run("batches", durability, length, BATCH, false));
    runtime.block_on(run("commands", durability, length, 1, true));
}

async fn run(name: &str, durability: Durability, length: Duration, batch: usize, receipts: bool) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut options = Options::new(folder.path());
    options.durability = durability;
    let store = SqliteStore::open(options).expect("a store");
    let mut owners = Vec::new();
    for number in 0..SESSIONS {
        let id = SessionId::new(format!("0197a2b0-0000-7000-8000-{number:012}")).expect("an id");
        let first = vec![Event::SessionCreated { header: Box::new(header(&id)), config: Box::<Config>::default() }];
        store.commit(append(&store, &id, None, first, None)).await.expect("a new session");
        owners.push(id);
    }
    let before = store.figures();
    let done = Arc::new(AtomicU64::new(0));
    let cpu = cpu_seconds();
    let started = Instant::now();
    let tasks = owners.into_iter().map(|id| {
        let (store, done) = (store.clone(), done.clone());
        tokio::spawn(async move {
            let mut tip = Seq::new(1);
            let mut waits = Vec::new();
            while started.elapsed() < length {
                let events = vec![event(); batch];
                let count = events.len() as u64;
                let work = append(&store, &id, tip, events, receipts.then(|| format!("{id}{:?}", tip)));
                tip = work.stream.as_ref().and_then(|append| append.batch.last());
                let asked = Instant::now();
                store.commit(work).await.expect("it is kept");
                waits.push(asked.elapsed());
                done.fetch_add(count, Relaxed);
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        waits.extend(task.await.expect("it ran to its end"));
    }
    let took = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    waits.sort();
    let after = store.figures();
    let groups = (after.commits - before.commits).max(1);
    println!(
        "{name}: {:.0} events/s, {:.0} works/s, {:.1} works a group, {:.2} ms a group, ack p50 {:.2} ms, p99 {:.2} ms, {:.1} MB/s of lines, wal {:.1} MB, {:.1} us of cpu a work",
        done.load(Relaxed) as f64 / took,
        waits.len() as f64 / took,
        (after.works - before.works) as f64 / groups as f64,
        (after.commit_micros - before.commit_micros) as f64 / 1e3 / groups as f64,
        waits[waits.len() / 2].as_secs_f64() * 1e3,
        waits[waits.len() * 99 / 100].as_secs_f64() * 1e3,
        (after.bytes - before.bytes) as f64 / 1e6 / took,
        after.wal_bytes as f64 / 1e6,
        cpu * 1e6 / waits.len() as f64,
    );
    store.close().await.expect("it closes");
}

/// What this process has used, committers included: on a busy machine it says more than the time that went by.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// A delta whose line has about 300 bytes.
fn event() -> Event {
    let part = PartId::new("0197a2b0-0000-7000-8000-000000000001").expect("an id");
    Event::PartDelta { part, text: "x".repeat(140), marks: Default::default(), of: Default::default() }
}

fn append(store: &SqliteStore, id: &SessionId, after: Tip, events: Vec<Event>, command: Option<String>) -> Work {
    let author = Arc::new(Author::agent());
    let mut seq = after;
    let events: Vec<_> = events
        .into_iter()
        .map(|event| {
            let next = Seq::after(seq);
            seq = Some(next);
            Logged::new(next, 1_700_000_000_000, author.clone(), event)
        })
        .collect();
    let receipts = command.map(|command| Receipt {
        user: author.user.clone(),
        command: CommandId::new(command.replace(['(', ')'], "")).expect("an id"),
        body: [0; 16],
        seq: seq.map_or(0, Seq::get),
    });
    Work {
        stream: Some(Append {
            session: id.clone(),
            after,
            term: 1,
            batch: Arc::new(Batch::of(id.clone(), store.epoch(), events)),
            receipts: receipts.into_iter().collect(),
            row: Arc::new(Row { header: header(id), tip: seq, wake_at: None, unsettled: true }),
            places: Vec::new(),
            files: Vec::new(),
        }),
        ..Work::default()
    }
}

fn header(id: &SessionId) -> Header {
    let header = serde_json::json!({
        "id": id, "tenant": "t", "createdBy": "u", "kind": "hosted", "agent": "echo", "title": "A session",
        "status": "idle", "archived": false, "createdAt": 1_700_000_000_000u64, "updatedAt": 1_700_000_000_000u64,
        "lastActivityAt": null, "turns": 0, "usage": {"input": 0, "output": 0},
    });
    serde_json::from_value(header).expect("a header")
}
