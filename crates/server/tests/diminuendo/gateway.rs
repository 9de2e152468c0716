//! A whole gateway in this process, with a data folder of its own and a clock that is moved by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rejoin_ports::agent::AgentHost;
use rejoin_ports::clock::{Clock, HandClock};
use rejoin_ports::store::StoreError;
use rejoin_server::options::Durable;
use rejoin_server::sign_in::jwt::JwtOptions;
use rejoin_server::{Config, Options, Overrides, Running, Server, StartError};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;

/// Longer than anything here takes, so that a hang fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// When every story begins.
pub(crate) const NOW: u64 = 1_800_000_000_000;
const SECRET: &str = "a secret that is long enough for HS256";

/// What a gateway is started with.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    dev: bool,
    toml: String,
    jwt: JwtOptions,
    origins: Vec<String>,
    host: Option<Arc<dyn AgentHost>>,
    stop_ms: u64,
    linger: Option<Duration>,
}

impl Plan {
    /// Everybody is the developer.
    pub(crate) fn dev() -> Plan {
        Plan { dev: true, ..Plan::default() }
    }
    /// Keys and tokens only.
    pub(crate) fn locked() -> Plan {
        Plan { jwt: JwtOptions { secret: Some(SECRET.to_owned()), ..JwtOptions::default() }, ..Plan::default() }
    }
    /// Tokens of a provider that publishes its keys at `url`.
    pub(crate) fn with_provider(url: String) -> Plan {
        let jwt = JwtOptions {
            jwks_url: Some(url),
            issuer: Some("https://id.example".to_owned()),
            audience: Some("rejoin".to_owned()),
            ..JwtOptions::default()
        };
        Plan { jwt, ..Plan::default() }
    }
    /// More for the configuration file.
    pub(crate) fn toml(mut self, text: &str) -> Plan {
        self.toml += text;
        self
    }
    pub(crate) fn origin(mut self, origin: &str) -> Plan {
        self.origins.push(origin.to_owned());
        self
    }
    pub(crate) fn host(mut self, host: impl AgentHost) -> Plan {
        self.host = Some(Arc::new(host));
        self
    }
    /// How long a stop waits for running turns, in real time.
    pub(crate) fn stop_ms(mut self, stop_ms: u64) -> Plan {
        self.stop_ms = stop_ms;
        self
    }
    /// Idle sessions leave the memory at once.
    pub(crate) fn forgetful(mut self) -> Plan {
        self.linger = Some(Duration::ZERO);
        self
    }
    pub(crate) async fn start(self) -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Gateway::over(self, Arc::new(folder), HandClock::at(NOW)).await
    }
}

pub(crate) struct Gateway {
    pub(crate) clock: HandClock,
    plan: Plan,
    folder: Arc<tempfile::TempDir>,
    running: Running,
    key: String,
    client: Client,
    /// The address of the listener that is Diminuendo's own, if it has one.
    own: Option<String>,
}

impl Gateway {
    pub(crate) async fn dev() -> Gateway {
        Plan::dev().start().await
    }
    pub(crate) async fn locked() -> Gateway {
        Plan::locked().start().await
    }

    async fn over(plan: Plan, folder: Arc<tempfile::TempDir>, clock: HandClock) -> Gateway {
        let (data, file) = (folder.path().join("data"), folder.path().join("rejoin.toml"));
        std::fs::write(&file, &plan.toml).expect("writing the configuration");
        let ready = folder.path().join("ready.json");
        let mut options = Options {
            data: Some(data.clone()),
            listen: Some("127.0.0.1:0".parse().expect("a literal address")),
            dev: Some(plan.dev),
            config: Some(file),
            ready_file: Some(ready.clone()),
            durability: Some(Durable::Normal), // no power is cut here
            cors_origins: plan.origins.clone(),
            jwt: plan.jwt.clone(),
            ..Options::default()
        };
        options.limits.stop_ms = Some(plan.stop_ms);
        let config = Config::from(options, &|_| None).expect("the configuration is sound");
        let started = async {
            loop {
                let overrides = Overrides {
                    clock: Some(Arc::new(clock.clone())),
                    host: plan.host.clone(),
                    linger: plan.linger,
                    helper: None,
                };
                match Server::start(config.clone(), overrides).await {
                    // A command that another test of this process is just starting holds the folder's lock until it runs.
                    Err(StartError::Store { source: StoreError::Locked { .. }, .. }) => tokio::task::yield_now().await,
                    started => break started.expect("the gateway starts"),
                }
            }
        };
        let running = tokio::time::timeout(PATIENCE, started).await.expect("the folder's lock is let go");
        let key = std::fs::read_to_string(data.join("owner.key")).unwrap_or_default().trim().to_owned();
        let ready = std::fs::read_to_string(ready).expect("the ready file is written");
        let ready: Value = serde_json::from_str(&ready).expect("the ready file is JSON");
        let own = ready["diminuendo"].as_str().map(str::to_owned);
        Gateway { clock, plan, folder, running, key, client: Client::new(), own }
    }

