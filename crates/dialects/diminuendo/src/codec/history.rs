//! Messages as history shows them: one item each.

use rejoin_core::part::{MessageRole, MessageStatus, PartBody, WholeMessage};
use serde_json::{Map, Value, json};

use super::number;
use crate::wire::{HistoryItem, HistoryRole};

/// How many tool calls of a message are named; all of them are in the events.
const MOST_CALLS: usize = 100;

/// The item of a message. `seq` is the number of the event that completed it, where it is known.
pub(crate) fn item(whole: &WholeMessage, seq: Option<u64>) -> HistoryItem {
    let message = &whole.message;
    let texts = whole.parts.iter().filter_map(|part| match &part.body {
        PartBody::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let mut metadata = Map::new();
    if let Some(turn) = &message.turn {
        metadata.insert("turnId".to_owned(), turn.as_str().into());
    }
    if let Some(seq) = seq {
        metadata.insert("seq".to_owned(), number::whole(seq).into());
    }
    if message.status == MessageStatus::Interrupted {
        metadata.insert("stopped".to_owned(), true.into());
    }
    if let Some(error) = &message.error {
        metadata.insert("error".to_owned(), error.as_str().into());
    }
    let calls: Vec<Value> = whole
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::Tool(call) => Some(json!({ "toolCallId": call.call, "toolName": call.name })),
            _ => None,
        })
        .take(MOST_CALLS)
        .collect();
    if !calls.is_empty() {
        metadata.insert("toolCalls".to_owned(), calls.into());
    }
    HistoryItem {
        id: message.id.to_string(),
        role: match message.role {
            MessageRole::User => HistoryRole::User,
            MessageRole::Assistant => HistoryRole::Assistant,
            MessageRole::System => HistoryRole::System,
        },
        content: texts.collect(),
        created_at: message.created_at,
        metadata: Some(Value::Object(metadata)),
    }
}
