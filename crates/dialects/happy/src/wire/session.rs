//! A session, as lists and answers show it.

use serde::{Deserialize, Serialize};

use super::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub id: String,
    /// The number of its newest message; 0 when it has none.
    pub seq: u64,
    pub metadata: String,
    pub metadata_version: u64,
    pub agent_state: Option<String>,
    pub agent_state_version: u64,
    /// The wrapped key of its contents. None: they are sealed under the account's secret.
    #[serde(default)]
    pub data_encryption_key: Option<String>,
    pub active: bool,
    pub active_at: Millis,
    pub created_at: Millis,
    pub updated_at: Millis,
}
