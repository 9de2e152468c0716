//! What every handler has at hand.

use std::ops::Deref;
use std::sync::Arc;

use rejoin_ports::clock::{Clock, SystemClock};
use rejoin_ports::gateway::Gateway;
use rejoin_socket::Origins;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attached::Attached;
use crate::limits::{Limits, Rates};

/// How the door is opened.
#[derive(Clone)]
pub struct Options {
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    /// Which web pages may open a socket.
    pub origins: Origins,
    /// Knows of every socket's task, so that a stop can wait for them.
    pub tasks: TaskTracker,
    /// Ends feed streams when the gateway stops; streams of sessions hear of it from their readers.
    pub stop: CancellationToken,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            origins: Origins::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }
}

/// Cuts the connection that a request came over. The server puts one into the request's extensions; without it, an event
/// stream whose client does not read stays until the client goes.
#[derive(Debug, Clone)]
pub struct Hangup(pub CancellationToken);

/// The state of the router.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) gateway: Gateway,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) origins: Origins,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) rates: Rates,
    pub(crate) attached: Attached,
}

impl Api {
    pub(crate) fn new(gateway: Gateway, options: Options) -> Api {
        let rates = Rates::new(&options.limits);
        Api(Arc::new(Shared {
            gateway,
            limits: options.limits,
            clock: options.clock,
            origins: options.origins,
            tasks: options.tasks,
            stop: options.stop,
            rates,
            attached: Attached::default(),
        }))
    }
}

impl Deref for Api {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
