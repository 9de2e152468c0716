//! Records of an account, and what their lines in its feed tell.

use rejoin_ports::gateway::{Failure, FeedLine};

use super::hub::Scope;
use super::who::Who;
use super::{Hall, account, artifact, friend, kv, machine};
use crate::wire::Body;

/// What a line of the feed tells of a record. Kinds that nobody listens for tell nothing.
pub(super) async fn told(hall: &Hall, who: &Who, line: &FeedLine) -> Result<Option<(Scope, Body)>, Failure> {
    let (Some(kind), Some(key)) = (line.kind.as_deref(), line.key.as_deref()) else { return Ok(None) };
    match kind {
        machine::KIND | machine::METADATA | machine::DAEMON_STATE => machine::told(hall, who, kind, key).await,
        artifact::KIND | artifact::CHANGED => artifact::told(hall, who, kind, key).await,
        account::SETTINGS | account::PROFILE => account::told(hall, who, kind).await,
        kv::BATCH => kv::told(hall, who, key).await,
        friend::POST => friend::told(hall, who, key).await,
        _ => Ok(None),
    }
}
