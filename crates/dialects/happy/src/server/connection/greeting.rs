//! How a connection begins: who it is, and what it is there for.

use serde_json::Value;

use crate::packet;
use crate::server::Hall;
use crate::server::engine::{Incoming, Namespace, Peer};
use crate::server::hub::Role;
use crate::server::who::Who;
use crate::wire::text;

/// Somebody who may join.
pub(super) struct Guest {
    pub(super) who: Who,
    pub(super) role: Role,
    pub(super) namespace: Namespace,
    /// Somebody looks at the client, as far as it says.
    pub(super) looks: bool,
    /// The client asks which of its events are answered once they are kept.
    pub(super) wants_confirmed: bool,
}

/// Waits for a client that may join. `None`: none came.
pub(super) async fn greet(hall: &Hall, peer: &mut Peer) -> Option<Guest> {
    loop {
        let Incoming::Connect { namespace, auth } = peer.next().await? else { continue };
        match admit(hall, namespace, auth.as_deref().map_or("{}", |auth| auth.get())).await {
            Ok(guest) => return Some(guest),
            // It may try again over the same connection.
            Err(message) => peer.reject(namespace, message),
        }
    }
}

async fn admit(hall: &Hall, namespace: Namespace, auth: &str) -> Result<Guest, &'static str> {
    // What has the wrong type is as good as not there.
    let auth: Value = serde_json::from_str(auth).unwrap_or_default();
    let text = |name: &str| auth.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("token").ok_or(text::MISSING_TOKEN)?;
    let role = match text("clientType") {
        Some("session-scoped") => Role::Session(text("sessionId").ok_or(text::NEEDS_SESSION)?.into()),
        Some("machine-scoped") => Role::Machine(text("machineId").ok_or(text::NEEDS_MACHINE)?.into()),
        _ => Role::Person,
    };
    let who = hall.sign_in(token).await.map_err(|_| text::INVALID_TOKEN)?;
    let wants_confirmed = auth.get(packet::CONFIRMED).is_some_and(|wants| *wants == Value::Bool(true));
    Ok(Guest { who, role, namespace, looks: text("appState") == Some("active"), wants_confirmed })
}
