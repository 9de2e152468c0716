//! The answer to what an agent wants to be allowed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Decision, PermissionMode};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionAnswer {
    /// The request's id in the agent state.
    pub id: String,
    pub approved: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PermissionMode>,
    /// What is allowed from now on: a tool, `Bash(command)`, or `Bash(prefix:*)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_tools: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_input: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl PermissionAnswer {
    pub fn approve(id: impl Into<String>) -> PermissionAnswer {
        PermissionAnswer {
            id: id.into(),
            approved: true,
            reason: None,
            mode: None,
            allow_tools: None,
            updated_input: None,
            decision: None,
        }
    }

    pub fn deny(id: impl Into<String>, reason: Option<&str>) -> PermissionAnswer {
        let reason = reason.map(str::to_owned);
        PermissionAnswer { approved: false, reason, ..PermissionAnswer::approve(id) }
    }
}
