//! What a turn has cost.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// As models count it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_creation_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
}

/// As servers are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub total: u64,
    pub input: u64,
    pub output: u64,
    pub cache_creation: u64,
    pub cache_read: u64,
}

/// In US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub total: f64,
    pub input: f64,
    pub output: f64,
}

impl From<&Usage> for Tokens {
    fn from(usage: &Usage) -> Tokens {
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        let cache_creation = usage.cache_creation_input_tokens.unwrap_or_default();
        let cache_read = usage.cache_read_input_tokens.unwrap_or_default();
        let total = [output, cache_creation, cache_read].into_iter().fold(input, u64::saturating_add);
        Tokens { total, input, output, cache_creation, cache_read }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, more: Tokens) {
        self.total = self.total.saturating_add(more.total);
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_creation = self.cache_creation.saturating_add(more.cache_creation);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Cost) {
        self.total += more.total;
        self.input += more.input;
        self.output += more.output;
    }
}
