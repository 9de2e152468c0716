//! Other services that show a person's sessions: linked by that person, and handed only the sessions they choose.

use async_trait::async_trait;
use rejoin_core::id::SessionId;
use rejoin_core::position::{Millis, Position};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway::{Caller, Failure};

/// How to link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewLink {
    /// Where the service is; absent: this gateway itself, where it offers that service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// How far the link to a service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkStanding {
    #[default]
    None,
    /// Somebody has to look at `show` and agree.
    Waiting,
    Linked,
    /// The service does not let us in any more: link again.
    Refused,
}

/// The link of one person to one service. What it signs in with is never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    pub kind: String,
    pub standing: LinkStanding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What to open or scan in the service's app while the link waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<String>,
    /// Since when it stands like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// Whether sessions that the person creates from now on are shared without asking.
    #[serde(default)]
    pub share_new: bool,
    /// What went wrong last, if it still does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far a shared session is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ShareStanding {
    /// On its way, or waiting for a service that cannot be reached.
    #[default]
    Waiting,
    /// The service has everything up to `position`, and hears what follows.
    Live,
    /// It cannot go on; `error` says why.
    Failed,
}

/// A session that a service shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub session: SessionId,
    pub standing: ShareStanding,
    pub since: Millis,
    /// The service's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// What the service has confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The caller's links and what they show.
#[async_trait]
pub trait Integrations: Send + Sync + 'static {
    fn kinds(&self) -> Vec<&'static str>;
    async fn link(&self, caller: &Caller, kind: &str) -> Result<Link, Failure>;
    /// Begins to link. Who is linked, or waits to be at the same server, gets the link as it is.
    async fn begin_link(&self, caller: &Caller, kind: &str, new: NewLink) -> Result<Link, Failure>;
    /// Forgets the link, its secrets and what was shared. What the service has already, it keeps.
    async fn unlink(&self, caller: &Caller, kind: &str) -> Result<(), Failure>;
    /// Whether sessions that the caller creates from now on are shared without asking.
    async fn share_new(&self, caller: &Caller, kind: &str, all: bool) -> Result<Link, Failure>;
    async fn shared(&self, caller: &Caller, kind: &str) -> Result<Vec<Share>, Failure>;
    /// Shares a session from its beginning. One that is shared stays so.
    async fn share(&self, caller: &Caller, kind: &str, session: &SessionId) -> Result<Share, Failure>;
    async fn unshare(&self, caller: &Caller, kind: &str, session: &SessionId) -> Result<(), Failure>;
}
