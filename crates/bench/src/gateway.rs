//! The gateway under test: one that runs already, or one of our own that is started, killed and ended by its id.

use std::fs::File;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::command::Common;
use crate::http::Http;
use crate::process::Process;
use crate::room::Room;

/// How long a gateway may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// What it says on stdout when it can answer.
const READY: &str = "rejoin is ready on http://";
/// How much of a failed gateway's log is shown.
const LAST_WORDS: usize = 2_000;

/// Where requests go, and who sends them.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) key: Option<String>,
}

impl Door {
    /// The lines of a request's head that do not change.
    pub(crate) fn headers(&self) -> String {
        let mut headers = format!("Host: {}\r\nUser-Agent: rejoin-bench\r\n", self.address);
        if let Some(key) = &self.key {
            headers += &format!("Authorization: Bearer {key}\r\n");
        }
        headers
    }
}

pub(crate) struct Gateway {
    pub(crate) door: Door,
    pub(crate) process: Option<Process>,
    own: Option<Own>,
}

struct Own {
    child: Child,
    /// Held open, since the gateway may say more.
    _stdout: BufReader<ChildStdout>,
    recipe: Recipe,
}

/// How a gateway of our own is started, each time.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    program: PathBuf,
    durability: &'static str,
    pub(crate) data: PathBuf,
    log: PathBuf,
    listen: SocketAddr,
    key: Option<String>,
    config: Option<PathBuf>,
}

/// How long a start took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    pub(crate) at: Instant,
    pub(crate) ready: Duration,
}

impl Gateway {
    /// The one that was named, or one of our own with its data in `room`.
    pub(crate) async fn of(common: &Common, room: &Room) -> anyhow::Result<Gateway> {
        match &common.url {
            Some(url) => {
                let door = Door { address: loopback(url)?, key: common.key.clone() };
                Ok(Gateway { door, process: common.pid.map(Process), own: None })
            }
            None => Ok(Recipe::new(common, room).start().await?.0),
        }
    }

    /// One of our own: for benches that kill it, or that must know its folder.
    pub(crate) async fn own(common: &Common, room: &Room, why: &str) -> anyhow::Result<Gateway> {
        Gateway::own_as(common, Recipe::new(common, room), why).await
    }
    /// The same, started in a way of its own.
    pub(crate) async fn own_as(common: &Common, recipe: Recipe, why: &str) -> anyhow::Result<Gateway> {
        if common.url.is_some() {
            bail!("this bench {why}, so it starts a gateway of its own: leave --url away");
        }
        Ok(recipe.start().await?.0)
    }

    pub(crate) async fn http(&self) -> anyhow::Result<Http> {
        Http::connect(&self.door).await
    }

    /// Its process, for benches that are about nothing else.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        self.process.context("which process the gateway is is not known: give --pid")
    }
    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.process.and_then(|process| process.cpu().ok())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.own.as_ref().and_then(|own| own.child.id()).context("it runs no more")?;
        let id = Pid::from_raw(id as i32).context("no process has the id 0")?;
        kill_process(id, signal).context("signalling the gateway")
    }

    /// Ends it in order, if it is ours, and says how to start it again on the same data and port.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Option<Recipe>> {
        if self.own.is_none() {
            return Ok(None);
        }
        self.signal(Signal::TERM)?;
        self.end().await.map(Some)
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(mut self) -> anyhow::Result<Recipe> {
        self.signal(Signal::KILL)?;
        self.end().await
    }

    async fn end(&mut self) -> anyhow::Result<Recipe> {
        let Own { mut child, mut recipe, .. } = self.own.take().context("it runs no more")?;
        let ended = timeout(PATIENCE, child.wait()).await;
        ended.with_context(|| format!("the gateway did not end in {} s", PATIENCE.as_secs()))??;
        recipe.listen = self.door.address;
        Ok(recipe)
    }
}

