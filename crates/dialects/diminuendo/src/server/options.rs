//! How the door is opened.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rejoin_ports::clock::{Clock, SystemClock};
use rejoin_socket::Origins;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::{NothingBehind, Probe};
use crate::names::{CodeStyle, Naming, SessionChange};

#[derive(Clone)]
pub struct Options {
    /// Everybody is let in: the three first messages come unasked.
    pub dev: bool,
    pub clock: Arc<dyn Clock>,
    /// Which web pages may open a socket.
    pub origins: Origins,
    /// Names for agents that clients know by another one.
    pub agent_types: BTreeMap<String, String>,
    pub error_code_style: CodeStyle,
    pub event_naming: Naming,
    pub session_change_event: SessionChange,
    /// Messages that one connection may send in ten seconds.
    pub messages_per_window: NonZeroU32,
    /// Knows of every socket's task, so that a stop can wait for them.
    pub tasks: TaskTracker,
    /// The gateway begins to stop: clients are told.
    pub draining: CancellationToken,
    /// Connections end.
    pub stop: CancellationToken,
    /// How long a stop waits for turns, as clients are told.
    pub grace_ms: u64,
    pub health: Arc<dyn Probe>,
}

/// As the original counts.
const MESSAGES: NonZeroU32 = NonZeroU32::new(60).unwrap();

impl Default for Options {
    fn default() -> Options {
        Options {
            dev: false,
            clock: Arc::new(SystemClock),
            origins: Origins::default(),
            agent_types: BTreeMap::from([("coding-agent".to_owned(), "script".to_owned())]),
            error_code_style: CodeStyle::default(),
            event_naming: Naming::default(),
            session_change_event: SessionChange::default(),
            messages_per_window: MESSAGES,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            grace_ms: 10_000,
            health: Arc::new(NothingBehind),
        }
    }
}
