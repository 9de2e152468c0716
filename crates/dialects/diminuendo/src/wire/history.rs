//! What was said, as history shows it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryItem {
    pub id: String,
    pub role: HistoryRole,
    pub content: String,
    pub created_at: u64,
    /// From our server `turnId`, `seq`, `stopped`, `error` and `toolCalls`, as far as they apply; others say other things.
    #[serde(default)]
    pub metadata: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HistoryRole {
    User,
    Assistant,
    System,
    Tool,
    /// What a newer server may say.
    #[serde(other)]
    Other,
}
