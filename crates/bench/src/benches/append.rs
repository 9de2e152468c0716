//! How many events, and how many commands, are kept in a second: engine, agents and store in this process, without doors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rejoin_core::command::Command;
use rejoin_core::id::SessionId;
use rejoin_ports::store::{Durability, StoreFigures};

use crate::bare::Disk;
use crate::command::Common;
use crate::figure::{Figure, per_second};
use crate::local::{Kept, Local};
use crate::process::Process;
use crate::report::Report;
use crate::times::Times;

/// Ours and the bare disk take turns this often, so that a busy moment of the machine hits both.
const ROUNDS: u64 = 5;
/// A round that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Append {
    /// Sessions that flood at once
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    sessions: u64,
    /// Events in all
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: u64,
    /// Bytes of text in each event
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    size: u64,
    /// Commands that wait for their answer at once, in each session
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    commands: u64,
    /// Seconds for which commands are given
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Where events are kept
    #[arg(long, value_enum, default_value_t = Kept::Sqlite)]
    kept: Kept,
}

pub(crate) async fn run(bench: Append, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let local = Arc::new(Local::start(&room.join("data"), bench.kept, common.durability.into())?);
    let mut sessions = Vec::new();
    for _ in 0..bench.sessions {
        sessions.push(local.create("script").await?);
    }
    let disk = Disk::in_folder(room.path())?;
    report.add(&events(&bench, common, &local, &sessions, disk).await?)?;
    let disk = Disk::in_folder(room.path())?;
    report.add(&commands(&bench, common, &local, &sessions, disk).await?)?;
    Arc::into_inner(local).context("a command still runs")?.stop().await
}

async fn events(
    bench: &Append,
    common: &Common,
    local: &Local,
    sessions: &[SessionId],
    mut disk: Disk,
) -> anyhow::Result<Figure> {
    // The first turn opens agents; the second shows how many events a turn has besides its flood.
    local.prompt_all(sessions, "!flood 1 1", 0, PATIENCE).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = local.figures().events;
    local.prompt_all(sessions, "!flood 1 1", bench.sessions * 2, PATIENCE).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let around = (local.figures().events - before) / bench.sessions - 1;

    let each = (bench.events / ROUNDS / bench.sessions).max(1);
    let expected = (each + around) * bench.sessions;
    let (mut spent, mut cpu) = (Duration::ZERO, Duration::ZERO);
    let first = local.figures();
    for _ in 0..ROUNDS {
        let (figures, used) = (local.figures(), Process::own().cpu()?);
        let text = format!("!flood {each} {}", bench.size);
        spent += local.prompt_all(sessions, &text, expected, PATIENCE).await?;
        cpu += Process::own().cpu()? - used;
        bare(&mut disk, figures, local.figures(), common.durability.into(), bench.sessions)?;
    }
    let last = local.figures();
    let kept = last.events - first.events;
    let mut figure = Figure::new("append").rate(kept, spent).beside(per_second(kept, disk.spent)).cpu(Some(cpu));
    figure.sessions = bench.sessions;
    figure.bytes = last.bytes - first.bytes;
    figure.lost = Some((expected * ROUNDS).saturating_sub(kept));
    Ok(described(figure, first, last, disk)
        .with("counts", "events committed")
        .with("eventBytes", figure_bytes(first, last)))
}

async fn commands(
    bench: &Append,
    common: &Common,
    local: &Arc<Local>,
    sessions: &[SessionId],
    mut disk: Disk,
) -> anyhow::Result<Figure> {
    let (mut spent, mut cpu) = (Duration::ZERO, Duration::ZERO);
    let (mut done, mut times) = (0, Times::default());
    let first = local.figures();
    for _ in 0..ROUNDS {
        let (figures, used, start) = (local.figures(), Process::own().cpu()?, Instant::now());
        let until = start + Duration::from_secs_f64(bench.seconds / ROUNDS as f64);
        let askers: Vec<_> = sessions
            .iter()
            .flat_map(|session| (0..bench.commands).map(move |_| session.clone()))
            .map(|session| tokio::spawn(ask_until(local.clone(), session, until)))
            .collect();
        for asker in askers {
            let answered = asker.await.context("an asker panicked")??;
            done += answered.len() as u64;
            times.extend(answered);
        }
        spent += start.elapsed();
        cpu += Process::own().cpu()? - used;
        bare(&mut disk, figures, local.figures(), common.durability.into(), bench.sessions)?;
    }
    let last = local.figures();
    let mut figure = Figure::new("commands").rate(done, spent).beside(per_second(done, disk.spent)).cpu(Some(cpu));
    figure.sessions = bench.sessions;
    figure.bytes = last.bytes - first.bytes;
    figure.lost = Some(done.saturating_sub(last.events - first.events));
    figure = figure.took(times.p50(), times.p99());
    Ok(described(figure, first, last, disk).with("counts", "commands answered, each with an event and a receipt"))
}

/// One caller: asks, waits for the answer, asks again.
async fn ask_until(local: Arc<Local>, session: SessionId, until: Instant) -> anyhow::Result<Times> {
    let mut times = Times::default();
    let mut number = 0u64;
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok(times);
        }
        number += 1;
        let labels = [("bench".to_owned(), number.to_string())].into();
        local.run(&session, Command::Label { labels }).await?;
        times.push(start.elapsed());
    }
}

/// The same bytes, in the same number of commits, without us.
fn bare(
    disk: &mut Disk,
    before: StoreFigures,
    after: StoreFigures,
    durability: Durability,
    sessions: u64,
) -> anyhow::Result<()> {
    let bytes = after.bytes - before.bytes;
    let commits = match after.commits - before.commits {
        0 => bytes / (sessions * 1024).max(1), // memory does not count them: about an event of each session
        commits => commits,
    };
    disk.append_in(bytes, commits, durability)
}

fn figure_bytes(first: StoreFigures, last: StoreFigures) -> u64 {
    (last.bytes - first.bytes) / (last.events - first.events).max(1)
}

fn described(figure: Figure, first: StoreFigures, last: StoreFigures, mut disk: Disk) -> Figure {
    let commits = last.commits - first.commits;
    let micros = last.commit_micros - first.commit_micros;
    figure
        .with("commits", commits)
        .with("worksPerCommit", (last.works - first.works) / commits.max(1))
        .with_some("commitMsMean", (commits > 0).then(|| micros as f64 / 1e3 / commits as f64))
        .with_some("fsyncP50Ms", disk.syncs.p50())
        .with_some("fsyncP99Ms", disk.syncs.p99())
}
