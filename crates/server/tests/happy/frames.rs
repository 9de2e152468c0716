//! Looking at what was heard.

use serde_json::Value;

/// Characters of a frame that a failure shows.
const SHOWN: usize = 600;

/// A field that must be a text.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is no text in {}", clipped(&value.to_string())))
}

/// A field that must be a whole number.
pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("`{field}` is no whole number in {}", clipped(&value.to_string())))
}

/// A field that must be a list.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap_or_else(|| panic!("`{field}` is no list in {}", clipped(&value.to_string())))
}

/// A field of each of these.
pub(crate) fn each<'a>(values: &'a [Value], field: &str) -> Vec<&'a str> {
    values.iter().map(|value| text(value, field)).collect()
}

pub(crate) fn seqs(values: &[Value]) -> Vec<u64> {
    values.iter().map(|value| number(value, "seq")).collect()
}

pub(crate) fn clipped(line: &str) -> String {
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}
