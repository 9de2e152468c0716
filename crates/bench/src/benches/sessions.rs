//! How long creating a session takes, and how many are created in a second.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::bare::Disk;
use crate::command::Common;
use crate::figure::{Figure, per_second};
use crate::gateway::{Door, Gateway};
use crate::http::Http;
use crate::report::Report;
use crate::times::Times;

/// Creates and bare syncs take turns in steps of so many.
const STEP: u64 = 50;
const PATH: &str = "/api/v1/sessions";
const BODY: &str = r#"{"agent":"script"}"#;
/// About what a created session writes: its first event, its row and its line in the feed.
const WRITTEN: usize = 1_024;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sessions {
    /// Sessions created one after the other, whose time is taken
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    sessions: u64,
    /// Connections that create at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    readers: u64,
    /// Seconds for which they do
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
}

pub(crate) async fn run(bench: Sessions, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let disk = Disk::in_folder(room.path())?;
    report.add(&one_by_one(&bench, &gateway, disk).await?)?;
    let disk = Disk::in_folder(room.path())?;
    let figure = at_once(&bench, &gateway, disk).await?;
    if figure.more.get("rateLimited").is_some_and(|limited| limited != 0) {
        report.say("the gateway's limit of requests for each person was reached: fewer --seconds show how fast it is");
    }
    report.add(&figure)?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

async fn one_by_one(bench: &Sessions, gateway: &Gateway, mut disk: Disk) -> anyhow::Result<Figure> {
    let mut http = gateway.http().await?;
    for _ in 0..STEP {
        http.create("script").await?; // warms both up
        disk.append(WRITTEN)?;
    }
    disk.syncs = Times::default();
    let (mut times, mut spent) = (Times::default(), Duration::ZERO);
    let cpu = gateway.cpu();
    let mut created = 0;
    while created < bench.sessions {
        for _ in 0..STEP {
            let start = Instant::now();
            create(&mut http).await?;
            times.push(start.elapsed());
            spent += start.elapsed();
        }
        for _ in 0..STEP {
            disk.append(WRITTEN)?;
        }
        created += STEP;
    }
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let (p50, fsync) = (times.p50(), disk.syncs.p50());
    let mut figure = Figure::new("sessions").rate(created, spent).cpu(cpu).took(p50, times.p99());
    (figure.sessions, figure.bytes) = (created, created * WRITTEN as u64);
    Ok(figure
        .with("counts", "sessions created one after the other on one connection")
        .with_some("fsyncP50Ms", fsync)
        .with_some("fsyncP99Ms", disk.syncs.p99())
        .with_some("p50LessFsyncMs", p50.zip(fsync).map(|(ours, bare)| ours - bare)))
}

async fn create(http: &mut Http) -> anyhow::Result<()> {
    let status = http.ask("POST", PATH, BODY).await?;
    anyhow::ensure!(status == 201, "creating a session: {status}: {}", String::from_utf8_lossy(&http.body));
    Ok(())
}

async fn at_once(bench: &Sessions, gateway: &Gateway, mut disk: Disk) -> anyhow::Result<Figure> {
    let (start, cpu) = (Instant::now(), gateway.cpu());
    let until = start + Duration::from_secs_f64(bench.seconds);
    let creators: Vec<_> =
        (0..bench.readers).map(|_| tokio::spawn(create_until(gateway.door.clone(), until))).collect();
    let (mut times, mut limited) = (Times::default(), 0);
    for creator in creators {
        let (created, refused) = creator.await.context("a creator panicked")??;
        times.extend(created);
        limited += refused;
    }
    let spent = start.elapsed();
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let created = times.len() as u64;
    disk.append_in(created * WRITTEN as u64, created.div_ceil(bench.readers), rejoin_ports::store::Durability::Full)?;
    let mut figure = Figure::new("sessions-at-once")
        .rate(created, spent)
        .beside(per_second(created, disk.spent))
        .cpu(cpu)
        .took(times.p50(), times.p99());
    (figure.readers, figure.sessions, figure.bytes) = (bench.readers, created, created * WRITTEN as u64);
    Ok(figure
        .with("counts", "sessions created on many connections at once")
        .with("rateLimited", limited)
        .with_some("fsyncP50Ms", disk.syncs.p50()))
}

/// Creates, one after the other. A gateway that says 429 is left alone for a moment.
async fn create_until(door: Door, until: Instant) -> anyhow::Result<(Times, u64)> {
    let mut http = Http::connect(&door).await?;
    let (mut times, mut limited) = (Times::default(), 0);
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok((times, limited));
        }
        match http.ask("POST", PATH, BODY).await? {
            201 => times.push(start.elapsed()),
            429 => {
                limited += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            status => anyhow::bail!("creating a session: {status}: {}", String::from_utf8_lossy(&http.body)),
        }
    }
}
