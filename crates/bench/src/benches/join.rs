//! How long it takes to see a long session: its snapshot, to the last byte, and all of its log.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::start::anew;
use crate::command::Common;
use crate::figure::{Figure, rounded};
use crate::gateway::Gateway;
use crate::http::Http;
use crate::readers::{Crowd, Join, Teller, Wire};
use crate::report::Report;
use crate::times::Times;

/// Events of one turn: a long answer with many tools.
const TURN: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct JoinBench {
    /// Events in the session's log
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    events: u64,
    /// Bytes of text in each event
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    size: u64,
    /// Joins of a session in memory; a tenth as many of one that is not
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    joins: u64,
}

pub(crate) async fn run(bench: JoinBench, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let mut gateway = Gateway::own(common, &room, "stops and starts gateways").await?;
    let (session, tip) = long_session(&bench, &gateway).await?;

    let mut cold = Snapshots::default();
    for _ in 0..bench.joins.div_ceil(10) {
        gateway = anew(gateway).await?;
        let mut http = gateway.http().await?;
        http.json("GET", "/api/v1/sessions?limit=1", None).await?; // the connection and the sign-in are not what is cold
        cold.take(&mut http, &session).await?;
    }
    report.add(&cold.figure("join-cold", tip))?;
    let mut hot = Snapshots::default();
    let mut http = gateway.http().await?;
    for _ in 0..bench.joins {
        hot.take(&mut http, &session).await?;
    }
    report.add(&hot.figure("join-hot", tip))?;

    let (start, cpu) = (Instant::now(), gateway.cpu());
    let crowd = Crowd::join(&gateway.door, Wire::Socket, vec![Join { session, ..Join::default() }])?;
    crowd.heard(tip, PATIENCE).await?;
    let took = start.elapsed();
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let heard = crowd.leave()?.pop().context("there was one reader")?;
    let mut figure = Figure::new("join-replay").rate(heard.events, took).cpu(cpu);
    (figure.readers, figure.sessions, figure.bytes) = (1, 1, heard.bytes);
    figure.lost = Some(heard.lost + heard.repeated);
    report.add(&figure.with("counts", "events of the whole log, read by one reader from its beginning"))?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

/// A session of many turns. Gives its newest number, too.
async fn long_session(bench: &JoinBench, gateway: &Gateway) -> anyhow::Result<(String, u64)> {
    let mut http = gateway.http().await?;
    let session = http.create("script").await?;
    let teller = Teller::join(&gateway.door, &session)?;
    let mut tip = 0;
    while tip < bench.events {
        let count = TURN.min(bench.events - tip);
        let begun = http.prompt(&session, &format!("!flood {count} {}\nDone.", bench.size)).await?;
        tip = teller.ended(begun, PATIENCE).await?.seq;
    }
    Ok((session, tip))
}

#[derive(Default)]
struct Snapshots {
    times: Times,
    spent: Duration,
    bytes: u64,
}

impl Snapshots {
    async fn take(&mut self, http: &mut Http, session: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        let status = http.ask("GET", &format!("/api/v1/sessions/{session}"), "").await?;
        let took = start.elapsed();
        ensure!(status == 200, "a snapshot: {status}: {}", String::from_utf8_lossy(&http.body));
        self.times.push(took);
        self.spent += took;
        self.bytes += http.body.len() as u64;
        Ok(())
    }

    fn figure(&mut self, bench: &str, tip: u64) -> Figure {
        let joins = self.times.len() as u64;
        let mut figure = Figure::new(bench).rate(joins, self.spent).took(self.times.p50(), self.times.p99());
        (figure.sessions, figure.bytes) = (1, self.bytes);
        figure
            .with("counts", "snapshots, to the last byte")
            .with("logEvents", tip)
            .with("snapshotBytes", self.bytes / joins.max(1))
            .with_some("mostMs", self.times.max().map(rounded))
    }
}
