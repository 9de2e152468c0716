//! What is told to whoever is there and kept nowhere: presence, and the like.

use std::sync::Arc;

use super::{Scope, Told};
use crate::wire::Ephemeral;

#[derive(Clone)]
pub(crate) struct Signal {
    pub(crate) scope: Scope,
    pub(crate) told: Arc<Told>,
    /// What it is about. Of two that wait, the newer one says it all.
    pub(crate) about: Option<String>,
}

impl Signal {
    pub(crate) fn new(scope: Scope, ephemeral: &Ephemeral) -> Signal {
        let about = match ephemeral {
            Ephemeral::Activity { id, .. } => Some(format!("session {id}")),
            Ephemeral::MachineActivity { id, .. } => Some(format!("machine {id}")),
            Ephemeral::Usage { .. } | Ephemeral::SessionEvent { .. } => None,
        };
        Signal { scope, told: Arc::new(Told::new("ephemeral", ephemeral)), about }
    }
}
