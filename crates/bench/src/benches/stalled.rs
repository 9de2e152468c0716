//! Readers that stop reading while the log grows: what they cost, whether others suffer, and whether they miss anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio_util::sync::CancellationToken;

use crate::command::Common;
use crate::figure::{Figure, per_second, rounded};
use crate::gateway::Gateway;
use crate::http::Http;
use crate::kernel;
use crate::process::Process;
use crate::readers::{Count, Crowd, Gone, Join, Teller, Wire};
use crate::report::Report;

/// The log grows by so much in one turn.
const TURN: u64 = 64 << 20;
/// Live readers beside the stalled ones.
const LIVE: usize = 2;
/// The kernel's buffer of a reader that never reads again; it doubles that. What lies there is its client's, not ours.
const RECEIVE_BUFFER: u32 = 4 << 10;
/// How often memory is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// How long readers go on doing nothing once the log has grown.
const HOLD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a reader may be cut off while it catches up.
const TRIES: u64 = 3;
const MIB: f64 = (1 << 20) as f64;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Stalled {
    /// Readers that stop reading
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    readers: u64,
    /// MiB by which the log grows meanwhile
    #[arg(long, default_value_t = 192, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    /// Bytes of text in each event
    #[arg(long, default_value_t = 8_192, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    size: u64,
    /// How many of the readers then read all of it and check it; the others are cut off
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=20_000))]
    verify: u64,
}

pub(crate) async fn run(bench: Stalled, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let process = gateway.process()?;
    let mut http = gateway.http().await?;
    let session = http.create("script").await?;
    let mut log = Log {
        teller: Teller::join(&gateway.door, &session)?,
        http: &mut http,
        session: &session,
        size: bench.size,
        tip: 0,
    };
    log.grow(bench.size).await?; // opens the agent

    let live =
        Crowd::join(&gateway.door, Wire::Socket, vec![Join { session: session.clone(), ..Join::default() }; LIVE])?;
    live.heard(log.tip, PATIENCE).await?;
    growth(&mut log, &live, TURN).await?; // so that files have their size
    let alone = growth(&mut log, &live, TURN).await?;

    let heard = Count { seq: log.tip, ..Count::default() };
    let join = Join { session: session.clone(), heard, receive_buffer: None };
    let checking = bench.verify.min(bench.readers);
    let before = Held::of(process)?;
    // A small buffer stays small: those who will read again have the usual one.
    let checking = Crowd::join(&gateway.door, Wire::Socket, vec![join.clone(); checking as usize])?;
    let small = Join { receive_buffer: Some(RECEIVE_BUFFER), ..join };
    let others = vec![small; bench.readers as usize - checking.seats.len()];
    let others = Crowd::join(&gateway.door, Wire::Socket, others)?;
    for crowd in [&checking, &others] {
        crowd.caught_up(PATIENCE).await?;
        crowd.pause(true);
    }
    let watch = Watch::begin(process);
    // At first the gateway and the kernel fill up what they hold for each reader; only then does it really stall.
    let filling = growth(&mut log, &live, (bench.mib << 20).min(TURN)).await?;
    let cpu = gateway.cpu();
    let rest = growth(&mut log, &live, (bench.mib << 20).saturating_sub(TURN)).await?;
    let crowded = if rest.events > 0 { rest } else { filling };
    let cpu = cpu.and_then(|cpu| Some(gateway.cpu()? - cpu));
    tokio::time::sleep(HOLD).await;
    let most = watch.end().await?;
    let held = Held::of(process)?;
    let lost_live: u64 = live.leave()?.iter().map(|count| count.lost + count.repeated).sum();

    let mut figure = Figure::new("stalled").rate(crowded.events, crowded.took).beside(alone.rate()).cpu(cpu);
    (figure.readers, figure.sessions, figure.bytes) = (bench.readers, 1, crowded.bytes);
    figure.lost = Some(lost_live);
    let mib = |bytes: u64| rounded(bytes as f64 / MIB);
    let figure = figure
        .with("counts", "events delivered to two live readers beside stalled ones; bare: the same alone")
        .with("logMiB", bench.mib)
        .with_some("perSecWhileBuffersFill", filling.rate())
        .with("mostMiBMore", mib(most.saturating_sub(before.all())))
        .with("rssMiBMore", mib(held.resident.saturating_sub(before.resident)))
        .with("socketBuffersMiBMore", mib(held.tcp.saturating_sub(before.tcp)));
    report.add(&figure)?;
    others.part()?;
    report.add(&catch_up(&gateway, checking, &session, log.tip).await?)?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

struct Log<'a> {
    http: &'a mut Http,
    session: &'a str,
    size: u64,
    teller: Teller,
    tip: u64,
}

