//! What a gateway costs that has nothing to do: empty, with many stored sessions, and with many readers that only wait.

use std::time::Duration;

use anyhow::Context;

use super::many;
use super::start::anew;
use crate::command::Common;
use crate::figure::{Figure, rounded};
use crate::gateway::Gateway;
use crate::kernel;
use crate::process::{Memory, Process};
use crate::readers::{Crowd, Join, Wire};
use crate::report::Report;

/// How long a gateway is left alone before it is looked at: what it does in the background is part of it.
const SETTLED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);
/// Files that each side needs besides its sockets.
const OTHER_FILES: u64 = 200;
const MIB: f64 = (1 << 20) as f64;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Idle {
    /// Sessions that are stored
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    sessions: u64,
    /// Readers that wait
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=25_000))]
    readers: u64,
    /// Sessions that they wait at
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    watched: u64,
}

pub(crate) async fn run(bench: Idle, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let mut gateway = Gateway::of(common, &room).await?;
    let is_own = common.url.is_none();
    if is_own {
        gateway = anew(gateway).await?; // the first start of all also makes keys and tables
        report.add(&at_rest("idle-empty", 0, gateway.process()?).await?)?;
        if bench.sessions > 0 {
            many::create(&gateway.door, bench.sessions).await?;
            gateway = anew(gateway).await?;
            report.add(&at_rest("idle-stored", bench.sessions, gateway.process()?).await?)?;
        }
    }
    report.add(&waiting(&bench, &gateway, report).await?)?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

async fn at_rest(bench: &str, stored: u64, process: Process) -> anyhow::Result<Figure> {
    let before = process.cpu()?;
    tokio::time::sleep(SETTLED).await;
    let Memory { resident, anonymous } = process.memory()?;
    let mut figure = Figure::new(bench);
    (figure.sessions, figure.bytes, figure.seconds) = (stored, resident, SETTLED.as_secs_f64());
    Ok(figure
        .with("rssMiB", rounded(resident as f64 / MIB))
        .with("anonymousMiB", rounded(anonymous as f64 / MIB))
        .with("cpuMs", (process.cpu()? - before).as_millis() as u64))
}

async fn waiting(bench: &Idle, gateway: &Gateway, report: &Report) -> anyhow::Result<Figure> {
    let process = gateway.process()?;
    let files = kernel::raise_open_files();
    let readers = bench.readers.min(files.saturating_sub(OTHER_FILES));
    if readers < bench.readers {
        report.say(&format!(
            "only {files} files may be open here, so there are {readers} readers, not {}",
            bench.readers
        ));
    }
    let sessions = many::create(&gateway.door, bench.watched).await?;
    tokio::time::sleep(SETTLED).await;
    let before = Everything::of(process)?;
    let join = |number: u64| Join { session: sessions[(number % bench.watched) as usize].clone(), ..Join::default() };
    let crowd = Crowd::join(&gateway.door, Wire::Socket, (0..readers).map(join).collect())?;
    let took = crowd.caught_up(PATIENCE).await?;
    tokio::time::sleep(SETTLED).await;
    let after = Everything::of(process)?;
    crowd.leave()?;
    let each = |bytes: u64| rounded(bytes as f64 / 1024.0 / readers as f64);
    let resident = after.memory.resident.saturating_sub(before.memory.resident);
    let buffers = after.tcp.saturating_sub(before.tcp);
    let mut figure = Figure::new("idle-readers").rate(readers, took);
    (figure.readers, figure.sessions, figure.bytes) = (readers, bench.watched, resident + buffers);
    Ok(figure
        .with("counts", "readers connected and told that they are current")
        .with("kibEach", each(resident + buffers))
        .with("rssKibEach", each(resident))
        .with("socketBuffersKibEach", each(buffers))
        .with("kernelSlabKibEachBothEnds", each(after.slab.saturating_sub(before.slab)))
        .with("rssMiB", rounded(after.memory.resident as f64 / MIB)))
}

struct Everything {
    memory: Memory,
    tcp: u64,
    slab: u64,
}

impl Everything {
    fn of(process: Process) -> anyhow::Result<Everything> {
        Ok(Everything { memory: process.memory()?, tcp: kernel::tcp_memory()?, slab: kernel::slab()? })
    }
}
