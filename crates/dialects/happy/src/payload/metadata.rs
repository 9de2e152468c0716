//! What a session is: where it runs, what it is about, and what can be chosen in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, PermissionMode};
use crate::wire::Millis;

/// Apps need `path` and `host`; command lines want the four folders behind them as well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happy_home_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happy_lib_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happy_tools_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claude_session_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codex_thread_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slash_commands: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_servers: Option<Vec<McpServer>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from_daemon: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<u32>,
    /// `daemon` or `terminal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// `running`, `archiveRequested`, `archived`, or what others write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_state_since: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_reason: Option<String>,
    /// Which agent: `claude`, `codex`, `gemini`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// Everything else that is in use: `skills`, `models`, `operatingModes`, `sandbox`, and what is yet to come.
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub text: String,
    pub updated_at: Millis,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpServer {
    pub name: String,
    #[serde(default)]
    pub status: Value,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Metadata {
    /// Why a session ended, as the one who ends it writes it down.
    pub fn archive(&mut self, by: &str, reason: &str, at: Millis) {
        self.lifecycle_state = Some("archived".to_owned());
        self.lifecycle_state_since = Some(at);
        self.archived_by = Some(by.to_owned());
        self.archive_reason = Some(reason.to_owned());
    }

    /// Whether somebody wants the session to end, or has ended it.
    pub fn is_ending(&self) -> bool {
        matches!(self.lifecycle_state.as_deref(), Some("archiveRequested" | "archived"))
    }
}
