//! A whole gateway in this process: put together, started, and stopped in order.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use rejoin_diminuendo::server::Door;
use rejoin_engine::{Engine, EngineParts};
use rejoin_host::{Host, Workbench};
use rejoin_machine::reaper::{Reaper, ReaperError};
use rejoin_machine::shell::Shell;
use rejoin_native::CODES;
use rejoin_ports::agent::AgentHost;
use rejoin_ports::clock::{Clock, SystemClock};
use rejoin_ports::gateway::Gateway;
use rejoin_ports::store::{CommitError, Store, StoreError};
use rejoin_socket::Origins;
use rejoin_store_sqlite::SqliteStore;
use rustix::process::{Resource, getrlimit};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::agents::{self, Hosted};
use crate::confidential::{Confidential, Sealer};
use crate::config::Config;
use crate::diminuendo::Inside;
use crate::files::{Blocking, FilesDoor, Versions, Workshop};
use crate::folder::{self, FolderError};
use crate::happy::{GitHubOptions, S3Options, VoiceOptions};
use crate::happy_bridge::{self, HappyBridge};
use crate::health::Health;
use crate::http::front::{self, Front};
use crate::http::problem::problem;
use crate::http::{Connections, Listener, Proxies, Serving};
use crate::integrations::Services;
use crate::metrics::Metrics;
use crate::operations::{self, Operations};
use crate::secrets::{Vault, VaultError};
use crate::sign_in::{FirstKey, Gate, OwnerKeyError, developer};
use crate::terminals::{OpenTerminals, TerminalsDoor, Vacated};
use crate::workspaces::WorkspaceBook;

/// How long a session without anything to do stays in memory.
const LINGER: Duration = Duration::from_secs(60);
/// How long sockets and requests have to end once everything else has.
const PARTING: Duration = Duration::from_secs(5);
/// What a stop may take beyond the time that turns have: they are interrupted, tools end, connections part.
const ENDING: Duration = Duration::from_secs(15);
/// The same once somebody is in a hurry.
const HURRIED: Duration = Duration::from_secs(5);
/// How long closing the store may take. It has committed what it told of, so giving up loses nothing.
const CLOSING: Duration = Duration::from_secs(10);
/// Descriptors for everything that is no connection: the database, blobs, workspaces, tools with their pipes.
const OTHER_FILES: usize = 1_000;

/// What a test brings of its own.
#[derive(Default)]
pub struct Overrides {
    pub clock: Option<Arc<dyn Clock>>,
    pub host: Option<Arc<dyn AgentHost>>,
    pub linger: Option<Duration>,
    /// The program that ends tools when the gateway is gone. Without it they end with their sessions only.
    pub helper: Option<Helper>,
}

