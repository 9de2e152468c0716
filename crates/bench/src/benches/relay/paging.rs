//! A long history read from its beginning, page by page, while the session goes on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rejoin_sdk::happy::payload::Metadata;
use rejoin_sdk::happy::{Account, NewSession, SessionOptions};
use serde_json::json;

use super::PATIENCE;
use crate::figure::{Figure, rounded};
use crate::report::Report;
use crate::times::Times;

/// Bytes of text in one message.
const EACH: usize = 4 << 10;
/// Messages of a page: what apps ask for at most.
const PAGE: u32 = 500;
/// Between two messages that are said meanwhile.
const PACE: Duration = Duration::from_millis(20);

pub(super) async fn run(account: &Account, mib: u64, report: &mut Report) -> anyhow::Result<()> {
    let metadata = Metadata { path: "/".into(), host: "bench".into(), ..Metadata::default() };
    let session = account.create_session(&NewSession::new(metadata)).await?;
    let agent = account.session_client(&session, SessionOptions::default())?;
    agent.connected(PATIENCE).await?;
    let text = "x".repeat(EACH);
    // Sealed and in base64 it is a third more.
    let count = (mib << 20) / (EACH as u64 * 4 / 3);
    for number in 0..count {
        agent.outbox_room().await;
        agent.send_codex_message(json!({ "type": "message", "message": text, "number": number }))?;
    }
    agent.flush_within(PATIENCE).await?;

    let (mut pages, mut said) = (Times::default(), Times::default());
    let (mut seen, mut bytes) = (0, 0);
    let began = Instant::now();
    let reads = async {
        loop {
            let asked = Instant::now();
            let page = account.api().messages_after(session.record.id.as_str(), seen, PAGE).await?;
            pages.push(asked.elapsed());
            for message in page.messages {
                ensure!(message.seq == seen + 1, "message {seen} is followed by {}", message.seq);
                seen = message.seq;
                bytes += message.content.c.len();
            }
            if seen >= count || !page.has_more {
                return Ok(());
            }
        }
    };
    let speaks = async {
        let mut ticks = tokio::time::interval(PACE);
        loop {
            ticks.tick().await;
            let asked = Instant::now();
            agent.send_codex_message(json!({ "type": "message", "message": "meanwhile" }))?;
            agent.flush_within(PATIENCE).await?;
            said.push(asked.elapsed());
        }
    };
    tokio::select! {
        read = reads => read?,
        spoken = speaks => {
            let spoken: anyhow::Result<()> = spoken;
            spoken?;
        }
    }
    ensure!(seen >= count, "only {seen} of {count} messages were there");
    let took = began.elapsed();
    let mut figure = Figure::new("relay-paging").rate(seen, took).took(pages.p50(), pages.p99());
    (figure.readers, figure.sessions, figure.bytes, figure.lost) = (1, 1, bytes as u64, Some(0));
    report.add(
        &figure
            .with("counts", "messages read by pages of 500, the time being that of a page")
            .with_some("longestPageMs", pages.max().map(rounded))
            .with_some("saidMeanwhileP50Ms", said.p50().map(rounded))
            .with_some("saidMeanwhileP99Ms", said.p99().map(rounded)),
    )?;
    agent.close();
    Ok(())
}
