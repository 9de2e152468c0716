//! Clients that are connected and have nothing to say but that they are there.

use std::time::{Duration, Instant};

use anyhow::Context;
use rejoin_sdk::happy::payload::Metadata;
use rejoin_sdk::happy::{Account, NewSession, SessionClient, SessionOptions};

use super::PATIENCE;
use crate::figure::{Figure, rounded};
use crate::gateway::Gateway;
use crate::report::Report;

/// How long they are left alone: heartbeats are part of it.
const SETTLED: Duration = Duration::from_secs(10);
const MIB: f64 = (1 << 20) as f64;

/// A session and a socket for each, all of one account.
pub(super) async fn run(account: &Account, gateway: &Gateway, clients: u64, report: &mut Report) -> anyhow::Result<()> {
    let process = gateway.process()?;
    let before = process.memory()?.resident;
    let began = Instant::now();
    let mut connected: Vec<SessionClient> = Vec::new();
    for number in 0..clients {
        let metadata = Metadata { path: "/".into(), host: format!("bench {number}"), ..Metadata::default() };
        let session = account.create_session(&NewSession::new(metadata)).await?;
        let client = account.session_client(&session, SessionOptions::default())?;
        client.connected(PATIENCE).await.context("connecting one of many")?;
        client.keep_alive(false, rejoin_sdk::happy::payload::Drive::Local);
        connected.push(client);
    }
    let took = began.elapsed();
    let cpu = process.cpu()?;
    tokio::time::sleep(SETTLED).await;
    let spent = process.cpu()? - cpu;
    let after = process.memory()?.resident;
    let mut figure = Figure::new("relay-idle").rate(clients, took);
    (figure.readers, figure.sessions, figure.bytes) = (clients, clients, after);
    report.add(
        &figure
            .with("counts", "clients connected, each with a session of its own, with heartbeats")
            .with("rssMiB", rounded(after as f64 / MIB))
            .with("rssKibEach", rounded(after.saturating_sub(before) as f64 / 1024.0 / clients.max(1) as f64))
            .with("cpuMsASecond", rounded(spent.as_secs_f64() * 1e3 / SETTLED.as_secs_f64())),
    )?;
    connected.iter().for_each(SessionClient::close);
    Ok(())
}
