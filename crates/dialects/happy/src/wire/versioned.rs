//! A value that is changed by compare-and-set, as updates tell it.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    /// `null` where the value is none.
    pub value: Option<String>,
    pub version: u64,
}
