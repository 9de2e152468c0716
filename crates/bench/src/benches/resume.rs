//! Sessions that are in mid-turn when the gateway is killed: how soon they are in order again, and whether their readers
//! find every word.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::many;
use crate::command::Common;
use crate::figure::{Figure, rounded};
use crate::gateway::{Door, Gateway};
use crate::http::Http;
use crate::readers::{Count, Crowd, Gone, Join, Wire};
use crate::report::Report;

/// Each session streams a token so often, for longer than the bench lasts.
const STREAM: &str = "!stream 1000000 100";
/// How many events everybody must have heard before the kill.
const UNDER_WAY: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is asked how many sessions are in order.
const GLANCE: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Resume {
    /// Sessions in mid-turn, each with a reader
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    sessions: u64,
}

pub(crate) async fn run(bench: Resume, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::own(common, &room, "kills a gateway").await?;
    let sessions = many::create(&gateway.door, bench.sessions).await?;
    let join = |session: &String| Join { session: session.clone(), heard: listening(), receive_buffer: None };
    let crowd = Crowd::join(&gateway.door, Wire::Socket, sessions.iter().map(join).collect())?;
    crowd.caught_up(PATIENCE).await?;

    // Once without anybody: sessions are put in order in the background.
    under_way(&gateway.door, &sessions, &crowd).await?;
    let feed = feed_tip(&mut gateway.http().await?).await?;
    let (gateway, heard) = killed(gateway, crowd).await?;
    let (gateway, ready) = gateway;
    let took = repaired(&mut gateway.http().await?, feed, bench.sessions).await?;
    let mut figure = Figure::new("resume-repair").rate(bench.sessions, took);
    figure.sessions = bench.sessions;
    let shown = figure
        .with("counts", "sessions put in order after a kill in mid-turn, with nobody looking; from ready on")
        .with("readyMs", rounded(ready.as_secs_f64() * 1e3));
    report.add(&shown)?;

    // And once with all readers coming back at once, each to its position.
    let crowd = Crowd::join(&gateway.door, Wire::Socket, again(&sessions, heard))?;
    crowd.caught_up(PATIENCE).await?;
    under_way(&gateway.door, &sessions, &crowd).await?;
    let (gateway, heard) = killed(gateway, crowd).await?;
    let (gateway, ready) = gateway;
    let start = Instant::now();
    let positions: Vec<u64> = heard.iter().map(|gone| gone.heard.seq).collect();
    let crowd = Crowd::join(&gateway.door, Wire::Socket, again(&sessions, heard))?;
    let resumed = crowd.caught_up(PATIENCE).await?;
    for (place, position) in positions.iter().enumerate() {
        crowd.ended(place, *position, PATIENCE).await?;
    }
    let took = start.elapsed();
    let counts = crowd.leave()?;
    let mut figure = Figure::new("resume").rate(bench.sessions, took);
    (figure.readers, figure.sessions) = (bench.sessions, bench.sessions);
    figure.bytes = counts.iter().map(|count| count.bytes).sum();
    figure.lost = Some(counts.iter().map(|count| count.lost + count.repeated + count.gaps).sum());
    let figure = figure
        .with("counts", "readers back at their position who heard their turn end; from ready on")
        .with("readyMs", rounded(ready.as_secs_f64() * 1e3))
        .with("caughtUpMs", rounded(resumed.as_secs_f64() * 1e3))
        .with("eventsHeard", counts.iter().map(|count| count.events).sum::<u64>());
    report.add(&figure)?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

fn listening() -> Count {
    Count { looks_for_ends: true, ..Count::default() }
}

fn again(sessions: &[String], heard: Vec<Gone>) -> Vec<Join> {
    let join = |(session, gone): (&String, Gone)| Join {
        session: session.clone(),
        heard: Count { end: None, ..gone.heard },
        receive_buffer: None,
    };
    sessions.iter().zip(heard).map(join).collect()
}

/// Prompts all, and waits until each is well in its turn.
async fn under_way(door: &Door, sessions: &[String], crowd: &Crowd) -> anyhow::Result<()> {
    let begun = many::prompt(door, sessions, STREAM).await?;
    for (seat, begun) in crowd.seats.iter().zip(begun) {
        seat.wait_for(begun + UNDER_WAY, PATIENCE).await?;
    }
    Ok(())
}

/// Kills it, hears what its readers had heard, and starts it again.
async fn killed(gateway: Gateway, crowd: Crowd) -> anyhow::Result<((Gateway, Duration), Vec<Gone>)> {
    let recipe = gateway.kill().await?;
    crowd.gone(PATIENCE).await?;
    let heard = crowd.part()?;
    let (gateway, started) = recipe.start().await?;
    Ok(((gateway, started.ready), heard))
}

async fn feed_tip(http: &mut Http) -> anyhow::Result<u64> {
    let page = http.json("GET", "/api/v1/feed?after=0&limit=1", None).await?;
    let tip = page["tip"].as_str().and_then(|tip| tip.rsplit_once('.')).context("a feed without a tip")?;
    tip.1.parse().context("a feed's tip without a number")
}

/// Waits until the feed says of so many sessions that their status has changed.
async fn repaired(http: &mut Http, mut after: u64, sessions: u64) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let mut changed = std::collections::BTreeSet::new();
    loop {
        let page = http.json("GET", &format!("/api/v1/feed?after={after}&limit=1000"), None).await?;
        let items = page["items"].as_array().context("a feed without items")?;
        for item in items {
            after = after.max(item["seq"].as_u64().context("a feed's line without a number")?);
            if item["change"] == "status" {
                changed.insert(item["session"].as_str().unwrap_or_default().to_owned());
            }
        }
        if changed.len() as u64 >= sessions {
            return Ok(start.elapsed());
        }
        ensure!(start.elapsed() < PATIENCE, "{} of {sessions} sessions are in order", changed.len());
        if items.is_empty() {
            tokio::time::sleep(GLANCE).await;
        }
    }
}
