//! Receipts of an owner: which commands were done, so that one sent twice is done once.

use std::collections::{HashMap, VecDeque};

use rejoin_core::id::{CommandId, UserId};
use rejoin_ports::store::{Receipt, receipt_name};

use super::names::Names;

/// How many are remembered whole; older ones are read from the store.
const RECENT: usize = 256;
/// How many names are read when an owner begins, to know that a command is new without asking the store. A session that has
/// more has its commands looked up.
pub(crate) const KNOWN: usize = 65_536;

pub(crate) struct Receipts {
    recent: HashMap<(UserId, CommandId), Receipt>,
    order: VecDeque<(UserId, CommandId)>,
    /// The names of every command there was. `None`: not known.
    known: Option<Names>,
}

pub(crate) enum Met {
    Never,
    Before(Receipt),
    /// Only the store can tell.
    Perhaps,
}

impl Receipts {
    fn with(known: Option<Names>) -> Receipts {
        Receipts { recent: HashMap::new(), order: VecDeque::new(), known }
    }
    /// For a session that is new: there are none but those that come.
    pub(crate) fn complete() -> Receipts {
        Receipts::with(Some(Names::default()))
    }
    pub(crate) fn unknown() -> Receipts {
        Receipts::with(None)
    }
    /// What the store gave when it was asked for [`KNOWN`] names.
    pub(crate) fn of(names: Vec<[u8; 16]>) -> Receipts {
        Receipts::with((names.len() < KNOWN).then(|| {
            let mut known = Names::default();
            names.into_iter().for_each(|name| known.add(name));
            known
        }))
    }

    pub(crate) fn meet(&self, user: &UserId, command: &CommandId) -> Met {
        if let Some(receipt) = self.recent.get(&(user.clone(), command.clone())) {
            return Met::Before(receipt.clone());
        }
        match &self.known {
            Some(known) if !known.may_have(&receipt_name(user, command)) => Met::Never,
            _ => Met::Perhaps,
        }
    }

    /// Whether there may be a receipt of this name. If so, only the store can tell.
    pub(crate) fn may_have(&self, name: &[u8; 16]) -> bool {
        self.known.as_ref().is_none_or(|known| known.may_have(name))
    }

    /// Remembers a receipt by its name alone.
    pub(crate) fn remember_name(&mut self, name: [u8; 16]) {
        if let Some(known) = &mut self.known {
            known.add(name);
        }
    }

    pub(crate) fn remember(&mut self, receipt: &Receipt) {
        if self.known.is_some() {
            self.remember_name(receipt_name(&receipt.user, &receipt.command));
        }
        let key = (receipt.user.clone(), receipt.command.clone());
        if self.recent.insert(key.clone(), receipt.clone()).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > RECENT {
            let oldest = self.order.pop_front().expect("just counted");
            self.recent.remove(&oldest);
        }
    }
}
