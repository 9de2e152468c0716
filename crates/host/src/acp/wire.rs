//! The protocol's own words: what an agent says, read as generously as can be.
//!
//! A member that is missing or of a strange kind counts as absent, and what has no word here is kept as it came. So an agent
//! of a later version of the protocol, or one that takes liberties, is understood as far as possible.

pub(super) mod call;
pub(super) mod content;
pub(super) mod setup;
pub(super) mod update;

use serde_json::{Map, Value};

type Members = Map<String, Value>;

/// The members of an object; none, if it is something else.
pub(super) fn members(value: Value) -> Members {
    match value {
        Value::Object(members) => members,
        _ => Members::new(),
    }
}

pub(super) fn take_text(from: &mut Members, name: &str) -> Option<String> {
    match from.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn take_list(from: &mut Members, name: &str) -> Option<Vec<Value>> {
    match from.remove(name) {
        Some(Value::Array(items)) => Some(items),
        _ => None,
    }
}

/// A member that is there and not null.
pub(super) fn take(from: &mut Members, name: &str) -> Option<Value> {
    from.remove(name).filter(|value| !value.is_null())
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Whether a capability is there: `true`, or an object, which may say more.
pub(super) fn has(value: &Value, name: &str) -> bool {
    match value.get(name) {
        Some(Value::Bool(has)) => *has,
        Some(Value::Object(_)) => true,
        _ => false,
    }
}
