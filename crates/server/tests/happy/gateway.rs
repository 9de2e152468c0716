//! A whole gateway in this process, with a listener that is Happy's own and a clock that is moved by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rejoin_ports::clock::{Clock, HandClock};
use rejoin_ports::store::StoreError;
use rejoin_server::options::Durable;
use rejoin_server::{Config, Options, Overrides, Running, Server, StartError};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::http::{Door, told};
use crate::peer::Peer;

/// Longer than anything here takes, so that a hang fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// When every story begins.
pub(crate) const NOW: u64 = 1_800_000_000_000;
/// The longest step of the clock: less than a peer may be silent, so that nobody seems dead who was not asked.
const STEP: u64 = 5_000;
/// A step of the clock while something is waited for.
const SMALL_STEP: u64 = 500;
/// After so much time nothing more happens because of time.
const LONG: u64 = 180_000;

/// What a gateway is started with.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    dev: bool,
    closed: bool,
    /// What else the configuration's table `[happy]` says.
    says: String,
}

impl Plan {
    /// Everybody at the other doors is the developer.
    pub(crate) fn dev() -> Plan {
        Plan { dev: true, ..Plan::default() }
    }
    /// Nobody new is let in.
    pub(crate) fn closed(mut self) -> Plan {
        self.closed = true;
        self
    }
    /// With these lines in the table `[happy]`.
    pub(crate) fn says(mut self, lines: &str) -> Plan {
        self.says.push_str(lines);
        self
    }
    pub(crate) async fn start(self) -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Gateway::over(self, Arc::new(folder), HandClock::at(NOW)).await
    }
}

/// The options of a gateway whose listeners are all of its own choice, over the files of this folder.
pub(crate) fn options(folder: &Path, plan: &Plan) -> Options {
    let file = folder.join("rejoin.toml");
    let registration = if plan.closed { "closed" } else { "open" };
    let says = &plan.says;
    let text = format!("[happy]\nlisten = \"127.0.0.1:0\"\nregistration = \"{registration}\"\n{says}\n");
    std::fs::write(&file, text).expect("writing the configuration");
    Options {
        data: Some(folder.join("data")),
        listen: Some("127.0.0.1:0".parse().expect("a literal address")),
        dev: Some(plan.dev),
        config: Some(file),
        ready_file: Some(ready(folder)),
        durability: Some(Durable::Normal), // no power is cut here
        ..Options::default()
    }
}

/// Where a gateway over this folder says where it listens.
pub(crate) fn ready(folder: &Path) -> PathBuf {
    folder.join("ready.json")
}

/// The doors that such a file names: Happy's own, and the one that is shared.
pub(crate) fn doors(ready: &Value) -> (String, String) {
    let origin = |name: &str| {
        let url = ready[name].as_str().unwrap_or_else(|| panic!("the ready file names no `{name}`: {ready}"));
        url.trim_start_matches("http://").trim_end_matches('/').to_owned()
    };
    (origin("happy"), origin("listen"))
}

pub(crate) struct Gateway {
    pub(crate) clock: HandClock,
    plan: Plan,
    folder: Arc<tempfile::TempDir>,
    running: Running,
    key: String,
    own: Door,
    shared: String,
}

impl Gateway {
    pub(crate) async fn start() -> Gateway {
        Plan::default().start().await
    }

    async fn over(plan: Plan, folder: Arc<tempfile::TempDir>, clock: HandClock) -> Gateway {
        let mut options = options(folder.path(), &plan);
        options.limits.stop_ms = Some(0);
        let config = Config::from(options, &|_| None).expect("the configuration is sound");
        let started = async {
            loop {
                let overrides = Overrides { clock: Some(Arc::new(clock.clone())), ..Overrides::default() };
                match Server::start(config.clone(), overrides).await {
                    // A command that another test of this process is just starting holds the folder's lock until it runs.
                    Err(StartError::Store { source: StoreError::Locked { .. }, .. }) => tokio::task::yield_now().await,
                    started => break started.expect("the gateway starts"),
                }
            }
        };
        let running = tokio::time::timeout(PATIENCE, started).await.expect("the folder's lock is let go");
        let key = std::fs::read_to_string(folder.path().join("data/owner.key")).unwrap_or_default().trim().to_owned();
        let written = std::fs::read_to_string(ready(folder.path())).expect("the ready file is written");
        let (own, shared) = doors(&serde_json::from_str(&written).expect("the ready file is JSON"));
        Gateway { clock, plan, folder, running, key, own: Door::at(&own, ""), shared }
    }

    /// Stops in order, and starts again where it was.
    pub(crate) async fn restart(self) -> Gateway {
        let plan = self.plan.clone();
        self.restart_as(plan).await
    }
    /// The same with another plan.
    pub(crate) async fn restart_as(self, plan: Plan) -> Gateway {
        let Gateway { clock, folder, running, .. } = self;
        let hurry = CancellationToken::new();
        hurry.cancel();
        let ended = tokio::time::timeout(PATIENCE, running.stop(hurry)).await;
        ended.expect("the gateway stops").expect("the store is closed");
        Gateway::over(plan, folder, clock).await
    }

    /// The listener where Happy stands at the root.
    pub(crate) fn door(&self) -> &Door {
        &self.own
    }
    /// What `HAPPY_SERVER_URL=http://host:port/happy` makes of the listener that all dialects share.
    pub(crate) fn below(&self) -> Door {
        Door::at(&self.shared, "/happy")
    }
    /// `127.0.0.1:1234` of the listener that all dialects share.
    pub(crate) fn shared(&self) -> &str {
        &self.shared
    }
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Somebody new.
    pub(crate) async fn account(&self) -> Account {
        Account::new(&self.own).await
    }

    /// Asks the native API, as who owns the gateway.
    pub(crate) async fn native(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("http://{}/api/v1{path}", self.shared);
        let mut request = self.own.request(method, &url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = told(request, path.to_owned()).await;
        (StatusCode::from_u16(answer.status).expect("a status"), answer.body)
    }

    /// Lets time pass in steps, after each of which these peers have an answer; they stay connected.
    pub(crate) async fn passes(&self, ms: u64, peers: &mut [&mut Peer]) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(STEP);
            self.clock.advance(step);
            left -= step;
            for peer in peers.iter_mut() {
                peer.reaches().await;
            }
        }
    }

    /// Lets time pass until this peer's call is acknowledged, and tells how much that was, or a little more. The others
    /// stay connected meanwhile.
    pub(crate) async fn ack_in_time(&self, peer: &mut Peer, id: u64, others: &mut [&mut Peer]) -> (Value, u64) {
        let (begun, mut passed) = (Instant::now(), 0);
        loop {
            if let Some(answer) = peer.acked(id) {
                return (answer, passed);
            }
            assert!(begun.elapsed() < PATIENCE, "no answer in {passed} ms of a clock that is moved by hand");
            if passed < LONG {
                self.clock.advance(SMALL_STEP);
                passed += SMALL_STEP;
            }
            peer.reaches().await;
            for other in others.iter_mut() {
                other.reaches().await;
            }
        }
    }
}
