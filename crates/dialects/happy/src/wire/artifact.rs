//! A document of an account: a header and a body, each with its version.

use serde::{Deserialize, Serialize};

use super::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    #[serde(flatten)]
    pub head: ArtifactHead,
    pub body: String,
    pub body_version: u64,
}

/// An artifact without its body, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactHead {
    pub id: String,
    pub header: String,
    pub header_version: u64,
    /// Left out where a socket answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_encryption_key: Option<String>,
    pub seq: u64,
    pub created_at: Millis,
    pub updated_at: Millis,
}
