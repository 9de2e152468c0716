//! Events and messages as updates that an editor shows.

use rejoin_sdk::types::event::{Event, Growing};
use rejoin_sdk::types::part::{Message, MessageRole, Part, PartBody, PlanStatus, ToolCall, ToolState};
use serde_json::{Value, json};

/// The updates that an event becomes. What was asked for here is not told again to whoever asked.
pub(super) fn of_event(event: &Event, is_own: bool) -> Vec<Value> {
    match event {
        Event::MessageAdded { message, parts } if !is_own => of_message(message, parts),
        Event::PartDelta { text, of, .. } => match of {
            Growing::Text => vec![chunk("agent_message_chunk", text)],
            Growing::Reasoning => vec![chunk("agent_thought_chunk", text)],
            Growing::Arguments { .. } => Vec::new(),
        },
        Event::PartStarted { part } => match &part.body {
            PartBody::Tool(call) => vec![started(call)],
            _ => Vec::new(),
        },
        Event::PartUpdated { part } => match &part.body {
            PartBody::Tool(call) => vec![changed(call)],
            _ => Vec::new(),
        },
        Event::PartCompleted { part, whole } => match (&part.body, whole) {
            (PartBody::Tool(call), true) => vec![started(call), changed(call)],
            (PartBody::Tool(call), false) => vec![changed(call)],
            // Its text was told as it grew.
            (PartBody::Text { .. } | PartBody::Reasoning { .. }, false) => Vec::new(),
            _ => of_part(part, "agent_message_chunk"),
        },
        Event::SessionRenamed { title } => vec![json!({ "sessionUpdate": "session_info_update", "title": title })],
        _ => Vec::new(),
    }
}

/// The updates that show a whole message, as when an old session is loaded.
pub(super) fn of_message(message: &Message, parts: &[Part]) -> Vec<Value> {
    let kind = match message.role {
        MessageRole::User => "user_message_chunk",
        MessageRole::Assistant | MessageRole::System => "agent_message_chunk",
    };
    parts.iter().flat_map(|part| of_part(part, kind)).collect()
}

/// The updates that show a part by itself.
pub(super) fn of_part(part: &Part, kind: &str) -> Vec<Value> {
    match &part.body {
        PartBody::Text { text } if !text.is_empty() => vec![chunk(kind, text)],
        PartBody::Reasoning { text } if !text.is_empty() => vec![chunk("agent_thought_chunk", text)],
        PartBody::Tool(call) => vec![started(call), changed(call)],
        PartBody::Plan { items } => {
            let entries: Vec<Value> = items
                .iter()
                .map(|item| json!({ "content": item.text, "priority": "medium", "status": plan_status(item.status) }))
                .collect();
            vec![json!({ "sessionUpdate": "plan", "entries": entries })]
        }
        PartBody::Image { mime, url } => {
            let data = url.split_once(";base64,").map(|(_, data)| data);
            let content = match data {
                Some(data) => json!({ "type": "image", "mimeType": mime, "data": data }),
                None => json!({ "type": "resource_link", "name": "image", "uri": url, "mimeType": mime }),
            };
            vec![json!({ "sessionUpdate": kind, "content": content })]
        }
        PartBody::File { name, mime, url } => {
            let name = name.as_deref().unwrap_or("file");
            let content = json!({ "type": "resource_link", "name": name, "uri": url, "mimeType": mime });
            vec![json!({ "sessionUpdate": kind, "content": content })]
        }
        PartBody::Raw { source, value } => match source.as_str() {
            "acp.mode" => vec![json!({ "sessionUpdate": "current_mode_update", "currentModeId": value["mode"] })],
            "acp.commands" => {
                vec![json!({ "sessionUpdate": "available_commands_update", "availableCommands": value })]
            }
            "acp.options" => vec![json!({ "sessionUpdate": "config_option_update", "configOptions": value })],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn chunk(kind: &str, text: &str) -> Value {
    json!({ "sessionUpdate": kind, "content": { "type": "text", "text": text } })
}

fn plan_status(status: PlanStatus) -> &'static str {
    match status {
        PlanStatus::Pending => "pending",
        PlanStatus::InProgress => "in_progress",
        PlanStatus::Completed => "completed",
    }
}

fn started(call: &ToolCall) -> Value {
    json!({
        "sessionUpdate": "tool_call", "toolCallId": call.call, "title": call.name, "kind": kind(&call.name),
        "status": "pending", "rawInput": call.input,
    })
}

fn changed(call: &ToolCall) -> Value {
    let mut update = json!({ "sessionUpdate": "tool_call_update", "toolCallId": call.call, "rawInput": call.input });
    let (status, output) = match &call.state {
        ToolState::Pending => ("pending", None),
        ToolState::Running { .. } => ("in_progress", None),
        ToolState::Completed { output, .. } => ("completed", Some(output.clone())),
        ToolState::Failed { error, .. } => ("failed", Some(Value::from(error.as_str()))),
        ToolState::Interrupted { reason, .. } => ("failed", Some(Value::from(format!("interrupted: {reason}")))),
        ToolState::Unknown { .. } => {
            ("failed", Some(Value::from("it ran when the gateway stopped; what it did is not known")))
        }
    };
    update["status"] = status.into();
    if let Some(output) = output {
        let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
        update["content"] = json!([{ "type": "content", "content": { "type": "text", "text": text } }]);
        update["rawOutput"] = output;
    }
    update
}

/// What an editor draws beside a call.
fn kind(tool: &str) -> &'static str {
    match tool {
        "read" | "list" => "read",
        "write" | "edit" => "edit",
        "glob" | "grep" | "search" => "search",
        "shell" | "bash" => "execute",
        "fetch" => "fetch",
        _ => "other",
    }
}
