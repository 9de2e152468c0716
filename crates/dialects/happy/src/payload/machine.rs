//! What a machine says of itself and of its daemon.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Extra;
use crate::wire::Millis;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineMetadata {
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub platform: String,
    #[serde(default)]
    pub happy_cli_version: String,
    #[serde(default)]
    pub home_dir: String,
    #[serde(default)]
    pub happy_home_dir: String,
    #[serde(default)]
    pub happy_lib_dir: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cli_availability: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_support: Option<Value>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DaemonState {
    /// `running`, `shutting-down`, or what others write.
    #[serde(default)]
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_requested_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_source: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl DaemonState {
    pub fn running(started_at: Millis) -> DaemonState {
        DaemonState {
            status: "running".to_owned(),
            pid: Some(std::process::id()),
            started_at: Some(started_at),
            ..DaemonState::default()
        }
    }
}
