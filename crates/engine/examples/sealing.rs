//! How many sealed messages a second one session takes on a disk: `sealing FOLDER [MESSAGES [WRITERS [BATCH [BYTES]]]]`.
//!
//! Every message has a local name, and every commit is synced. Afterwards all of them are paged through.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rejoin_ports::gateway::{Sealed, Sealing};
use rejoin_ports::store::{Durability, Store};
use rejoin_store_sqlite::{Options, SqliteStore};
use rejoin_testkit::{Gateway, person};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().expect("a folder on the disk to be measured"));
    let mut number = |otherwise: usize| args.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (messages, writers, batch, bytes) = (number(200_000), number(8), number(64), number(200));
    let store = SqliteStore::open(Options { durability: Durability::Full, ..Options::new(&folder) }).expect("a store");
    let gateway = Arc::new(Gateway::start_over(store.clone()));
    let session = gateway.create_sealed().await;
    let rounds = messages / writers / batch;
    let content = "A".repeat(bytes);
    let began = Instant::now();
    let writing = (0..writers).map(|writer| {
        let (gateway, session, content) = (gateway.clone(), session.clone(), content.clone());
        tokio::spawn(async move {
            let ann = person("ann");
            for round in 0..rounds {
                let local = |at: usize| Some(format!("{writer:04x}{round:08x}-{at:04x}-4000-8000-0123456789ab"));
                let all = (0..batch).map(|at| Sealing { content: content.clone(), local: local(at) }).collect();
                let marks = gateway.engine.seal(&ann, &session, all).await.expect("they are kept");
                assert!(marks.iter().all(|mark| !mark.existed));
            }
        })
    });
    for done in futures_util::future::join_all(writing).await {
        done.expect("no writer panics");
    }
    let all = rounds * writers * batch;
    let seconds = began.elapsed().as_secs_f64();
    let figures = store.figures();
    println!(
        "{all} sealed in {seconds:.2} s: {:.0}/s; {} commits of {:.0} us",
        all as f64 / seconds,
        figures.commits,
        figures.commit_micros as f64 / figures.commits as f64
    );
    let began = Instant::now();
    let (mut after, mut seen, mut pages) = (0, 0, 0);
    loop {
        let page = gateway.engine.sealed_after(&person("ann").identity, &session, after, 500).await.expect("a page");
        seen += page.messages.len();
        pages += 1;
        after = page.messages.last().map_or(after, |last| last.number);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, all);
    let seconds = began.elapsed().as_secs_f64();
    println!("{seen} read in {pages} pages in {seconds:.2} s: {:.0}/s", seen as f64 / seconds);
    let began = Instant::now();
    for step in 1..=200 {
        let before = (step * all / 201) as u64;
        let page = gateway.engine.sealed_before(&person("ann").identity, &session, before, 50).await.expect("a page");
        assert_eq!(page.messages[0].number, before - 1);
    }
    println!("200 pages of 50 anywhere: {:.2} ms each", began.elapsed().as_secs_f64() * 1_000.0 / 200.0);
    let began = Instant::now();
    for _ in 0..10_000 {
        gateway.engine.standing(&person("ann").identity, &session).await.expect("it stands");
    }
    println!("standing: {:.1} us", began.elapsed().as_secs_f64() * 1e6 / 10_000.0);
}
