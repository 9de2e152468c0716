//! JSON values of agents and clients, which we keep and do not look into.

use serde_json::Value;

/// How deep such a value may be. Readers of JSON give up at some depth, ours at 127 for a whole line or snapshot, and a
/// log that cannot be read again is lost.
pub const DEEPEST_VALUE: usize = 64;

/// Whether a value is deeper than [`DEEPEST_VALUE`].
pub fn is_too_deep(value: &Value) -> bool {
    fn is_deeper(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(list) => left == 0 || list.iter().any(|inner| is_deeper(inner, left - 1)),
            Value::Object(map) => left == 0 || map.values().any(|inner| is_deeper(inner, left - 1)),
            _ => false,
        }
    }
    is_deeper(value, DEEPEST_VALUE)
}

/// The value itself, or its text where it is too deep: an agent's happenings cannot be refused.
pub(crate) fn shallow(value: Value) -> Value {
    if is_too_deep(&value) { Value::String(value.to_string()) } else { value }
}
