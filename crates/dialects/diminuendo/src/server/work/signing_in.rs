//! Signing in, and signing in again.

use std::net::IpAddr;
use std::sync::Arc;

use rejoin_ports::sign_in::Carrier;
use serde_json::{Value, json};

use super::{Asking, Done, Effect, Outcome};
use crate::names::{self, told};
use crate::server::failure::Refused;
use crate::server::who::Who;
use crate::server::{DOOR, Hall, close};
use crate::wire::Code;

pub(in crate::server) async fn authenticate(
    door: &Hall,
    asking: &Asking,
    token: String,
    versions: Option<Vec<u64>>,
) -> Outcome {
    let known = [names::PROTOCOL_VERSION, names::DOTTED_VERSION];
    if versions.is_some_and(|versions| !versions.iter().any(|version| known.contains(version))) {
        let refused = Refused::new(Code::VersionMismatch, "This server speaks version 1");
        let mut done = Done::told(refused.to_frame(door.options.error_code_style));
        done.effect = Effect::Over(close::VERSION, "no common version");
        return Ok(done);
    }
    let who = sign_in(door, asking.peer, &asking.connection, token).await?;
    let Some(known) = &asking.who else {
        return welcome(door, who).await;
    };
    // Again: another token of the same tenant takes the place of the first; anything else changes nothing.
    if known.signed.identity.tenant != who.signed.identity.tenant {
        return Err(Refused::not_signed_in());
    }
    Ok(Done { effect: Effect::SignedIn(who.clone(), None), ..Done::told(authenticated(&who)) })
}

/// Lets somebody in who needs to show nothing.
pub(in crate::server) async fn unasked(door: &Hall, peer: Option<IpAddr>, connection: &Arc<str>) -> Outcome {
    let who = sign_in(door, peer, connection, String::new()).await?;
    welcome(door, who).await
}

async fn sign_in(door: &Hall, peer: Option<IpAddr>, connection: &Arc<str>, token: String) -> Result<Who, Refused> {
    let token = Some(token).filter(|token| !token.is_empty());
    let signed = door.gateway.sign_in.sign_in(Carrier { token, peer, door: DOOR }).await?;
    Ok(Who { signed, connection: connection.clone() })
}

/// From before this answer on, nothing that happens in the tenant is missed.
async fn welcome(door: &Hall, who: Who) -> Outcome {
    let listening = door.tenants.listen(&who.signed.identity.tenant).await?;
    let told = authenticated(&who);
    Ok(Done { effect: Effect::SignedIn(who, Some(listening)), ..Done::told(told) })
}

fn authenticated(who: &Who) -> Value {
    json!({ "type": told::AUTHENTICATED, "identity": who.to_wire() })
}
