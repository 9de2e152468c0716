//! Registers: small values with a version, changed by compare-and-set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// How many a session has, and how long their names and values may be.
pub const MOST_REGISTERS: usize = 32;
pub const LONGEST_REGISTER_NAME: usize = 64;
pub const LONGEST_REGISTER: usize = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    pub version: u64,
    /// Kept as the exact text that came: it may be sealed.
    pub value: Option<String>,
}

/// What must hold of every value that is set.
pub(crate) fn check(name: &str, value: Option<&str>) -> Result<(), Refusal> {
    let fits =
        (1..=LONGEST_REGISTER_NAME).contains(&name.len()) && value.is_none_or(|value| value.len() <= LONGEST_REGISTER);
    if fits { Ok(()) } else { Err(Refusal::TooLong) }
}
