//! Standing for a machine: saying that it is there, and answering calls to it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::handlers::{self, Place};
use super::register::{DAEMON_STATE, MACHINE_METADATA, Register};
use super::rpc::{Reply, RpcHandlers};
use super::socket::{Heard, Scope, Socket};
use super::{Account, Error, OpenedMachine, Options, Status};
use crate::payload::{DaemonState, MachineMetadata, SpawnSession, Spawned};
use crate::wire::{Body, Update};

/// How a machine is stood for.
#[derive(Debug, Clone, Default)]
pub struct MachineOptions {
    /// Whether people may run commands and look at files on all of the machine, and where relative paths begin.
    pub common_handlers: Option<PathBuf>,
}

/// A machine that is there. Cheap to clone; when the last clone is dropped it is closed.
#[derive(Clone)]
pub struct MachineClient(Arc<Owner>);

struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    id: String,
    options: Options,
    socket: Socket,
    metadata: Register<MachineMetadata>,
    daemon_state: Register<DaemonState>,
    rpc: RpcHandlers,
    stop: CancellationToken,
}

#[derive(Deserialize)]
struct Call {
    method: String,
    #[serde(default)]
    params: String,
}

#[derive(Deserialize)]
struct Stop {
    #[serde(rename = "sessionId")]
    session_id: String,
}

impl MachineClient {
    pub(super) fn open(account: &Account, machine: &OpenedMachine, options: MachineOptions) -> MachineClient {
        let (record, key) = (&machine.record, &machine.key);
        let id = record.id.as_str();
        let rpc = RpcHandlers::new(id, key);
        if let Some(folder) = options.common_handlers {
            handlers::register(&rpc, Place::machine(folder));
        }
        let scope = Scope::Machine(id.to_owned());
        let (socket, heard) = Socket::open(account.options(), account.token(), &scope);
        let state = record.daemon_state.as_deref();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            id: id.to_owned(),
            options: account.options().clone(),
            socket: socket.clone(),
            metadata: Register::new(MACHINE_METADATA, id, key, Some(&record.metadata), record.metadata_version),
            daemon_state: Register::new(DAEMON_STATE, id, key, state, record.daemon_state_version),
            rpc: rpc.clone(),
            stop: stop.clone(),
        });
        tokio::spawn(listen(shared.clone(), heard));
        tokio::spawn(beat(shared.clone()));
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = rpc.announce(socket) => {}
            }
        });
        MachineClient(Arc::new(Owner(shared)))
    }

    pub fn machine_id(&self) -> &str {
        &self.0.0.id
    }

    /// Whether there is a connection.
    pub fn status(&self) -> Status {
        self.0.0.socket.status()
    }

    /// Returns once the status is another than this one, and says which.
    pub async fn status_changed(&self, from: &Status) -> Status {
        self.0.0.socket.changed(from).await
    }

    /// Waits for a connection. An error says that there will be none, or none in that time.
    pub async fn connected(&self, patience: Duration) -> Result<(), Error> {
        self.0.0.socket.connected(Instant::now() + patience).await
    }

    /// The calls that are answered here.
    pub fn rpc(&self) -> &RpcHandlers {
        &self.0.0.rpc
    }

    pub fn metadata(&self) -> Option<MachineMetadata> {
        self.0.0.metadata.value()
    }

    pub fn daemon_state(&self) -> Option<DaemonState> {
        self.0.0.daemon_state.value()
    }

    /// Moves whenever other metadata were adopted.
    pub fn metadata_changes(&self) -> watch::Receiver<u64> {
        self.0.0.metadata.changes()
    }

    /// As [`SessionClient::update_metadata`](super::SessionClient::update_metadata).
    pub async fn update_metadata(
        &self,
        change: impl FnMut(MachineMetadata) -> MachineMetadata,
    ) -> Result<MachineMetadata, Error> {
        let shared = &self.0.0;
        let changing = shared.metadata.change(&shared.socket, &shared.options, change);
        Ok(self.unless_closed(changing).await?.expect("a change to something gives something"))
    }

    /// As [`SessionClient::update_metadata`](super::SessionClient::update_metadata).
    pub async fn update_daemon_state(
        &self,
        change: impl FnMut(DaemonState) -> DaemonState,
    ) -> Result<DaemonState, Error> {
        let shared = &self.0.0;
        let changing = shared.daemon_state.change(&shared.socket, &shared.options, change);
        Ok(self.unless_closed(changing).await?.expect("a change to something gives something"))
    }

    /// Calls this when people want a session to be started here.
    pub fn on_spawn_session<F>(&self, handler: impl Fn(SpawnSession) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Spawned, String>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.rpc().register_typed("spawn-happy-session", move |wanted: SpawnSession| {
            let spawning = handler(wanted);
            async move { spawning.await.map(|spawned| Reply::json(&spawned)) }
        });
    }

    /// Calls this when people want a session of this machine to end. False: there is no such session.
    pub fn on_stop_session<F>(&self, handler: impl Fn(String) -> F + Send + Sync + 'static)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.rpc().register_typed("stop-session", move |stop: Stop| {
            let stopping = handler(stop.session_id);
            async move {
                match stopping.await {
                    true => Ok(json!({ "message": "Session stopped" })),
                    false => Err("Session not found or failed to stop"),
                }
            }
        });
    }

    pub fn close(&self) {
        self.0.0.close();
    }

    async fn unless_closed<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            outcome = work => outcome,
            () = self.0.0.stop.cancelled() => Err(Error::Closed),
        }
    }
}

