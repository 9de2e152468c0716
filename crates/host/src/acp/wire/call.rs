//! Calls of tools, and what changes about them.

use serde_json::Value;

use super::content::Block;
use super::{members, take, take_list, take_text};

/// What an update says of a call. What is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::acp) struct CallUpdate {
    pub(in crate::acp) id: String,
    pub(in crate::acp) title: Option<String>,
    /// The tool's own name; many agents give a title only.
    pub(in crate::acp) name: Option<String>,
    pub(in crate::acp) kind: Option<String>,
    pub(in crate::acp) status: Option<Status>,
    /// All of it, anew.
    pub(in crate::acp) content: Option<Vec<CallContent>>,
    pub(in crate::acp) locations: Option<Vec<Value>>,
    pub(in crate::acp) raw_input: Option<Value>,
    pub(in crate::acp) raw_output: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::acp) enum Status {
    Pending,
    Running,
    Completed,
    Failed,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::acp) enum CallContent {
    Block(Block),
    /// A difference, as it came.
    Diff(Value),
    /// The output of a terminal that we run.
    Terminal(String),
    Other(Value),
}

impl CallUpdate {
    /// `None`: it does not say which call it is about.
    pub(in crate::acp) fn read(value: Value) -> Option<CallUpdate> {
        let mut from = members(value);
        let id = take_text(&mut from, "toolCallId").filter(|id| !id.is_empty())?;
        let status = take_text(&mut from, "status").and_then(|status| match status.as_str() {
            "pending" => Some(Status::Pending),
            "in_progress" => Some(Status::Running),
            "completed" => Some(Status::Completed),
            "failed" => Some(Status::Failed),
            _ => None,
        });
        Some(CallUpdate {
            id,
            title: take_text(&mut from, "title"),
            name: take_text(&mut from, "name"),
            kind: take_text(&mut from, "kind"),
            status,
            content: take_list(&mut from, "content")
                .map(|content| content.into_iter().map(CallContent::read).collect()),
            locations: take_list(&mut from, "locations"),
            raw_input: take(&mut from, "rawInput"),
            raw_output: take(&mut from, "rawOutput"),
        })
    }
}

impl CallContent {
    fn read(value: Value) -> CallContent {
        match super::text(&value, "type") {
            Some("content") if value.get("content").is_some_and(Value::is_object) => {
                CallContent::Block(Block::read(members(value).remove("content").unwrap_or_default()))
            }
            Some("diff") => CallContent::Diff(value),
            Some("terminal") => match super::text(&value, "terminalId") {
                Some(id) => CallContent::Terminal(id.to_owned()),
                None => CallContent::Other(value),
            },
            _ => CallContent::Other(value),
        }
    }
}
