//! An agent behind the gateway beside the same agent read directly: how fast its words come, and how long one is on its way.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::stream::turn;
use super::teller;
use crate::command::Common;
use crate::figure::{Figure, per_second, rounded};
use crate::gateway::{Gateway, Recipe};
use crate::readers::Ear;
use crate::report::Report;
use crate::times::Times;

/// Both take turns this often, so that a busy moment of the machine hits both.
const ROUNDS: u64 = 4;
/// The agent's name in the gateway's configuration.
const NAME: &str = "teller";

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Agent {
    /// Tokens in all, each an update of its own, as fast as they can be told
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1..=40_000_000))]
    tokens: u64,
    /// Tokens told one every four milliseconds, whose way is timed
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(4..=20_000))]
    stamps: u64,
}

pub(crate) async fn run(bench: Agent, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let room = common.room(report)?;
    let config = room.join("agent.toml");
    let program = toml_text(&common.program.to_string_lossy());
    std::fs::write(&config, format!("[agents.{NAME}]\ncommand = {program}\nargs = [\"bench\", \"teller\"]\n"))
        .context("writing the configuration")?;
    let gateway =
        Gateway::own_as(common, Recipe::new(common, &room).configured(config), "configures its agent").await?;
    let mut http = gateway.http().await?;
    let session = http.create(&format!("acp:{NAME}")).await?;
    let mut ear = Ear::join(&gateway.door, &session).await?;
    let mut direct = Direct::start(common, room.path()).await?;
    direct.prompt("1", |_| {}).await?;
    turn(&mut http, &session, "1", &mut ear, |_, _| {}).await?; // opens the agent

    let each = (bench.tokens / ROUNDS).max(1);
    let expected: usize = (0..each).map(|number| teller::token(number).len()).sum();
    let (mut ours, mut theirs, mut missing) = (Duration::ZERO, Duration::ZERO, 0);
    let (mut deltas, mut cpu) = (0u64, gateway.cpu().map(|_| Duration::ZERO));
    for _ in 0..ROUNDS {
        let (began, mut text) = (Instant::now(), 0);
        direct.prompt(&each.to_string(), |said| text += said.len()).await?;
        theirs += began.elapsed();
        ensure!(text == expected, "the agent told {text} bytes instead of {expected}");
        let (began, before, mut text) = (Instant::now(), gateway.cpu(), 0);
        turn(&mut http, &session, &each.to_string(), &mut ear, |event, _| {
            if let Some(said) = delta(event) {
                text += said.len();
                deltas += 1;
            }
        })
        .await?;
        ours += began.elapsed();
        cpu = cpu.and_then(|cpu| Some(cpu + (gateway.cpu()? - before?)));
        missing += expected.abs_diff(text) as u64;
    }
    let tokens = each * ROUNDS;
    let mut figure = Figure::new("agent").rate(tokens, ours).beside(per_second(tokens, theirs)).cpu(cpu);
    (figure.readers, figure.sessions, figure.lost) = (1, 1, Some(missing));
    report.add(
        &figure
            .with("counts", "tokens of an ACP agent, kept and shown; beside them the same agent read directly")
            .with("deltas", deltas),
    )?;

    let each = bench.stamps / ROUNDS;
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    let pace = format!("{} paced", each);
    for _ in 0..ROUNDS {
        direct.prompt(&pace, |said| theirs.push(age(said))).await?;
        turn(&mut http, &session, &pace, &mut ear, |event, read_at| {
            for stamp in delta(event).unwrap_or_default().split_whitespace() {
                ours.push(age_at(stamp, read_at));
            }
        })
        .await?;
    }
    let figure = Figure::new("agent-latency").took(ours.p50(), ours.p99());
    report.add(
        &figure
            .with("counts", "tokens, one each four milliseconds, from the agent's clock to the reader's")
            .with_some("directP50Ms", theirs.p50().map(rounded))
            .with_some("directP99Ms", theirs.p99().map(rounded)),
    )?;
    direct.end().await?;
    gateway.stop().await.context("ending the gateway")?;
    Ok(())
}

fn delta(event: &Value) -> Option<&str> {
    if event["type"] == "partDelta" { event["text"].as_str() } else { None }
}

fn age(stamp: &str) -> Duration {
    age_at(stamp.trim(), SystemTime::now())
}

fn age_at(stamp: &str, now: SystemTime) -> Duration {
    let at = Duration::from_nanos(stamp.parse().unwrap_or(0));
    now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(at)
}

/// As a text of the configuration.
fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The agent without a gateway: what any client of it does at least, which is to read every update.
struct Direct {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: String,
    asked: u64,
}

impl Direct {
    async fn start(common: &Common, folder: &std::path::Path) -> anyhow::Result<Direct> {
        let mut child = Command::new(&common.program)
            .args(["bench", "teller"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the agent")?;
        let stdin = child.stdin.take().context("its input is piped")?;
        let stdout = BufReader::with_capacity(64 << 10, child.stdout.take().context("its output is piped")?);
        let mut direct = Direct { child, stdin, stdout, line: String::new(), asked: 0 };
        direct.ask("initialize", json!({ "protocolVersion": 1 }), |_| {}).await?;
        direct.ask("session/new", json!({ "cwd": folder, "mcpServers": [] }), |_| {}).await?;
        Ok(direct)
    }

    async fn prompt(&mut self, text: &str, heard: impl FnMut(&str)) -> anyhow::Result<()> {
        let prompt = json!([{ "type": "text", "text": text }]);
        self.ask("session/prompt", json!({ "sessionId": teller::SESSION, "prompt": prompt }), heard).await
    }

    /// Asks, and hears what is told until the answer comes.
    async fn ask(&mut self, method: &str, params: Value, mut heard: impl FnMut(&str)) -> anyhow::Result<()> {
        self.asked += 1;
        let line = json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params });
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        loop {
            self.line.clear();
            ensure!(self.stdout.read_line(&mut self.line).await? > 0, "the agent is gone");
            let said: Value = serde_json::from_str(&self.line).context("reading what the agent said")?;
            if said["id"] == self.asked {
                return Ok(());
            }
            heard(said["params"]["update"]["content"]["text"].as_str().unwrap_or_default());
        }
    }

    async fn end(self) -> anyhow::Result<()> {
        let Direct { mut child, stdin, .. } = self;
        drop(stdin);
        child.wait().await.context("ending the agent")?;
        Ok(())
    }
}
