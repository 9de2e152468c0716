//! Who is at the other end, once that is known.

use std::sync::Arc;

use rejoin_core::who::{Author, Identity};
use rejoin_ports::gateway::Caller;
use rejoin_ports::sign_in::{SignedIn, Standing};

use super::DOOR;
use crate::wire;

#[derive(Clone)]
pub(super) struct Who {
    pub(super) signed: SignedIn,
    /// The connection's name, which clients know as their `clientId`.
    pub(super) connection: Arc<str>,
}

impl Who {
    /// As it stands now: the role may have changed since it signed in.
    pub(super) fn identity(&self) -> Identity {
        let mut identity = self.signed.identity.clone();
        if let Standing::Changed(role) = *self.signed.standing.borrow() {
            identity.role = role;
        }
        identity
    }

    pub(super) fn caller(&self) -> Caller {
        let identity = self.identity();
        let author = Author {
            user: identity.user.clone(),
            door: DOOR.to_owned(),
            client: None,
            connection: Some(self.connection.to_string()),
        };
        Caller { identity, author: Arc::new(author), capabilities: Vec::new(), speaks_control: false }
    }

    pub(super) fn to_wire(&self) -> wire::Identity {
        let identity = &self.signed.identity;
        wire::Identity {
            user_id: identity.user.to_string(),
            email: identity.email.clone().unwrap_or_default(),
            tenant_id: identity.tenant.to_string(),
        }
    }
}