    /// Stops in order, but waits for no turn, and starts again where it was.
    pub(crate) async fn restart(self) -> Gateway {
        let Gateway { clock, plan, folder, running, .. } = self;
        end(running).await;
        Gateway::over(plan, folder, clock).await
    }
    /// Stops in order.
    pub(crate) async fn stop(self) {
        end(self.running).await;
    }

    fn address(&self) -> String {
        self.running.address().to_string()
    }
    pub(crate) fn ws(&self) -> String {
        format!("ws://{}/diminuendo/ws", self.address())
    }
    /// A path of the dialect over HTTP.
    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}/diminuendo{path}", self.address())
    }
    pub(crate) fn own(&self) -> &str {
        let own = self.own.as_deref().expect("the ready file names the dialect's own listener");
        own.strip_prefix("http://").unwrap_or(own)
    }
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A connection that has heard nothing yet.
    pub(crate) async fn dial(&self) -> Peer {
        Peer::dial(&self.ws(), &[], self.clock.clone()).await.expect("the upgrade is taken")
    }
    /// Somebody who is in, of a gateway where everybody is.
    pub(crate) async fn peer(&self) -> Peer {
        let mut peer = self.dial().await;
        peer.hears_a("welcome").await;
        peer.hears_a("connected").await;
        peer.hears_a("authenticated").await;
        peer
    }
    /// Somebody who is in with this token or key.
    pub(crate) async fn enter(&self, token: &str) -> Peer {
        let mut peer = self.dial().await;
        peer.hears_a("welcome").await;
        peer.hears_a("connected").await;
        peer.asks(json!({ "type": "authenticate", "token": token })).await;
        peer
    }
    /// A member of a tenant. The first to come owns it.
    pub(crate) async fn member(&self, tenant: &str, user: &str) -> Peer {
        self.enter(&self.token(tenant, user)).await
    }
    pub(crate) fn token(&self, tenant: &str, user: &str) -> String {
        let claims = json!({
            "sub": user, "tenant_id": tenant, "email": format!("{user}@example.org"),
            "exp": self.clock.now() / 1000 + 86_400,
        });
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("claims can be signed")
    }
    pub(crate) fn owner_key(&self) -> &str {
        &self.key
    }

    /// Asks the native API.
    pub(crate) async fn native(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}/api/v1{path}", self.running.url());
        let mut request = self.client.request(method, url).bearer_auth(&self.key).timeout(PATIENCE);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the native API answers");
        let status = answer.status();
        let text = answer.text().await.expect("an answer has a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
    /// Gives a session a command over the native API, which takes it.
    pub(crate) async fn commands(&self, session: &str, command: Value) {
        let (status, told) = self.native(Method::POST, &format!("/sessions/{session}/commands"), Some(command)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
    }
    pub(crate) async fn get(&self, url: &str) -> reqwest::Response {
        self.client.get(url).timeout(PATIENCE).send().await.expect("an answer over HTTP")
    }
}

async fn end(running: Running) {
    let hurry = CancellationToken::new();
    hurry.cancel();
    let ended = tokio::time::timeout(PATIENCE, running.stop(hurry)).await;
    ended.expect("the gateway stops").expect("the store is closed");
}

/// Every file below a folder, links not followed.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.filter_map(Result::ok).map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
