//! How many deliveries a second one session makes to many readers.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::bare::{BATCH, Sender, Sent};
use crate::command::Common;
use crate::figure::{Figure, per_second};
use crate::gateway::Gateway;
use crate::readers::{Crowd, Join, Teller, Wire};
use crate::report::Report;

/// Ours and the bare senders take turns this often, so that a busy moment of the machine hits all.
const ROUNDS: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(60);
/// One frame in a call is slow, and a part of the frames shows how slow.
const PER_FRAME_SHARE: u64 = 8;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Fanout {
    /// Readers of the session
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    readers: u64,
    /// Events in all; each goes to every reader
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    events: u64,
    /// Bytes of text in each event
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    size: u64,
    /// Read server-sent events instead of WebSockets
    #[arg(long)]
    sse: bool,
    /// Read the socket of this dialect instead
    #[arg(long, conflicts_with = "sse")]
    diminuendo: bool,
}

impl Fanout {
    pub(crate) fn over_sse(self) -> Fanout {
        Fanout { sse: true, ..self }
    }
    pub(crate) fn over_diminuendo(self) -> Fanout {
        Fanout { diminuendo: true, ..self }
    }
    fn wire(&self) -> Wire {
        match (self.sse, self.diminuendo) {
            (true, _) => Wire::Sse,
            (_, true) => Wire::Diminuendo,
            _ => Wire::Socket,
        }
    }
}

pub(crate) async fn run(bench: Fanout, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let wire = bench.wire();
    // That dialect has other numbers: its readers count the results of tools.
    let counted = |end: u64, flooded: u64| if wire == Wire::Diminuendo { flooded } else { end };
    let mut http = gateway.http().await?;
    let session = http.create("script").await?;
    let begun = http.prompt(&session, "!flood 1 1").await?; // opens the agent

    let join = Join { session: session.clone(), ..Join::default() };
    let crowd = Crowd::join(&gateway.door, wire, vec![join; bench.readers as usize])?;
    let teller = Teller::join(&gateway.door, &session)?;
    let mut flooded = 1;
    crowd.heard(counted(teller.ended(begun, PATIENCE).await?.seq, flooded), PATIENCE).await?;
    let mut bare =
        Sender::with_readers(bench.readers as usize, if bench.sse { Wire::Sse } else { Wire::Socket }).await?;

    let each = (bench.events / ROUNDS).max(1);
    let (mut ours, mut batched, mut per_frame) = (Sent::default(), Sent::default(), Sent::default());
    let (mut bytes, mut cpu) = (0, gateway.cpu().map(|_| Duration::ZERO));
    for _ in 0..ROUNDS {
        let (events_before, bytes_before, cpu_before) = (crowd.events(), crowd.bytes(), gateway.cpu());
        let start = Instant::now();
        let begun = http.prompt(&session, &format!("!flood {each} {}", bench.size)).await?;
        let end = teller.ended(begun, PATIENCE).await?;
        flooded += each;
        crowd.heard(counted(end.seq, flooded), PATIENCE).await?;
        let sent = Sent { deliveries: crowd.events() - events_before, took: start.elapsed() };
        cpu = cpu.and_then(|cpu| Some(cpu + (gateway.cpu()? - cpu_before?)));
        let size = (crowd.bytes() - bytes_before) / sent.deliveries.max(1);
        bytes += crowd.bytes() - bytes_before;
        ours.add(sent);
        batched.add(bare.send(each, size as usize, BATCH).await?);
        per_frame.add(bare.send((each / PER_FRAME_SHARE).max(1), size as usize, 1).await?);
    }
    bare.leave()?;
    let counts = crowd.leave()?;
    let lost: u64 = counts.iter().map(|count| count.lost + count.repeated).sum();

    let one_by_one = per_second(per_frame.deliveries, per_frame.took);
    let name = match wire {
        Wire::Socket => "fanout",
        Wire::Sse => "fanout-sse",
        Wire::Diminuendo => "fanout-diminuendo",
    };
    let mut figure = Figure::new(name)
        .rate(ours.deliveries, ours.took)
        .beside(per_second(batched.deliveries, batched.took))
        .cpu(cpu);
    (figure.readers, figure.sessions, figure.bytes, figure.lost) = (bench.readers, 1, bytes, Some(lost));
    let to_one_by_one = figure.per_sec.zip(one_by_one).map(|(ours, bare)| ours / bare);
    let figure = figure
        .with("counts", "events delivered")
        .with("baseline", "writev of 64 ready frames a call")
        .with_some("writevPerFramePerSec", one_by_one)
        .with_some("ratioToWritevPerFrame", to_one_by_one)
        .with("bytesPerDelivery", bytes / ours.deliveries.max(1));
    report.add(&figure)?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}
