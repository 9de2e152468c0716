//! A day at work: many sessions that stream as models do, each with a few readers, and people who interrupt.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::many;
use crate::command::Common;
use crate::figure::{Figure, rounded};
use crate::gateway::Gateway;
use crate::readers::{Count, Crowd, Join, Wire};
use crate::report::Report;
use crate::times::Times;

const PATIENCE: Duration = Duration::from_secs(30);
/// Somebody interrupts so often, and prompts anew.
const INTERRUPTED: Duration = Duration::from_millis(50);
/// Until everything is under way.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Mix {
    /// Sessions that stream
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    sessions: u64,
    /// Tokens a second of each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    tokens: u64,
    /// Readers of each session
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    readers: u64,
    /// Seconds that it lasts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
}

pub(crate) async fn run(bench: Mix, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let sessions = many::create(&gateway.door, bench.sessions).await?;
    let join = |session: &String| {
        let heard = Count { looks_for_ends: true, ..Count::default() };
        vec![Join { session: session.clone(), heard, receive_buffer: None }; bench.readers as usize]
    };
    let crowd = Crowd::join(&gateway.door, Wire::Socket, sessions.iter().flat_map(join).collect())?;
    crowd.caught_up(PATIENCE).await?;
    let stream = format!("!stream 10000000 {}", 1_000 / bench.tokens);
    many::prompt(&gateway.door, &sessions, &stream).await?;
    tokio::time::sleep(WARM_UP).await; // the load itself, nothing is waited for

    let (start, cpu) = (Instant::now(), gateway.cpu());
    let (events, bytes) = (crowd.events(), crowd.bytes());
    let mut times = interrupts(&bench, &gateway, &sessions, &crowd, &stream, start).await?;
    let took = start.elapsed();
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let (events, bytes) = (crowd.events() - events, crowd.bytes() - bytes);
    let memory = gateway.process.and_then(|process| process.memory().ok());
    let counts = crowd.leave()?;

    let wanted = (bench.sessions * bench.tokens * bench.readers) as f64;
    let mut figure = Figure::new("mix").rate(events, took).cpu(cpu).took(times.p50(), times.p99());
    (figure.readers, figure.sessions, figure.bytes) = (bench.sessions * bench.readers, bench.sessions, bytes);
    figure.lost = Some(counts.iter().map(|count| count.lost + count.repeated).sum());
    let figure = figure
        .with("counts", "events delivered; times from an interrupt's sending to the turn's end at a reader")
        .with("interrupts", times.len() as u64)
        .with_some("cores", cpu.map(|cpu| cpu.as_secs_f64() / took.as_secs_f64()))
        .with_some("eventsToTokens", figure_share(events, took, wanted))
        .with_some("rssMiB", memory.map(|memory| rounded(memory.resident as f64 / (1 << 20) as f64)));
    report.add(&figure)?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

/// How many events came for each token that was said: fewer than one where tokens shared a commit.
fn figure_share(events: u64, took: Duration, wanted_per_second: f64) -> Option<f64> {
    (!took.is_zero()).then(|| events as f64 / took.as_secs_f64() / wanted_per_second)
}

/// Interrupts one session after the other until the time is over, and prompts each anew.
async fn interrupts(
    bench: &Mix,
    gateway: &Gateway,
    sessions: &[String],
    crowd: &Crowd,
    stream: &str,
    start: Instant,
) -> anyhow::Result<Times> {
    let until = start + Duration::from_secs(bench.seconds);
    let mut http = gateway.http().await?;
    let mut times = Times::default();
    let mut pace = interval(INTERRUPTED);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0.. {
        tokio::select! {
            _ = pace.tick() => {}
            () = sleep_until(until.into()) => break,
        }
        let place = turn % sessions.len();
        let seat = place * bench.readers as usize;
        let behind = crowd.seats[seat].seq();
        let sent = Instant::now();
        http.command(&sessions[place], &json!({ "type": "interrupt" })).await?;
        let end = crowd.ended(seat, behind, PATIENCE).await?;
        times.push(end.at.saturating_duration_since(sent));
        http.prompt(&sessions[place], stream).await?;
    }
    ensure!(times.len() > 0, "there was no time for an interrupt");
    Ok(times)
}