impl Shared {
    fn close(&self) {
        self.stop.cancel();
        self.rpc.clear();
        self.socket.close();
    }
}

impl fmt::Debug for MachineClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, status) = (self.machine_id(), self.status());
        out.debug_struct("MachineClient").field("id", &id).field("status", &status).finish_non_exhaustive()
    }
}

/// Says that the machine is there: at once on every connection, and every so often.
async fn beat(shared: Arc<Shared>) {
    let mut beats = interval(shared.options.heartbeat.max(Duration::from_millis(1)));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let beating = async {
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                () = connected_anew(&shared) => beats.reset(),
            }
            if shared.socket.status() == Status::Connected {
                let alive = json!({ "machineId": shared.id, "time": shared.options.clock.now() });
                let _ = shared.socket.emit("machine-alive", &alive).await; // the next beat says it again
            }
        }
    };
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = beating => {}
    }
}

/// Returns once there is a connection where there was none.
async fn connected_anew(shared: &Shared) {
    let mut status = shared.socket.status();
    if status == Status::Connected {
        status = shared.socket.changed(&status).await;
    }
    while status == Status::Connecting {
        status = shared.socket.changed(&status).await;
    }
    if status != Status::Connected {
        std::future::pending().await
    }
}

async fn listen(shared: Arc<Shared>, mut heard: mpsc::Receiver<Heard>) {
    let stop = shared.stop.clone();
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = heard.recv() => heard,
        };
        match heard {
            Some(Heard::Connected) => shared.rpc.connected(),
            Some(Heard::Lost) => {}
            None | Some(Heard::Refused) => return,
            Some(Heard::Event { name, data, reply }) => match (&*name, reply) {
                ("update", _) => update(&shared, &data),
                ("rpc-request", Some(reply)) => {
                    let nameless = Call { method: String::new(), params: String::new() };
                    let call = serde_json::from_str(&data).unwrap_or(nameless);
                    shared.rpc.called(&shared.socket, &call.method, &call.params, reply);
                }
                ("rpc-registered", _) => shared.rpc.heard_confirmation(&data),
                _ => tracing::debug!(machine = shared.id, event = name, "happy: an event"),
            },
        }
    }
}

fn update(shared: &Shared, data: &str) {
    if let Ok(Update { body: Body::UpdateMachine { machine_id, metadata, daemon_state }, .. }) =
        serde_json::from_str(data)
        && machine_id == shared.id
    {
        metadata.iter().for_each(|told| shared.metadata.adopt(told));
        daemon_state.iter().for_each(|told| shared.daemon_state.adopt(told));
    }
}