impl Recipe {
    pub(crate) fn new(common: &Common, room: &Room) -> Recipe {
        Recipe {
            program: common.program.clone(),
            durability: common.durability.word(),
            data: room.join("data"),
            log: room.join("gateway.log"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            key: None,
            config: None,
        }
    }

    /// With a configuration of its own.
    pub(crate) fn configured(self, config: PathBuf) -> Recipe {
        Recipe { config: Some(config), ..self }
    }

    /// Starts a gateway and waits until it says that it is ready.
    pub(crate) async fn start(mut self) -> anyhow::Result<(Gateway, Started)> {
        let log = File::create(&self.log).context("making the gateway's log")?;
        let at = Instant::now();
        let mut child = Command::new(&self.program)
            .args(["serve", "--log", "json", "--log-filter", "warn", "--durability", self.durability])
            .args(["--listen", &self.listen.to_string()])
            .arg("--data")
            .arg(&self.data)
            .args(self.config.iter().flat_map(|file| ["--config".as_ref(), file.as_os_str()]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {} serve", self.program.display()))?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let ready = at.elapsed();
        let Some(address) = line.trim_end().strip_prefix(READY).filter(|_| matches!(read, Ok(Ok(_)))) else {
            bail!("the gateway did not say that it is ready; its log ends with:\n{}", last_words(&self.log));
        };
        let address = address.parse().context("reading the gateway's address")?;
        if self.key.is_none() {
            let path = self.data.join("owner.key");
            let key = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            self.key = Some(key.trim().to_owned());
        }
        let door = Door { address, key: self.key.clone() };
        let process = child.id().map(Process);
        let own = Own { child, _stdout: stdout, recipe: self };
        Ok((Gateway { door, process, own: Some(own) }, Started { at, ready }))
    }
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS)..]).into_owned()
}

/// The address of a URL, which has to be on this machine: benches load a gateway as nobody should load another's.
fn loopback(url: &str) -> anyhow::Result<SocketAddr> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} does not begin with http://"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let found = authority.to_socket_addrs().with_context(|| format!("finding {authority}"))?;
    let address = found.into_iter().next().with_context(|| format!("{authority} has no address"))?;
    ensure!(address.ip().is_loopback(), "{authority} is not on this machine, and benches stay on it");
    Ok(address)
}

/// What benches ask of a gateway, on one kept connection.
impl Http {
    pub(crate) async fn create(&mut self, agent: &str) -> anyhow::Result<String> {
        let created = self.json("POST", "/api/v1/sessions", Some(&json!({ "agent": agent }))).await?;
        created["id"].as_str().map(str::to_owned).context("a session without an id")
    }

    /// Gives the newest number when it was done.
    pub(crate) async fn command(&mut self, session: &str, command: &Value) -> anyhow::Result<u64> {
        let path = format!("/api/v1/sessions/{session}/commands");
        let done = self.json("POST", &path, Some(command)).await?;
        seq_of(&done)
    }

    pub(crate) async fn prompt(&mut self, session: &str, text: &str) -> anyhow::Result<u64> {
        self.command(session, &json!({ "type": "prompt", "text": text, "ifBusy": "refuse" })).await
    }
}

/// The number in an answer's `position`, which is written `epoch.seq`.
pub(crate) fn seq_of(answer: &Value) -> anyhow::Result<u64> {
    let position = answer["position"].as_str().context("an answer without a position")?;
    let (_, seq) = position.rsplit_once('.').context("a position without a number")?;
    seq.parse().context("a position without a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_elsewhere_is_not_loaded() {
        assert!(loopback("http://127.0.0.1:7717/").is_ok());
        for bad in ["https://127.0.0.1:7717", "http://10.0.0.1:80", "127.0.0.1:7717", "http://127.0.0.1"] {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_position_ends_with_its_number() {
        assert_eq!(seq_of(&json!({ "position": "0a1b.17" })).ok(), Some(17));
        for bad in [json!({}), json!({ "position": "17" }), json!({ "position": "a.b" })] {
            assert!(seq_of(&bad).is_err(), "{bad}");
        }
    }
}
