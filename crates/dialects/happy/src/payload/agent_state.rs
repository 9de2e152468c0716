//! Who drives a session, and what its agent wants to be allowed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, PermissionMode};
use crate::wire::Millis;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentState {
    /// True: the terminal drives; false: a phone or a browser does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controlled_by_user: Option<bool>,
    /// What waits for an answer, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<BTreeMap<String, ToolRequest>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_requests: Option<BTreeMap<String, Completed>>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolRequest {
    pub tool: String,
    #[serde(default)]
    pub arguments: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Millis>,
    /// Where it differs from the request's id: of subagents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    pub tool: String,
    #[serde(default)]
    pub arguments: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Millis>,
    pub status: RequestStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PermissionMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The name that command lines write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_tools: Option<Vec<String>>,
    /// The name that apps read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestStatus {
    Approved,
    Denied,
    Canceled,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approved,
    ApprovedForSession,
    Denied,
    Abort,
    #[serde(untagged)]
    Other(String),
}

impl AgentState {
    /// Adds what waits for an answer.
    pub fn ask(&mut self, id: impl Into<String>, request: ToolRequest) {
        self.requests.get_or_insert_default().insert(id.into(), request);
    }

    /// Moves a request to the completed ones. False: nobody waits for it.
    pub fn complete(
        &mut self,
        id: &str,
        status: RequestStatus,
        at: Millis,
        change: impl FnOnce(&mut Completed),
    ) -> bool {
        let Some(asked) = self.requests.as_mut().and_then(|requests| requests.remove(id)) else { return false };
        let mut completed = asked.completed(status, at);
        change(&mut completed);
        self.completed_requests.get_or_insert_default().insert(id.to_owned(), completed);
        true
    }

    /// Gives up everything that waits, as an abort or a restart does.
    pub fn cancel_all(&mut self, reason: &str, at: Millis) {
        for (id, asked) in self.requests.take().unwrap_or_default() {
            let mut completed = asked.completed(RequestStatus::Canceled, at);
            completed.reason = Some(reason.to_owned());
            self.completed_requests.get_or_insert_default().insert(id, completed);
        }
        self.requests = Some(BTreeMap::new());
    }
}

impl ToolRequest {
    pub fn new(tool: impl Into<String>, arguments: Value, created_at: Millis) -> ToolRequest {
        ToolRequest { tool: tool.into(), arguments, created_at: Some(created_at), ..ToolRequest::default() }
    }

    fn completed(self, status: RequestStatus, at: Millis) -> Completed {
        Completed {
            tool: self.tool,
            arguments: self.arguments,
            created_at: self.created_at,
            completed_at: Some(at),
            status,
            reason: None,
            mode: None,
            decision: None,
            allow_tools: None,
            allowed_tools: None,
            tool_use_id: self.tool_use_id,
            extra: self.extra,
        }
    }
}
