//! What a handler gives back.

use serde::Serialize;
use serde_json::Value;

/// The answer to a call: a value, or no more than that it was done.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Nothing,
    Value(Value),
}

impl Reply {
    /// Anything that is JSON.
    pub fn json(value: &impl Serialize) -> Reply {
        Reply::Value(serde_json::to_value(value).expect("answers are JSON"))
    }
}

impl From<()> for Reply {
    fn from((): ()) -> Reply {
        Reply::Nothing
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Reply {
        Reply::Value(value)
    }
}

impl From<bool> for Reply {
    fn from(value: bool) -> Reply {
        Reply::Value(value.into())
    }
}

impl From<String> for Reply {
    fn from(value: String) -> Reply {
        Reply::Value(value.into())
    }
}
