//! How long it takes until somebody is connected and signed in.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::command::Common;
use crate::figure::Figure;
use crate::gateway::Gateway;
use crate::readers::{Join, Wire, connect};
use crate::report::Report;
use crate::times::Times;

/// The first ones warm both sides up.
const WARM: u64 = 20;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connect {
    /// Connections made one after the other, whose time is taken
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    connections: u64,
}

pub(crate) async fn run(bench: Connect, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let (mut times, mut spent) = (Times::default(), Duration::ZERO);
    let cpu = gateway.cpu();
    for number in 0..WARM + bench.connections {
        let start = Instant::now();
        let connected = connect(&gateway.door, Wire::Diminuendo, &Join::default()).await?;
        let took = start.elapsed();
        drop(connected);
        if number >= WARM {
            times.push(took);
            spent += took;
        }
    }
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let figure =
        Figure::new("connect-diminuendo").rate(bench.connections, spent).cpu(cpu).took(times.p50(), times.p99());
    report.add(&figure.with("counts", "connections made, upgraded and signed in, one after the other"))?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}
