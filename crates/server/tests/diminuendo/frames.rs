//! Looking at what was heard.

use serde_json::Value;

/// A field that must be a text.
pub(crate) fn text<'a>(frame: &'a Value, field: &str) -> &'a str {
    frame[field].as_str().unwrap_or_else(|| panic!("`{field}` is no text in {frame}"))
}

/// A field that must be a whole number.
pub(crate) fn number(frame: &Value, field: &str) -> u64 {
    frame[field].as_u64().unwrap_or_else(|| panic!("`{field}` is no whole number in {frame}"))
}

pub(crate) fn list<'a>(frame: &'a Value, field: &str) -> &'a [Value] {
    frame[field].as_array().unwrap_or_else(|| panic!("`{field}` is no list in {frame}"))
}

pub(crate) fn kind(frame: &Value) -> &str {
    text(frame, "type")
}

/// The frames of one type.
pub(crate) fn of<'a>(frames: &'a [Value], name: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| kind(frame) == name).collect()
}

/// The only frame of a type.
pub(crate) fn one<'a>(frames: &'a [Value], name: &str) -> &'a Value {
    let found = of(frames, name);
    assert_eq!(found.len(), 1, "one {name} in {}", shown(frames));
    found[0]
}

/// All text that was streamed.
pub(crate) fn streamed(frames: &[Value]) -> String {
    of(frames, "text_delta").into_iter().map(|frame| text(frame, "text")).collect()
}

/// The states that a session went through.
pub(crate) fn statuses(frames: &[Value]) -> Vec<&str> {
    of(frames, "session_state").into_iter().map(|frame| text(frame, "status")).collect()
}

/// The frames that are part of the session's numbered stream.
pub(crate) fn numbered(frames: &[Value]) -> Vec<Value> {
    frames.iter().filter(|frame| frame.get("seq").is_some()).cloned().collect()
}

pub(crate) fn seqs(frames: &[Value]) -> Vec<u64> {
    numbered(frames).iter().map(|frame| number(frame, "seq")).collect()
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

/// Frames for a person who wonders what went wrong.
pub(crate) fn shown(frames: &[Value]) -> String {
    frames.iter().map(|frame| format!("\n  {}", clipped(&frame.to_string()))).collect()
}

pub(crate) fn clipped(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
