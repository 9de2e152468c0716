//! What the bridge stands on: the gateway on one side, and what it needs to go to the other.

use std::path::Path;
use std::sync::Arc;

use rejoin_happy::client::{Clock as HappyClock, Options, Server};
use rejoin_ports::clock::Clock;
use rejoin_ports::gateway::{Failure, Follow, Sessions, Workspaces};
use rejoin_ports::store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::kept::Book;
use super::metadata::Machine;
use crate::happy::LinkServers;
use crate::secrets::Vault;
use crate::shelf::Shelf;
use crate::sign_in::Gate;

/// Shared sessions that are opened at once: after a start there may be many, and others want to be served too.
const OPENING: usize = 4;

/// What the bridge is put together from.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) follow: Arc<dyn Follow>,
    pub(crate) workspaces: Arc<dyn Workspaces>,
    /// Where our own Happy door is.
    pub(crate) own: String,
    /// Which others there may be.
    pub(crate) others: LinkServers,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

pub(super) struct World {
    pub(super) book: Book,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: Arc<Gate>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) follow: Arc<dyn Follow>,
    pub(super) workspaces: Arc<dyn Workspaces>,
    pub(super) machine: Machine,
    pub(super) own: String,
    pub(super) others: LinkServers,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) opening: Semaphore,
}

impl World {
    pub(super) fn new(parts: Parts, data: &Path) -> World {
        let Parts { store, vault, clock, gate, sessions, follow, workspaces, own, others, tasks, stop } = parts;
        World {
            book: Book { shelf: Shelf::new(store.clone()), vault },
            store,
            clock,
            gate,
            sessions,
            follow,
            workspaces,
            machine: Machine::here(data),
            own,
            others,
            tasks,
            stop,
            opening: Semaphore::new(OPENING),
        }
    }

    /// How to talk to a server; none named is our own.
    pub(super) fn options(&self, server: Option<&str>) -> Result<Options, Failure> {
        let url = server.unwrap_or(&self.own);
        let server = Server::new(url).map_err(|_| Failure::Invalid {
            field: "server",
            why: "it must be an address that begins with http:// or https://".to_owned(),
        })?;
        let clock = self.clock.clone();
        Ok(Options {
            label: concat!("rejoin-bridge/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: HappyClock::new(move || clock.now()),
            ..Options::for_server(server)
        })
    }
}
