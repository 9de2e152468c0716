//! A computer where a daemon starts sessions.

use serde::{Deserialize, Serialize};

use super::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub id: String,
    pub metadata: String,
    pub metadata_version: u64,
    pub daemon_state: Option<String>,
    pub daemon_state_version: u64,
    #[serde(default)]
    pub data_encryption_key: Option<String>,
    /// Always 0, and missing where a machine is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub active: bool,
    pub active_at: Millis,
    pub created_at: Millis,
    pub updated_at: Millis,
}
