//! Control: which client holds the wheel, among those that speak of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, UserId};
use crate::position::Millis;
use crate::refusal::Refusal;

/// How long a controller that lost its connection keeps control.
pub const GRACE_MS: Millis = 15_000;
/// How long a takeover waits for an answer.
pub const TAKEOVER_MS: Millis = 60_000;

/// A client of a user: who can hold control.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub user: UserId,
    pub client: ClientId,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Control {
    #[default]
    Free,
    Held {
        holder: Holder,
        since: Millis,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        takeover: Option<Takeover>,
    },
    /// The holder's connection is gone; it may come back until `until`.
    Grace { holder: Holder, since: Millis, until: Millis },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Takeover {
    pub by: Holder,
    pub asked_at: Millis,
}

/// What changed it, as people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ControlReason {
    AutoClaimed,
    Claimed,
    Released,
    TakeoverRequested,
    TakeoverApproved,
    TakeoverAutoApproved,
    TakeoverDenied,
    GraceEntered,
    GraceReattached,
    GraceExpired,
}

impl Control {
    /// Whether somebody may act: control binds the clients that speak of it, and in a strict session everybody.
    pub fn check(&self, who: Option<&Holder>, speaks_control: bool, strict: bool) -> Result<(), Refusal> {
        let Some(holder) = self.holder().filter(|_| speaks_control || strict) else { return Ok(()) };
        match who {
            None => Err(Refusal::ClientRequired),
            Some(who) if who == holder => Ok(()),
            Some(_) => Err(Refusal::NotController { holder: Some(holder.clone()) }),
        }
    }
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Control::Free => None,
            Control::Held { holder, .. } | Control::Grace { holder, .. } => Some(holder),
        }
    }
    /// When something must be decided about it if nobody acts.
    pub fn wake_at(&self) -> Option<Millis> {
        match self {
            Control::Grace { until, .. } => Some(*until),
            Control::Held { takeover: Some(takeover), .. } => Some(takeover.asked_at.saturating_add(TAKEOVER_MS)),
            _ => None,
        }
    }
}
