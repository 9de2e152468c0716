//! A process that is killed while it writes: what it said was kept is there.

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::*;
use rejoin_ports::store::Store;
use rejoin_store_sqlite::{DATABASE, Options, SqliteStore};
use tempfile::TempDir;

const FOLDER: &str = "REJOIN_TEST_KILLED_FOLDER";
/// How often the process is killed, after this many more commits each time.
const KILLS: [usize; 3] = [1, 40, 700];

/// Not a test by itself: it is the process that is killed, started by the one below.
#[tokio::test(flavor = "multi_thread")]
async fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = SqliteStore::open(Options::new(PathBuf::from(folder))).unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            let id = session(&format!("s{number}"));
            if store.stored(&id).await.unwrap().is_none() {
                create(&*store, id.as_str()).await;
            }
            loop {
                say(&*store, &id, vec![renamed(&"x".repeat(9_000)), renamed("end")]).await.unwrap();
                let known = store.stored(&id).await.unwrap().expect("it is there");
                println!("kept {id} {}", known.row.tip.expect("it has events"));
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_survives_a_kill_and_the_log_to_recover_is_short() {
    let folder = TempDir::new().unwrap();
    let mut kept = [0_u64; 4];
    for kills in KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let notes = lines.map_while(Result::ok).filter_map(|line| {
            let (number, tip) = line.split_once("kept s")?.1.split_once(' ')?;
            Some((number.parse::<usize>().ok()?, tip.parse::<u64>().ok()?))
        });
        for (number, tip) in notes.take(kills) {
            kept[number] = kept[number].max(tip);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let wal = std::fs::metadata(folder.path().join(format!("{DATABASE}-wal"))).map_or(0, |file| file.len());
        assert!(wal < 32 << 20, "the write-ahead log has {wal} bytes");

        let store = SqliteStore::open(Options::new(folder.path())).unwrap();
        for (number, tip) in kept.iter().enumerate() {
            let log = read_all(&*store, &session(&format!("s{number}"))).await;
            let numbers: Vec<_> = log.iter().map(|logged| logged.seq.get()).collect();
            assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>());
            assert!(log.len() as u64 >= *tip, "s{number} has {} of {tip}", log.len());
            assert!(log.is_empty() || log.len() % 2 == 1, "an append is there whole or not at all");
        }
    }
    assert!(kept.iter().sum::<u64>() > 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_write_ahead_log_stays_short_while_much_is_written() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    let id = create(&*store, "s").await;
    let mut longest = 0;
    for _ in 0..800 {
        say(&*store, &id, vec![renamed(&"x".repeat(100_000))]).await.unwrap();
        // Somebody who reads all the time must not keep it from being begun anew.
        store.read(&id, 0, 10).await.unwrap();
        let wal = std::fs::metadata(folder.path().join(format!("{DATABASE}-wal"))).unwrap().len();
        longest = longest.max(wal);
    }
    assert!((1 << 20..32 << 20).contains(&longest), "the write-ahead log had {longest} bytes");
}
