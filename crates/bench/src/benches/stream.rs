//! How fast one reader gets an agent's words, and how long a word is on its way. Every word is durable before it is shown.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::Value;

use crate::bare::Disk;
use crate::command::Common;
use crate::figure::{Figure, per_second, rounded};
use crate::gateway::Gateway;
use crate::http::Http;
use crate::readers::Ear;
use crate::report::Report;
use crate::times::Times;

/// Ours and the bare disk take turns this often, so that a busy moment of the machine hits both.
const ROUNDS: u64 = 4;
/// Stamps in one turn: short turns, so that the bare disk is measured between them.
const STAMPS: u64 = 250;
/// Between two stamps. Much longer than a commit takes, so that each word is alone.
const PACE: Duration = Duration::from_millis(4);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Stream {
    /// Tokens in all, as fast as they come
    #[arg(long, default_value_t = 1_200_000, value_parser = clap::value_parser!(u64).range(1..=40_000_000))]
    events: u64,
    /// Stamps that a command prints, one every four milliseconds, whose way to the reader is timed
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=20_000))]
    stamps: u64,
}

pub(crate) async fn run(bench: Stream, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let mut http = gateway.http().await?;
    let session = http.create("script").await?;
    let mut ear = Ear::join(&gateway.door, &session).await?;
    turn(&mut http, &session, "!stream 1", &mut ear, |_, _| {}).await?; // opens the agent
    let disk = Disk::in_folder(room.path())?;
    report.add(&rate(&bench, common, &gateway, &mut http, &session, &mut ear, disk).await?)?;
    if bench.stamps > 0 {
        let disk = Disk::in_folder(room.path())?;
        match latency(&bench, common, &mut http, &session, &mut ear, disk).await? {
            Some(figure) => report.add(&figure)?,
            None => report.say("there is no bash of version 5 for the stamps; latency is not measured"),
        }
    }
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

/// Prompts, and hears the turn to its end.
pub(super) async fn turn(
    http: &mut Http,
    session: &str,
    text: &str,
    ear: &mut Ear,
    mut heard: impl FnMut(&Value, SystemTime),
) -> anyhow::Result<()> {
    let begun = http.prompt(session, text).await?;
    loop {
        let event = ear.event().await?;
        heard(&event, ear.read_at);
        if event["type"] == "turnEnded" && event["seq"].as_u64() > Some(begun) {
            return Ok(());
        }
    }
}

async fn rate(
    bench: &Stream,
    common: &Common,
    gateway: &Gateway,
    http: &mut Http,
    session: &str,
    ear: &mut Ear,
    mut disk: Disk,
) -> anyhow::Result<Figure> {
    let each = (bench.events / ROUNDS).max(1);
    let expected: u64 = (0..each).map(|token| format!("tok{token} ").len() as u64).sum();
    let (mut spent, mut events, mut missing) = (Duration::ZERO, 0, 0);
    let mut cpu = gateway.cpu().map(|_| Duration::ZERO);
    let bytes_before = ear.count_of_bytes;
    for _ in 0..ROUNDS {
        let (bytes, cpu_before, start) = (ear.count_of_bytes, gateway.cpu(), Instant::now());
        let (mut text, mut deltas) = (0, 0);
        turn(http, session, &format!("!stream {each}"), ear, |event, _| {
            if event["type"] == "partDelta" {
                text += event["text"].as_str().map_or(0, str::len) as u64;
                deltas += 1;
            }
        })
        .await?;
        spent += start.elapsed();
        cpu = cpu.and_then(|cpu| Some(cpu + (gateway.cpu()? - cpu_before?)));
        events += deltas;
        missing += expected.abs_diff(text);
        // Deltas of one part are merged until the commit before is done: so each that is shown was a commit.
        disk.append_in(ear.count_of_bytes - bytes, deltas, common.durability.into())?;
    }
    let tokens = each * ROUNDS;
    let mut figure = Figure::new("stream").rate(tokens, spent).beside(per_second(tokens, disk.spent)).cpu(cpu);
    (figure.readers, figure.sessions, figure.bytes) = (1, 1, ear.count_of_bytes - bytes_before);
    figure.lost = Some(missing); // bytes of text that the reader did not hear, or heard twice
    Ok(figure
        .with("counts", "tokens, kept and shown to the reader")
        .with("deltas", events)
        .with_some("tokensPerDelta", Some(tokens as f64 / events.max(1) as f64))
        .with_some("fsyncP50Ms", disk.syncs.p50())
        .with_some("fsyncP99Ms", disk.syncs.p99()))
}

/// A command of the agent prints the time, again and again; the reader looks at its own clock, which is the same one.
/// So a word's way goes through a pipe, the agent, the engine, the disk and the socket.
async fn latency(
    bench: &Stream,
    common: &Common,
    http: &mut Http,
    session: &str,
    ear: &mut Ear,
    mut disk: Disk,
) -> anyhow::Result<Option<Figure>> {
    let turns = bench.stamps.div_ceil(STAMPS);
    let pace = PACE.as_secs_f64();
    // All of it is built into bash: another process for each stamp would be most of what is measured.
    let script = format!(
        "!shell exec bash -c 'exec 9<> <(:); for ((i=0;i<{STAMPS};i++)); do echo $EPOCHREALTIME; read -rt {pace} -u 9; done; true'"
    );
    let (mut times, mut stamps, mut bytes) = (Times::default(), 0u64, 0u64);
    let start = Instant::now();
    for _ in 0..turns {
        let before = ear.count_of_bytes;
        turn(http, session, &script, ear, |event, read_at| {
            if event["type"] == "toolOutput" {
                for stamp in event["text"].as_str().unwrap_or_default().lines() {
                    if let Some(stamp) = parsed(stamp) {
                        stamps += 1;
                        times.push(read_at.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(stamp));
                    }
                }
            }
        })
        .await?;
        bytes += ear.count_of_bytes - before;
        let each = (ear.count_of_bytes - before) / STAMPS;
        disk.append_in(each * STAMPS, STAMPS, common.durability.into())?;
    }
    if stamps == 0 {
        return Ok(None);
    }
    let (fsync_p50, fsync_p99) = (disk.syncs.p50(), disk.syncs.p99());
    let mut figure = Figure::new("stream-latency").rate(stamps, start.elapsed()).took(times.p50(), times.p99());
    (figure.readers, figure.sessions, figure.bytes) = (1, 1, bytes);
    figure.lost = Some((turns * STAMPS).saturating_sub(stamps));
    Ok(Some(
        figure
            .with("counts", "stamps, one each four milliseconds, from the command's clock to the reader's")
            .with_some("fsyncP50Ms", fsync_p50)
            .with_some("fsyncP99Ms", fsync_p99)
            .with_some("mostMs", times.max().map(rounded))
            .with_some("allowedP99Ms", fsync_p99.map(|p99| 2.0 * p99 + 5.0)),
    ))
}

/// `1763661234.123456`: seconds and microseconds.
fn parsed(stamp: &str) -> Option<Duration> {
    let (seconds, micros) = stamp.split_once(['.', ','])?; // some languages write a comma
    if micros.len() != 6 {
        return None;
    }
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_seconds_and_microseconds() {
        assert_eq!(parsed("12.000345"), Some(Duration::new(12, 345_000)));
        for bad in ["", "12", "12.5", "x.000001", "12.00000x"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
