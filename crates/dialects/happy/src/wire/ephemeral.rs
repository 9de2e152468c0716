//! What is told and not kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Millis;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Ephemeral {
    Activity { id: String, active: bool, active_at: Millis, thinking: bool },
    MachineActivity { id: String, active: bool, active_at: Millis },
    Usage { id: String, key: String, tokens: Value, cost: Value, timestamp: Millis },
    SessionEvent { session_id: String, kind: String, title: String, body: String, timestamp: Millis },
}
