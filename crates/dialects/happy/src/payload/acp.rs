//! Messages of any agent in one form, as the Agent Communication Protocol of the original has them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Extra;

/// Which agent speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcpProvider {
    Gemini,
    Codex,
    Claude,
    OpenCode,
    OpenClaw,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum AcpMessage {
    Message {
        message: String,
    },
    Reasoning {
        message: String,
    },
    Thinking {
        text: String,
    },
    ToolCall {
        call_id: String,
        name: String,
        input: Value,
        id: String,
    },
    ToolResult {
        call_id: String,
        output: Value,
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
    /// What apps read as well; of older writers.
    ToolCallResult {
        call_id: String,
        output: Value,
        id: String,
    },
    FileEdit {
        description: String,
        file_path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old_content: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_content: Option<String>,
        id: String,
    },
    TerminalOutput {
        data: String,
        call_id: String,
    },
    #[serde(rename = "task_started")]
    TaskStarted {
        id: String,
    },
    #[serde(rename = "task_complete")]
    TaskComplete {
        id: String,
    },
    #[serde(rename = "turn_aborted")]
    TurnAborted {
        id: String,
    },
    PermissionRequest {
        permission_id: String,
        tool_name: String,
        description: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Value>,
    },
    #[serde(rename = "token_count")]
    TokenCount {
        #[serde(flatten)]
        fields: Extra,
    },
    #[serde(untagged)]
    Other(Value),
}
