//! Prompts that wait for the turn before them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::QueueId;
use crate::part::Attachment;
use crate::position::Millis;
use crate::who::Author;

/// How many prompts may wait.
pub const MOST_QUEUED: usize = 100;
/// The longest prompt, in bytes, with the addresses of what is attached.
pub const LONGEST_PROMPT: usize = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueItem {
    pub id: QueueId,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    pub added_at: Millis,
    pub author: Author,
    /// The client's own name for the prompt, given back when its turn starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}
