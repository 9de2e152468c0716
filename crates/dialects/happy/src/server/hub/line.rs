//! One thing that sockets are told, and which of them.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::server::engine::{Namespace, Packet};

/// Which sockets of an account are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// People's: phones, pages, tools.
    People,
    /// People's, and those of this session.
    Session(Arc<str>),
    /// People's, and those of this machine.
    Machine(Arc<str>),
}

/// A line of the account's feed as sockets are told it.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) scope: Scope,
    /// The socket that said it, which hears no echo.
    pub(crate) except: Option<Arc<str>>,
    pub(crate) told: Arc<Told>,
}

/// An event with its argument, written once for each namespace that somebody listens in.
pub(crate) struct Told {
    /// `["update",{…}]`
    text: String,
    packets: [OnceLock<Packet>; Namespace::COUNT],
}

impl Told {
    pub(crate) fn new(event: &'static str, argument: &impl Serialize) -> Told {
        let text = serde_json::to_string(&(event, argument)).expect("what is told has text keys");
        Told { text, packets: Default::default() }
    }

    /// What it takes in memory, once written.
    pub(crate) fn weight(&self) -> usize {
        self.text.len() * 2
    }

    pub(crate) fn packet(&self, namespace: Namespace) -> Packet {
        let write = || match namespace {
            Namespace::Main => Packet::new(&format!("42{}", self.text)),
            below => Packet::new(&format!("42{below},{}", self.text)),
        };
        self.packets[namespace as usize].get_or_init(write).clone()
    }
}
