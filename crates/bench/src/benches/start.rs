//! Cold start: from exec to the first authenticated create, after a clean stop and after a kill under load.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use super::many;
use crate::command::Common;
use crate::figure::{Figure, rounded};
use crate::gateway::{Gateway, Recipe};
use crate::report::Report;
use crate::times::Times;

/// Sessions that stream when the gateway is killed, and for how long before.
const STREAMING: u64 = 50;
const LOAD: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Start {
    /// Starts of each kind
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=100))]
    starts: u64,
    /// Sessions that are stored for the second half
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    sessions: u64,
}

pub(crate) async fn run(bench: Start, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::own(common, &room, "starts and kills gateways").await?;
    let gateway = both(&bench, common, gateway, 0, report).await?;
    let gateway = match bench.sessions {
        0 => gateway,
        sessions => {
            many::create(&gateway.door, sessions).await?;
            both(&bench, common, gateway, sessions, report).await?
        }
    };
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

async fn both(
    bench: &Start,
    common: &Common,
    mut gateway: Gateway,
    stored: u64,
    report: &mut Report,
) -> anyhow::Result<Gateway> {
    let mut found = Starts::default();
    for _ in 0..bench.starts {
        found.bare.push(bare(common).await?);
        let recipe = gateway.stop().await?.context("it is our own")?;
        gateway = found.start(recipe).await?;
    }
    report.add(&found.figure("start-clean", stored))?;
    let mut found = Starts::default();
    let streaming = many::create(&gateway.door, STREAMING).await?;
    for _ in 0..bench.starts {
        found.bare.push(bare(common).await?);
        many::prompt(&gateway.door, &streaming, "!stream 10000000").await?;
        tokio::time::sleep(LOAD).await; // the load itself, nothing is waited for
        gateway = found.start(gateway.kill().await?).await?;
    }
    report.add(&found.figure("start-killed", stored))?;
    Ok(gateway)
}

#[derive(Default)]
struct Starts {
    bare: Times,
    ready: Times,
    created: Times,
    spent: Duration,
}

impl Starts {
    async fn start(&mut self, recipe: Recipe) -> anyhow::Result<Gateway> {
        let (gateway, started) = recipe.start().await?;
        let mut http = gateway.http().await?;
        http.create("script").await?;
        let took = started.at.elapsed();
        self.ready.push(started.ready);
        self.created.push(took);
        self.spent += took;
        Ok(gateway)
    }

    fn figure(&mut self, bench: &str, stored: u64) -> Figure {
        let starts = self.created.len() as u64;
        let mut figure = Figure::new(bench).rate(starts, self.spent);
        figure.sessions = stored;
        figure
            .took(self.created.p50(), self.created.p99())
            .with("counts", "starts; times from exec to the answer of the first create")
            .with_some("readyP50Ms", self.ready.p50())
            .with_some("mostMs", self.created.max().map(rounded))
            .with_some("bareExecP50Ms", self.bare.p50())
    }
}

/// What starting a process that does nothing takes: the same program, asked for its version.
async fn bare(common: &Common) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let mut command = Command::new(&common.program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.context("starting the program for its version")?;
    Ok(start.elapsed())
}

/// A gateway that has been stopped and started again: nothing of it is in memory.
pub(super) async fn anew(gateway: Gateway) -> anyhow::Result<Gateway> {
    let recipe = gateway.stop().await?.context("it is our own")?;
    Ok(recipe.start().await?.0)
}
