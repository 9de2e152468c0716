//! Kill the real binary at seeded random moments, and hold its readers' own notes against what it finds afterwards:
//! nothing shown is lost or repeated, numbers have no hole, every turn ended or waits for people, the queue went on, and
//! an ask was answered once, with the script going on behind it.
//!
//! `REJOIN_CRASH_ROUNDS` (25) and `REJOIN_CRASH_SEED` (printed) repeat a run.

mod check;
mod people;
mod power;
mod process;
mod reader;

use std::time::Duration;

use process::{Disk, Gateway};

/// A small generator: the same seed gives the same moments.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seed = setting("REJOIN_CRASH_SEED", now.as_nanos() as u64 | 1);
    eprintln!("REJOIN_CRASH_SEED={seed}");
    seed
}

async fn rounds(disk: Disk, count: u64) {
    let mut chance = Chance(seed());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let world = people::World::new();
    let mut gateway = Gateway::start(&data, &disk).await;
    world.begin(&gateway).await;
    for round in 0..count {
        world.work(round, &mut chance).await;
        tokio::time::sleep(Duration::from_micros(chance.below(150_000))).await;
        world.gone();
        gateway.kill().await;
        disk.cut_power();
        gateway = Gateway::start(&data, &disk).await;
        world.back(&gateway);
    }
    world.finish().await;
    check::everything(&world, &gateway).await;
    gateway.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_outlives_kill_9() {
    rounds(Disk::Honest, setting("REJOIN_CRASH_ROUNDS", 25)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_outlives_a_power_cut() {
    let Some(disk) = power::forgetful() else {
        eprintln!("SKIPPED: no C compiler, so a disk that forgets unsynced writes could not be made");
        return;
    };
    rounds(disk, setting("REJOIN_CRASH_ROUNDS", 25).min(200)).await;
}
