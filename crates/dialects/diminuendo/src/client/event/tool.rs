//! Tools that the agent uses.

use serde_json::Value;

use super::payload::payloads;

payloads! {
    /// The agent begins to write a call.
    ToolCallStart turn { tool_call_id: String, tool_name: String }
    /// More of a call's arguments, as text of unfinished JSON.
    ToolCallDelta turn { tool_call_id: String, delta: String }
    /// The agent uses a tool.
    ToolCall turn { tool_call_id: String, tool_name: String, args: Value }
    /// What the tool answered.
    ToolResult turn {
        tool_call_id: String,
        tool_name: Option<String>,
        /// `success` or `error`.
        status: String,
        output: Value,
    }
    /// The tool could not answer.
    ToolError turn {
        tool_call_id: String,
        tool_name: Option<String>,
        #[serde(alias = "error")]
        message: String,
    }
}