/// How the helper is started: a program that calls `rejoin_machine::reaper::main` first of all.
#[derive(Debug, Clone)]
pub struct Helper {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

pub struct Server;

/// A gateway that answers.
pub struct Running {
    address: SocketAddr,
    diminuendo_address: Option<SocketAddr>,
    happy_address: Option<SocketAddr>,
    /// Tells clients of doors that have a word for it that we begin to stop.
    draining: CancellationToken,
    first_key: Option<FirstKey>,
    engine: Engine,
    /// The host that we made, to be ended with us.
    host: Option<Arc<Host>>,
    terminals: OpenTerminals,
    happy: rejoin_happy::server::Door,
    gate: Arc<Gate>,
    health: Arc<Health>,
    store: Arc<dyn Store>,
    secrets: Arc<Vault>,
    sockets: TaskTracker,
    native_stop: CancellationToken,
    serving: Vec<Serving>,
    stop_after: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("listening on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("opening the store in {}", folder.display())]
    Store { folder: PathBuf, source: StoreError },
    #[error(transparent)]
    OwnerKey(#[from] OwnerKeyError),
    #[error("keeping the developer as a member")]
    Developer(#[source] CommitError),
    #[error("making the key that tokens are signed with")]
    Secrets(#[from] VaultError),
    #[error(transparent)]
    Helper(#[from] ReaperError),
    #[error("writing the ready file {}", file.display())]
    ReadyFile { file: PathBuf, source: std::io::Error },
}

impl Server {
    /// Listens first; answers as soon as the store is open. What another life of the process left is put in order later.
    pub async fn start(config: Config, overrides: Overrides) -> Result<Running, StartError> {
        let listener = bind(config.listen).await?;
        let diminuendo_listener = match config.diminuendo.listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let happy_listener = match config.happy.listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let data = folder::open(&config.data)?;
        let (store, shell) = tokio::join!(open_store(&config, &data), start_helper(overrides.helper));
        let (store, shell) = (store?, shell?);
        if let Some(file) = &config.ready_file {
            // One of an earlier life says nothing of this one; now nobody else has the folder.
            let _ = std::fs::remove_file(file);
        }
        let clock = overrides.clock.unwrap_or_else(|| Arc::new(SystemClock));

        let gate = Arc::new(Gate::new(store.clone(), clock.clone(), config.jwt.clone(), config.dev));
        let first_key = if config.dev {
            gate.ensure_member(&developer()).await.map_err(StartError::Developer)?;
            None
        } else {
            gate.first_key(&data).await?
        };

        let workbench = Workbench { shell, cage: config.cage, hidden: vec![data.clone()] };
        let given = config.secret_key.as_ref().map(|key| key.0.clone());
        let secrets = Arc::new(Vault::new(store.clone(), clock.clone(), data.clone(), given));
        let sealer = Arc::new(Sealer::new(&secrets).await?);
        let built_in = overrides.host.is_none().then(|| {
            let mut all = Host::built_in(workbench.clone());
            all.extend(agents::agents(&config, &workbench, &secrets, &sealer));
            Arc::new(Host::new(all))
        });
        let host: Arc<dyn AgentHost> = match (overrides.host, &built_in) {
            (Some(host), _) => host,
            (None, Some(built_in)) => built_in.clone(),
            (None, None) => unreachable!("made above when none was given"),
        };
        let blocking = Blocking::default();
        let roots = config.workspace_roots.clone();
        let book = WorkspaceBook::new(store.clone(), clock.clone(), blocking.clone(), data.clone(), roots);
        let book = Arc::new(book);
        let versions = Versions::new(store.clone(), clock.clone());
        let shop = Workshop::new(store.clone(), book.clone(), versions, blocking);
        let terminals = OpenTerminals::default();
        let engine = Engine::start(EngineParts {
            store: store.clone(),
            clock: clock.clone(),
            host: host.clone(),
            workplaces: Arc::new(Vacated { places: shop.clone(), terminals: terminals.clone() }),
            linger: overrides.linger.unwrap_or(LINGER),
        });
        let live = Arc::new(engine.clone());
        let sessions = Arc::new(Confidential { sessions: live.clone(), sealer });
        let sockets = TaskTracker::new();
        let native_stop = CancellationToken::new();
        let bridge = HappyBridge::new(
            happy_bridge::Parts {
                store: store.clone(),
                vault: secrets.clone(),
                clock: clock.clone(),
                gate: gate.clone(),
                sessions: live.clone(),
                follow: live.clone(),
                workspaces: book.clone(),
                own: format!("http://{}/happy", reachable(listener.address())),
                others: config.happy.link_servers.clone(),
                tasks: sockets.clone(),
                stop: native_stop.clone(),
            },
            &data,
        );
        let doors = TerminalsDoor::new(terminals.clone(), live.clone(), book.clone(), workbench, clock.clone());
        let gateway = Gateway {
            sessions,
            sealed: live.clone(),
            blobs: live.clone(),
            follow: live.clone(),
            records: live.clone(),
            files: Arc::new(FilesDoor::new(shop.clone(), live.clone(), live.clone(), clock.clone())),
            workspaces: book,
            agents: Arc::new(Hosted { host, sessions: live.clone(), places: Arc::new(shop.clone()) }),
            sign_in: gate.clone(),
            keys: gate.clone(),
            members: gate.clone(),
            accounts: gate.clone(),
            budgets: Arc::new(engine.clone()),
            terminals: Arc::new(doors),
            integrations: Arc::new(Services { happy: bridge.clone() }),
        };
        let most = config.limits.connections.min(descriptors().saturating_sub(OTHER_FILES));
        let connections = Connections::new(most, sockets.clone());
        let mut metrics = Metrics::new(CODES.iter().map(|known| known.code).collect());
        metrics.watch(store.clone(), engine.clone(), connections.clone());
        let metrics = Arc::new(metrics);
        let health = Arc::new(Health::new(store.clone(), clock.clone()));

        let origins = Origins::new(&config.cors_origins).expect("checked with the configuration");
        let draining = CancellationToken::new();
        let diminuendo = rejoin_diminuendo::server::Options {
            dev: config.dev,
            clock: clock.clone(),
            origins: origins.clone(),
            agent_types: config.diminuendo.agent_types.clone(),
            error_code_style: config.diminuendo.error_code_style,
            event_naming: config.diminuendo.event_naming,
            session_change_event: config.diminuendo.session_change_event,
            messages_per_window: config.diminuendo.messages_per_window,
            tasks: sockets.clone(),
            draining: draining.clone(),
            stop: native_stop.clone(),
            grace_ms: config.limits.stop.as_millis() as u64,
            health: Arc::new(Inside { health: health.clone(), engine: engine.clone(), began: Instant::now() }),
        };
        let diminuendo = Door::new(gateway.clone(), diminuendo);
        let happy = rejoin_happy::server::Options {
            clock: clock.clone(),
            registration: config.happy.registration,
            seed: secrets.derive("happy tokens").await?,
            tasks: sockets.clone(),
            stop: native_stop.clone(),
            public_url: config.happy.public_url.clone(),
            push: config.happy.push.clone(),
            github: config.happy.github.clone().map(GitHubOptions::app),
            s3: config.happy.s3.clone().map(S3Options::bucket),
            voice: config.happy.voice.clone().map(VoiceOptions::voice),
            ..rejoin_happy::server::Options::default()
        };
        let happy = rejoin_happy::server::Door::new(gateway.clone(), happy);
        let native = rejoin_native::Options {
            clock,
            origins: origins.clone(),
            tasks: sockets.clone(),
            stop: native_stop.clone(),
            ..rejoin_native::Options::default()
        };
        let mut native = rejoin_native::router(gateway, native);
        if let Some(cors) = cors(&config.cors_origins) {
            native = native.layer(cors);
        }
        let operations = Operations {
            health: health.clone(),
            metrics: metrics.clone(),
            gate: gate.clone(),
            store: store.clone(),
            data,
            dev: config.dev,
        };
        let front = Front { metrics, only_local_pages: config.dev.then_some(origins) };
        let fronted = |routes: Router| routes.layer(axum::middleware::from_fn_with_state(front.clone(), front::pass));
        let ours = |routes: Router| {
            routes.fallback(async || problem(StatusCode::NOT_FOUND, "not_found", "there is no such path"))
        };
        let app = Router::new()
            .merge(native)
            .merge(operations::routes(operations))
            .nest("/diminuendo", diminuendo.routes())
            .nest("/happy", happy.routes())
            .route("/happy/", happy.greeting())
            .merge(happy.sockets());

        let address = listener.address();
        let proxies = Proxies::new(config.trusted_proxies.clone());
        let serve = |listener: Listener, app| {
            listener.serve(fronted(app), config.limits.clone(), proxies.clone(), connections.clone())
        };
        let diminuendo_address = diminuendo_listener.as_ref().map(Listener::address);
        let mut serving = vec![serve(listener, ours(app))];
        serving.extend(diminuendo_listener.map(|listener| serve(listener, ours(diminuendo.routes()))));
        let happy_address = happy_listener.as_ref().map(Listener::address);
        let at_the_root = || happy.routes().nest("/happy", happy.routes()).route("/happy/", happy.greeting());
        serving.extend(happy_listener.map(|listener| serve(listener, at_the_root())));
        bridge.start();
        let running = Running {
            address,
            diminuendo_address,
            happy_address,
            draining,
            first_key,
            engine,
            host: built_in,
            terminals,
            happy,
            gate,
            health,
            store,
            secrets,
            sockets,
            native_stop,
            serving,
            stop_after: config.limits.stop,
        };
        if let Some(file) = config.ready_file
            && let Err(source) = write_ready(&file, &running.urls())
        {
            running.stop(CancellationToken::new()).await.unwrap_or_else(|error| {
                tracing::error!(%error, "stopping again");
            });
            return Err(StartError::ReadyFile { file, source });
        }
        Ok(running)
    }
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    /// Where Diminuendo stands at the root, if it has a listener of its own.
    pub fn diminuendo_address(&self) -> Option<SocketAddr> {
        self.diminuendo_address
    }
    /// Where Happy stands at the root, if it has a listener of its own.
    pub fn happy_address(&self) -> Option<SocketAddr> {
        self.happy_address
    }
    /// Every address, by what listens there.
    fn urls(&self) -> serde_json::Value {
        let mut urls = json!({ "listen": self.url() });
        if let Some(address) = self.diminuendo_address {
            urls["diminuendo"] = format!("http://{address}").into();
        }
        if let Some(address) = self.happy_address {
            urls["happy"] = format!("http://{address}").into();
        }
        urls
    }
    /// Present at the first start only.
    pub fn first_key(&self) -> Option<&FirstKey> {
        self.first_key.as_ref()
    }
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    pub fn secrets(&self) -> &Arc<Vault> {
        &self.secrets
    }

    /// Stops in two steps: what runs may finish until the deadline, or until `hurry`; then it is interrupted, readers are
    /// brought to the tip, connections end, and the store is closed. However stuck something is, this returns.
    pub async fn stop(self, hurry: CancellationToken) -> Result<(), StoreError> {
        tracing::info!("stopping");
        let (store, most) = (self.store.clone(), self.stop_after.saturating_add(ENDING));
        let hurried = async {
            hurry.cancelled().await;
            tokio::time::sleep(HURRIED).await;
        };
        tokio::select! {
            () = self.part(&hurry) => {}
            () = tokio::time::sleep(most) => tracing::warn!("not everything ended in time: the store is closed under it"),
            () = hurried => tracing::warn!("not everything ended at once: the store is closed under it"),
        }
        let closed = tokio::time::timeout(CLOSING, store.close()).await.unwrap_or_else(|_| {
            Err(StoreError::Io { doing: "closing the store", why: "it did not end in time".to_owned() })
        });
        tracing::info!("stopped");
        closed
    }

    /// Ends everything but the store.
    async fn part(self, hurry: &CancellationToken) {
        self.health.stopping();
        self.draining.cancel();
        self.engine.stop(self.stop_after, hurry.clone()).await;
        if let Some(host) = &self.host {
            host.end().await;
        }
        self.terminals.end_all().await;
        self.native_stop.cancel();
        self.sockets.close();
        let parting = if hurry.is_cancelled() { Duration::ZERO } else { PARTING };
        let sockets = async {
            if tokio::time::timeout(parting, self.sockets.wait()).await.is_err() {
                tracing::warn!(sockets = self.sockets.len(), "sockets are cut: they did not end in time");
            }
        };
        let serving = self.serving.into_iter().map(|serving| serving.drain(parting));
        tokio::join!(sockets, futures_util::future::join_all(serving));
        self.happy.close().await;
        self.gate.finish().await;
    }
}

async fn bind(address: SocketAddr) -> Result<Listener, StartError> {
    Listener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// Where we reach ourselves.
fn reachable(address: SocketAddr) -> SocketAddr {
    let here = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(here, address.port())
}

/// How many files this process may have open.
fn descriptors() -> usize {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(most).unwrap_or(usize::MAX)
}

async fn open_store(config: &Config, data: &Path) -> Result<Arc<dyn Store>, StartError> {
    let options =
        rejoin_store_sqlite::Options { durability: config.durability, ..rejoin_store_sqlite::Options::new(data) };
    let folder = data.to_path_buf();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(options)).await;
    let opened = opened.expect("opening the store does not panic");
    opened.map(|store| store as Arc<dyn Store>).map_err(|source| StartError::Store { folder, source })
}

pub(crate) async fn start_helper(helper: Option<Helper>) -> Result<Shell, ReaperError> {
    let Some(Helper { program, args }) = helper else { return Ok(Shell::unwatched()) };
    let started = tokio::task::spawn_blocking(move || Reaper::start(program, args)).await;
    started.expect("starting a process does not panic").map(Shell::new)
}

/// Written beside it and renamed, so that who waits for the file finds all of it.
fn write_ready(file: &Path, urls: &serde_json::Value) -> std::io::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    std::fs::write(&unfinished, format!("{urls}\n"))?;
    std::fs::rename(&unfinished, file)
}

/// Which pages may use the native API. None, unless they are named.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        // Browsers write origins without a slash at the end, people do not.
        let plain = origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        AllowOrigin::list(plain.filter_map(|origin| HeaderValue::try_from(origin).ok()))
    };
    let headers = [
        "authorization",
        "content-type",
        "last-event-id",
        "x-rejoin-client",
        "x-rejoin-capabilities",
        "x-rejoin-control",
        "x-request-id",
    ];
    let told = ["x-request-id", "retry-after"];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(headers.map(HeaderName::from_static))
            .expose_headers(told.map(HeaderName::from_static))
            .max_age(Duration::from_secs(600)),
    )
}
