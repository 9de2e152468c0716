//! What an agent tells of its session while it works.

use rejoin_core::part::{PlanItem, PlanStatus};
use serde_json::Value;

use super::call::CallUpdate;
use super::content::Block;
use super::{members, take_list, take_text, text};

#[derive(Debug, Clone, PartialEq)]
pub(in crate::acp) enum Update {
    Said(Block),
    Thought(Block),
    /// What we said ourselves, said back.
    Echo,
    Call(Box<CallUpdate>),
    Plan(Vec<PlanItem>),
    /// The commands that a prompt may begin with.
    Commands(Value),
    Mode(String),
    Options(Value),
    Title(String),
    Used(Used),
    /// Whatever else it is.
    Other {
        kind: String,
        value: Value,
    },
}

/// How full the model's context is, and what the session has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::acp) struct Used {
    pub(in crate::acp) used: u64,
    pub(in crate::acp) size: u64,
    /// Millionths of a dollar. Other currencies are not counted.
    pub(in crate::acp) cost_micros: Option<u64>,
}

impl Update {
    /// Takes the place of what was told of the same thing before. Only for what is told as a whole each time.
    pub(in crate::acp) fn supersede(self, news: &mut Vec<Update>) {
        news.retain(|old| std::mem::discriminant(old) != std::mem::discriminant(&self));
        news.push(self);
    }

    pub(in crate::acp) fn read(mut value: Value) -> Update {
        let kind = text(&value, "sessionUpdate").unwrap_or_default().to_owned();
        let other = |value| Update::Other { kind: kind.clone(), value };
        match kind.as_str() {
            "agent_message_chunk" => Update::Said(Block::read(value["content"].take())),
            "agent_thought_chunk" => Update::Thought(Block::read(value["content"].take())),
            "user_message_chunk" => Update::Echo,
            "tool_call" | "tool_call_update" => match text(&value, "toolCallId") {
                Some(_) => CallUpdate::read(value).map_or(Update::Echo, |call| Update::Call(Box::new(call))),
                None => other(value),
            },
            "plan" if value["entries"].is_array() => Update::Plan(plan(&mut value)),
            "available_commands_update" => Update::Commands(value["availableCommands"].take()),
            "current_mode_update" => match text(&value, "currentModeId") {
                Some(mode) => Update::Mode(mode.to_owned()),
                None => other(value),
            },
            "config_option_update" => Update::Options(value["configOptions"].take()),
            "session_info_update" => match text(&value, "title").filter(|title| !title.trim().is_empty()) {
                Some(title) => Update::Title(title.to_owned()),
                None if value.get("title").is_some() => Update::Echo, // taken back; ours stays
                None => other(value),
            },
            "usage_update" => Update::Used(Used {
                used: value["used"].as_u64().unwrap_or(0),
                size: value["size"].as_u64().unwrap_or(0),
                cost_micros: micros(&value["cost"]),
            }),
            _ => other(value),
        }
    }
}

fn plan(value: &mut Value) -> Vec<PlanItem> {
    let entries = take_list(&mut members(value.take()), "entries").unwrap_or_default();
    let item = |entry: Value| {
        let mut entry = members(entry);
        let status = match take_text(&mut entry, "status").as_deref() {
            Some("completed") => PlanStatus::Completed,
            Some("in_progress") => PlanStatus::InProgress,
            _ => PlanStatus::Pending,
        };
        Some(PlanItem { text: take_text(&mut entry, "content")?, status })
    };
    entries.into_iter().filter_map(item).collect()
}

fn micros(cost: &Value) -> Option<u64> {
    let amount = cost.get("amount")?.as_f64()?;
    let dollars = text(cost, "currency").is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
    // A float becomes the nearest number that there is; nonsense becomes 0.
    dollars.then_some((amount * 1_000_000.0).round() as u64)
}
