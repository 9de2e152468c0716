//! What everything that a server sends must look like, field by field.

use serde_json::Value;

use crate::frames::clipped;

type Kind = fn(&Value) -> bool;
type Fields<'a> = &'a [(&'a str, Kind)];

fn text(value: &Value) -> bool {
    value.is_string()
}
fn words(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}
fn text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}
fn whole(value: &Value) -> bool {
    value.is_u64()
}
fn yes_or_no(value: &Value) -> bool {
    value.is_boolean()
}
fn null(value: &Value) -> bool {
    value.is_null()
}
fn anything(_: &Value) -> bool {
    true
}
fn object(value: &Value) -> bool {
    value.is_object()
}
fn sealed(value: &Value) -> bool {
    value["t"] == "encrypted" && value["c"].is_string() && value.as_object().is_some_and(|object| object.len() == 2)
}
fn message_in(value: &Value) -> bool {
    fields(value, MESSAGE, &[]).is_ok()
}
fn text_register(value: &Value) -> bool {
    fields(value, &[("value", text), ("version", whole)], &[]).is_ok()
}
fn register(value: &Value) -> bool {
    fields(value, &[("value", text_or_null), ("version", whole)], &[]).is_ok()
}
fn changes(value: &Value) -> bool {
    let change = |value: &Value| {
        let shape: Fields = &[("key", text), ("value", text_or_null), ("version", whole)];
        fields(value, shape, &[]).is_ok()
    };
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(change))
}
fn update_id(value: &Value) -> bool {
    value.as_str().is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

const MESSAGE: Fields = &[
    ("id", words),
    ("seq", whole),
    ("content", sealed),
    ("localId", text_or_null),
    ("createdAt", whole),
    ("updatedAt", whole),
];
const SESSION: Fields = &[
    ("id", words),
    ("seq", whole),
    ("metadata", text),
    ("metadataVersion", whole),
    ("agentState", text_or_null),
    ("agentStateVersion", whole),
    ("dataEncryptionKey", text_or_null),
    ("active", yes_or_no),
    ("activeAt", whole),
    ("createdAt", whole),
    ("updatedAt", whole),
];
/// All of a machine but what names it.
const MACHINE: Fields = &[
    ("metadata", text),
    ("metadataVersion", whole),
    ("daemonState", text_or_null),
    ("daemonStateVersion", whole),
    ("dataEncryptionKey", text_or_null),
    ("active", yes_or_no),
    ("activeAt", whole),
    ("createdAt", whole),
    ("updatedAt", whole),
];
/// All of an artifact in a list but what names it.
const ARTIFACT: Fields = &[
    ("header", text),
    ("headerVersion", whole),
    ("dataEncryptionKey", text),
    ("seq", whole),
    ("createdAt", whole),
    ("updatedAt", whole),
];
const BODY: Fields = &[("body", text), ("bodyVersion", whole)];

/// Whether an object has exactly these fields, and some of those that may be missing.
pub(crate) fn fields(value: &Value, needed: Fields, optional: Fields) -> Result<(), String> {
    let Some(object) = value.as_object() else { return Err(format!("{value} is no object")) };
    for (name, kind) in needed {
        match object.get(*name) {
            None => return Err(format!("`{name}` is missing")),
            Some(value) if !kind(value) => return Err(format!("`{name}` must not be {}", clipped(&value.to_string()))),
            Some(_) => {}
        }
    }
    for (name, value) in object {
        let known = |(known, _): &&(&str, Kind)| known == name;
        match (needed.iter().find(known), optional.iter().find(known)) {
            (None, None) => return Err(format!("`{name}` does not belong there")),
            (None, Some((_, kind))) if !kind(value) => return Err(format!("`{name}` must not be {value}")),
            _ => {}
        }
    }
    Ok(())
}

fn is(value: &Value, needed: &[Fields], what: &str) {
    if let Err(why) = fields(value, &needed.concat(), &[]) {
        panic!("{what}: {why} in {}", clipped(&value.to_string()));
    }
}

/// A session of the two lists of version 1, and of a creation.
pub(crate) fn is_session(value: &Value) {
    is(value, &[SESSION, &[("lastMessage", null)]], "a session");
}
/// A session of the lists of version 2.
pub(crate) fn is_bare_session(value: &Value) {
    is(value, &[SESSION], "a session");
}
pub(crate) fn is_message(value: &Value) {
    is(value, &[MESSAGE], "a message");
}
/// What the poster of a message is told about it.
pub(crate) fn is_receipt(value: &Value) {
    let receipt: Fields =
        &[("id", words), ("seq", whole), ("localId", text_or_null), ("createdAt", whole), ("updatedAt", whole)];
    is(value, &[receipt], "what is told of a message");
}
pub(crate) fn is_machine(value: &Value) {
    is(value, &[MACHINE, &[("id", words), ("seq", whole)]], "a machine");
}
pub(crate) fn is_new_machine(value: &Value) {
    is(value, &[MACHINE, &[("id", words)]], "a machine that was just named");
}
pub(crate) fn is_artifact(value: &Value) {
    is(value, &[ARTIFACT, BODY, &[("id", words)]], "an artifact");
}
pub(crate) fn is_listed_artifact(value: &Value) {
    is(value, &[ARTIFACT, &[("id", words)]], "an artifact in a list");
}

/// An `update`, as everybody who hears one may rely on.
pub(crate) fn update(value: &Value) -> Result<(), String> {
    let envelope: Fields = &[("id", update_id), ("seq", whole), ("body", object), ("createdAt", whole)];
    fields(value, envelope, &[])?;
    let body = &value["body"];
    let name = body["t"].as_str().unwrap_or_default();
    let id: Fields = &[("t", text), ("id", words)];
    let (needed, optional): (Vec<(&str, Kind)>, Fields) = match name {
        "new-session" => ([SESSION, &[("t", text)]].concat(), &[]),
        "update-session" => (id.to_vec(), &[("metadata", text_register), ("agentState", register)]),
        "delete-session" => (vec![("t", text), ("sid", words)], &[]),
        "new-message" => (vec![("t", text), ("sid", words), ("message", message_in)], &[]),
        "update-account" => (
            id.to_vec(),
            &[
                ("settings", register),
                ("github", anything),
                ("username", text_or_null),
                ("firstName", text_or_null),
                ("lastName", text_or_null),
                ("avatar", anything),
            ],
        ),
        "new-machine" => ([MACHINE, &[("t", text), ("machineId", words), ("seq", whole)]].concat(), &[]),
        "update-machine" => (
            vec![("t", text), ("machineId", words)],
            &[("metadata", text_register), ("daemonState", text_register), ("active", yes_or_no), ("activeAt", whole)],
        ),
        "delete-machine" => (vec![("t", text), ("machineId", words)], &[]),
        "new-artifact" => ([ARTIFACT, BODY, &[("t", text), ("artifactId", words)]].concat(), &[]),
        "update-artifact" => {
            (vec![("t", text), ("artifactId", words)], &[("header", text_register), ("body", text_register)])
        }
        "delete-artifact" => (vec![("t", text), ("artifactId", words)], &[]),
        "new-feed-post" => (
            vec![
                ("t", text),
                ("id", words),
                ("body", object),
                ("cursor", words),
                ("createdAt", whole),
                ("repeatKey", text_or_null),
            ],
            &[],
        ),
        "kv-batch-update" => (vec![("t", text), ("changes", changes)], &[]),
        other => return Err(format!("there is no update called `{other}`")),
    };
    fields(body, &needed, optional)?;
    if name == "update-session" && body.get("metadata").is_some() == body.get("agentState").is_some() {
        return Err("it tells of metadata or of the agent's state, of one of them".to_owned());
    }
    Ok(())
}

/// What a handler of a method is asked.
pub(crate) fn request(value: &Value) -> Result<(), String> {
    fields(value, &[("method", words), ("params", anything)], &[])
}

/// An `ephemeral`, likewise.
pub(crate) fn ephemeral(value: &Value) -> Result<(), String> {
    let needed: Fields = match value["type"].as_str().unwrap_or_default() {
        "activity" => {
            &[("type", text), ("id", words), ("active", yes_or_no), ("activeAt", whole), ("thinking", yes_or_no)]
        }
        "machine-activity" => &[("type", text), ("id", words), ("active", yes_or_no), ("activeAt", whole)],
        "usage" => {
            &[("type", text), ("id", words), ("key", text), ("tokens", object), ("cost", object), ("timestamp", whole)]
        }
        "session-event" => &[
            ("type", text),
            ("sessionId", words),
            ("kind", words),
            ("title", words),
            ("body", words),
            ("timestamp", whole),
        ],
        other => return Err(format!("there is no ephemeral called `{other}`")),
    };
    fields(value, needed, &[])
}
