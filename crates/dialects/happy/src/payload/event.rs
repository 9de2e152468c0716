//! What happens to a session besides messages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PermissionMode;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum SessionEvent {
    Switch {
        mode: Drive,
    },
    Message {
        message: String,
    },
    PermissionModeChanged {
        mode: PermissionMode,
    },
    /// The turn is over and the agent idle.
    Ready,
    LimitReached {
        ends_at: u64,
    },
    #[serde(untagged)]
    Other(Value),
}

/// Where a session is driven from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drive {
    Local,
    Remote,
}
