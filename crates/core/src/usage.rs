//! What turns cost, and how much a session may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens and money. Money is in millionths of a dollar, so that sums are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    #[serde(skip_serializing_if = "crate::part::is_zero")]
    pub cache_read: u64,
    #[serde(skip_serializing_if = "crate::part::is_zero")]
    pub cache_write: u64,
    /// `None`: the price is not known, which is not the same as free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
}

impl Usage {
    /// Adds up; an unknown price leaves the known sum.
    pub fn add(&mut self, more: &Usage) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.cost_micros = match (self.cost_micros, more.cost_micros) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
    }
}
