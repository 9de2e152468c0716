//! Sealed messages on their way from a session's client to a person's: how many in a second, how long one takes, and how long a
//! call takes there and back. Both clients are our own, and open and seal everything.

mod idle;
mod paging;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rejoin_sdk::happy::payload::Metadata;
use rejoin_sdk::happy::seal::AccountSecret;
use rejoin_sdk::happy::{
    Account, NewSession, OpenedSession, Options, Reply, SessionClient, SessionOptions, UserClient,
};
use serde_json::{Value, json};

use crate::command::Common;
use crate::figure::Figure;
use crate::gateway::Gateway;
use crate::report::Report;
use crate::times::Times;

/// How long anything may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first ones warm both sides up.
const WARM: u64 = 500;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Relay {
    /// Messages sent as fast as they are taken
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=2_000_000))]
    messages: u64,
    /// Bytes of text in each
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    bytes: u64,
    /// Messages sent at a pace, whose time is taken
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    paced: u64,
    /// How many of those in a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pace: u64,
    /// Calls made one after the other
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    calls: u64,
    /// Clients that are connected and only say that they are there
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    idle: u64,
    /// MiB of stored messages that are read by pages
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    paged: u64,
}

pub(crate) async fn run(bench: Relay, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let gateway = Gateway::of(common, &room).await?;
    let options = Options::new(&format!("http://{}/happy", gateway.door.address))?;
    let account = Account::sign_in(&options, &AccountSecret::random()).await?;
    // First, while the gateway has done nothing else.
    idle::run(&account, &gateway, bench.idle, report).await?;
    let folder = room.path().to_string_lossy().into_owned();
    let metadata = Metadata { path: folder, host: "bench".into(), ..Metadata::default() };
    let session = account.create_session(&NewSession::new(metadata)).await?;
    let agent = account.session_client(&session, SessionOptions::default())?;
    agent.rpc().register("say-it-back", async |said: Value| Ok::<_, String>(Reply::Value(said)));
    let phone = account.user_client(true);
    agent.connected(PATIENCE).await?;
    phone.connected(PATIENCE).await?;

    let text = "x".repeat(bench.bytes as usize);
    relay(&agent, &phone, &session, &text, WARM, 0).await?;
    let cpu = gateway.cpu();
    let took = relay(&agent, &phone, &session, &text, bench.messages, WARM).await?;
    let cpu = cpu.and_then(|before| Some(gateway.cpu()? - before));
    let mut figure = Figure::new("relay").rate(bench.messages, took).cpu(cpu);
    figure.bytes = bench.messages * bench.bytes;
    (figure.readers, figure.sessions, figure.lost) = (1, 1, Some(0));
    report.add(&figure.with("counts", "messages sealed, kept, told over a socket and opened, in order"))?;

    let mut times = paced(&agent, &phone, &session, &text, &bench, WARM + bench.messages).await?;
    let figure =
        Figure::new("relay-paced").rate(bench.paced, Duration::from_secs_f64(bench.paced as f64 / bench.pace as f64));
    report.add(&figure.took(times.p50(), times.p99()).with("counts", "messages at a pace, from sending to opening"))?;

    let mut times = calls(&phone, &session, bench.calls).await?;
    let figure = Figure::new("relay-call").took(times.p50(), times.p99());
    report.add(&figure.with("counts", "calls of a person's client to the session's, there and back"))?;

    agent.close();
    phone.close();
    paging::run(&account, bench.paged, report).await?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

/// Sends messages and hears them all, in their order; how long that took.
async fn relay(
    agent: &SessionClient,
    phone: &UserClient,
    session: &OpenedSession,
    text: &str,
    count: u64,
    behind: u64,
) -> anyhow::Result<Duration> {
    let mut heard = phone.follow(session, behind);
    let began = Instant::now();
    let sends = async {
        for number in 0..count {
            agent.outbox_room().await;
            agent.send_codex_message(json!({ "type": "message", "message": text, "number": number }))?;
        }
        anyhow::Ok(())
    };
    let hears = async {
        for number in behind + 1..=behind + count {
            let next = tokio::time::timeout(PATIENCE, heard.next()).await.context("nothing comes any more")?;
            let next = next.context("the client was closed")?;
            ensure!(next.seq == number, "message {number} was followed by {}", next.seq);
            ensure!(next.message.is_some(), "message {number} cannot be opened");
        }
        anyhow::Ok(())
    };
    tokio::try_join!(sends, hears)?;
    Ok(began.elapsed())
}

/// How long single messages take while little happens.
async fn paced(
    agent: &SessionClient,
    phone: &UserClient,
    session: &OpenedSession,
    text: &str,
    bench: &Relay,
    behind: u64,
) -> anyhow::Result<Times> {
    let mut heard = phone.follow(session, behind);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / bench.pace as u32);
    let mut times = Times::default();
    for _ in 0..bench.paced {
        ticks.tick().await;
        let sent = Instant::now();
        agent.send_codex_message(json!({ "type": "message", "message": text }))?;
        let next = tokio::time::timeout(PATIENCE, heard.next()).await.context("nothing comes any more")?;
        next.context("the client was closed")?;
        times.push(sent.elapsed());
    }
    Ok(times)
}

async fn calls(phone: &UserClient, session: &OpenedSession, count: u64) -> anyhow::Result<Times> {
    let mut times = Times::default();
    for number in 0..count {
        let began = Instant::now();
        let said = phone.call_rpc(session, "say-it-back", &json!({ "number": number })).await?;
        times.push(began.elapsed());
        ensure!(said == Some(json!({ "number": number })), "a call came back as {said:?}");
    }
    Ok(times)
}
