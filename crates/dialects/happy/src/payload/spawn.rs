//! Starting a session on a machine from afar.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Extra;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpawnSession {
    pub directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_new_directory_creation: Option<bool>,
    /// `claude`, `codex`, `gemini`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort_level: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variables: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl SpawnSession {
    pub fn in_directory(directory: impl Into<String>) -> SpawnSession {
        let extra = Extra::from_iter([("type".to_owned(), "spawn-in-directory".into())]);
        SpawnSession { directory: directory.into(), extra, ..SpawnSession::default() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Spawned {
    Success {
        session_id: String,
    },
    /// The folder does not exist; ask again with `approved_new_directory_creation` if it may be made.
    RequestToApproveDirectoryCreation {
        directory: String,
    },
    Pending {
        client_request_id: String,
        retry_after_ms: u64,
    },
}