impl Log<'_> {
    async fn grow(&mut self, bytes: u64) -> anyhow::Result<()> {
        let prompt = format!("!flood {} {}", bytes.div_ceil(self.size), self.size);
        let begun = self.http.prompt(self.session, &prompt).await?;
        self.tip = self.teller.ended(begun, PATIENCE).await?.seq;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Growth {
    events: u64,
    bytes: u64,
    took: Duration,
}

impl Growth {
    fn rate(&self) -> Option<f64> {
        per_second(self.events, self.took)
    }
}

/// Lets the log grow, and the live readers hear it.
async fn growth(log: &mut Log<'_>, live: &Crowd, bytes: u64) -> anyhow::Result<Growth> {
    let (start, events, heard) = (Instant::now(), live.events(), live.bytes());
    let mut left = bytes;
    while left > 0 {
        let now = left.min(TURN);
        log.grow(now).await?;
        live.heard(log.tip, PATIENCE).await?;
        left -= now;
    }
    Ok(Growth { events: live.events() - events, bytes: live.bytes() - heard, took: start.elapsed() })
}

/// The gateway's resident memory, and what the kernel holds for TCP, both ends of every connection.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident: u64,
    tcp: u64,
}

impl Held {
    fn of(process: Process) -> anyhow::Result<Held> {
        Ok(Held { resident: process.memory()?.resident, tcp: kernel::tcp_memory()? })
    }
    fn all(self) -> u64 {
        self.resident + self.tcp
    }
}

/// Looks at memory again and again, and keeps the most.
struct Watch {
    stop: CancellationToken,
    most: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Watch {
    fn begin(process: Process) -> Watch {
        let (stop, most) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let (stopped, shown) = (stop.clone(), most.clone());
        let task = tokio::spawn(async move {
            loop {
                shown.fetch_max(Held::of(process)?.all(), Relaxed);
                tokio::select! {
                    () = stopped.cancelled() => return Ok(()),
                    () = tokio::time::sleep(GLANCE) => {}
                }
            }
        });
        Watch { stop, most, task }
    }

    async fn end(self) -> anyhow::Result<u64> {
        self.stop.cancel();
        self.task.await.context("the look at memory panicked")??;
        Ok(self.most.load(Relaxed))
    }
}

/// The stalled readers read again, to the end. Whom the gateway gave up on comes back with its position.
async fn catch_up(gateway: &Gateway, stalled: Crowd, session: &str, tip: u64) -> anyhow::Result<Figure> {
    let (start, cpu) = (Instant::now(), gateway.cpu());
    let readers = stalled.seats.len() as u64;
    let before = (stalled.events(), stalled.bytes());
    stalled.pause(false);
    let mut crowd = stalled;
    let (mut heard, mut reconnected) = (Vec::new(), 0);
    loop {
        crowd.heard_or_gone(tip, PATIENCE).await?;
        let (done, cut): (Vec<_>, Vec<_>) = crowd.part()?.into_iter().partition(|gone| gone.heard.seq >= tip);
        heard.extend(done.into_iter().map(|gone| gone.heard));
        if cut.is_empty() {
            break;
        }
        reconnected += cut.len() as u64;
        ensure!(reconnected <= readers * TRIES, "readers are cut off again and again: {:?}", cut[0].why);
        let again = |gone: Gone| Join { session: session.to_owned(), heard: gone.heard, receive_buffer: None };
        crowd = Crowd::join(&gateway.door, Wire::Socket, cut.into_iter().map(again).collect())?;
    }
    let took = start.elapsed();
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let sum = |of: fn(&Count) -> u64| heard.iter().map(of).sum::<u64>();
    let mut figure = Figure::new("stalled-catch-up").rate(sum(|count| count.events) - before.0, took).cpu(cpu);
    (figure.readers, figure.sessions, figure.bytes) = (readers, 1, sum(|count| count.bytes) - before.1);
    figure.lost = Some(sum(|count| count.lost + count.repeated));
    let mb = figure.bytes as f64 / 1e6;
    Ok(figure
        .with("counts", "events that stalled readers read when they went on")
        .with("reconnected", reconnected)
        .with("mbPerSec", rounded(mb / took.as_secs_f64())))
}
