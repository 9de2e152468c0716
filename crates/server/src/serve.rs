//! `rejoin serve`: a gateway as a process, from its options to its exit.

use std::io::Write;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError};
use crate::logs;
use crate::options::{Bad, Options};
use crate::server::{Helper, Overrides, Running, Server, StartError};
use rejoin_ports::store::StoreError;

/// Threads for work that waits for a disk. File work has its own bound far below; this is for what is left.
const BLOCKING_THREADS: usize = 64;
/// How long blocking work has to end after everything else has. A disk that hangs must not hold the exit.
const LAST_WORK: Duration = Duration::from_secs(3);
/// The exit code of a process that was told three times, as a shell would give it for an interrupt.
const IMPATIENT: i32 = 130;

/// Why the process ends with a failure.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Logs(#[from] Bad),
    #[error("starting the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("listening to signals")]
    Signals(#[source] std::io::Error),
    #[error("closing the store")]
    Close(#[source] StoreError),
}

/// Runs a gateway until a signal ends it. The first one lets work finish, the second does not, and the third ends the process
/// as it is.
pub fn serve(options: Options, helper: Option<Helper>) -> Result<(), ServeError> {
    let config = Config::load(options)?;
    let _logs = logs::begin(config.log, &config.log_filter)?;
    raise_limits();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(run(config, helper));
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

async fn run(config: Config, helper: Option<Helper>) -> Result<(), ServeError> {
    // Before anything else: a signal during the start must not leave half of it behind.
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let overrides = Overrides { helper, ..Overrides::default() };
    if config.dev {
        tracing::warn!("--dev: everybody on this machine is let in as the owner");
    }
    if !config.listen.ip().is_loopback() {
        tracing::warn!(listen = %config.listen, "listening beyond this machine: keys travel in the clear unless a proxy adds TLS");
    }
    let running = tokio::select! {
        running = Server::start(config, overrides) => running?,
        () = signals.next() => return Ok(()),
    };
    announce(&running);
    tracing::info!(listen = running.url(), version = env!("CARGO_PKG_VERSION"), "ready");
    signals.next().await;
    let hurry = CancellationToken::new();
    let again = async {
        signals.next().await;
        tracing::warn!("a second signal: stopping at once");
        hurry.cancel();
        signals.next().await;
        tracing::warn!("a third signal: ending as it is");
        // Nothing may be waited for any more, destructors included.
        std::process::exit(IMPATIENT)
    };
    tokio::select! {
        closed = running.stop(hurry.clone()) => closed.map_err(ServeError::Close),
        ended = again => ended,
    }
}

/// What people and scripts wait for: one line, and at the first start the key. Nobody has to listen.
fn announce(running: &Running) {
    let mut out = std::io::stdout().lock();
    let mut lines = format!("rejoin is ready on {}\n", running.url());
    if let Some(key) = running.first_key() {
        let file = key.file.display();
        lines += &format!("the owner's key, shown this once and kept in {file}: {}\n", key.text);
    }
    if let Err(error) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "announcing on stdout");
    }
}

/// The two signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Lets us have as many descriptors as the system allows at all: every connection is one.
fn raise_limits() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "raising the limit of open files");
    }
}
