//! `docs/api.md` is complete: whatever can be written from the code stands in it as the code says.
//!
//! `UPDATE_DOCS=1 cargo test -p rejoin-native documents` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use rejoin_core::event::KINDS;
use serde_json::{Map, Value};

use crate::openapi::document;
use crate::{CODES, close, operations};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");

/// Kinds of things with a section of their own.
const EVENT: &str = "LoggedEvent";
const COMMAND: &str = "IdentifiedCommand";

#[test]
fn the_api_page_says_what_the_code_does() {
    let path = Path::new(PAGE);
    let page = std::fs::read_to_string(path).expect("docs/api.md");
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut written = page.clone();
    for (name, text) in [
        ("endpoints", endpoints()),
        ("commands", variants(&schemas[COMMAND], "type", "####")),
        ("events", variants(&schemas[EVENT], "type", "####")),
        ("types", types(schemas)),
        ("codes", codes()),
        ("closes", closes()),
    ] {
        written = replace(&written, name, &text);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &written).unwrap();
    } else if page != written {
        let differs = page.lines().zip(written.lines()).find(|(old, new)| old != new);
        panic!("docs/api.md is out of date; run with UPDATE_DOCS=1. First difference: {differs:?}");
    }
}

#[test]
fn every_event_and_every_status_stands_on_the_page() {
    let page = std::fs::read_to_string(PAGE).expect("docs/api.md");
    let titles: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("#### `")).collect();
    for kind in KINDS {
        assert!(titles.contains(format!("{kind}`").as_str()), "{kind} is missing");
    }
    for status in ["idle", "running", "waiting", "closed", "ended"] {
        assert!(page.contains(&format!("`{status}`")), "{status} is missing");
    }
    let headings: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']).replace('`', "").replace(' ', "-").to_lowercase())
        .collect();
    for link in page.split("](#").skip(1) {
        let target = link.split(')').next().unwrap();
        assert!(headings.contains(target), "#{target} leads nowhere");
    }
    for known in CODES {
        assert!(page.contains(&format!("| `{}` |", known.code)), "{} is missing", known.code);
    }
}

/// Puts `text` between the marks of `name`.
fn replace(page: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{begin} is missing"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{end} is missing"));
    format!("{before}{begin}\n{}\n\n{end}{after}", text.trim())
}

fn endpoints() -> String {
    let mut out = String::from("| request | what it does | codes of its own |\n| --- | --- | --- |\n");
    for operation in operations::all() {
        let path = operation.path.replace("{*", "{");
        let codes = match operation.id {
            "runCommand" => "every code of a refusal, and `not_found`, `id_reused`, `invalid_request`, `host_away`, `read_only`, `body_too_large`, `unsupported_media_type`".to_owned(),
            _ => words(operation.codes.iter().copied()),
        };
        let summary = operation.summary;
        writeln!(out, "| `{} {path}` | {summary} | {codes} |", operation.method).unwrap();
    }
    out
}

fn codes() -> String {
    let mut out = String::from("| code | status | meaning |\n| --- | --- | --- |\n");
    for known in CODES {
        writeln!(out, "| `{}` | {} | {} |", known.code, known.status, known.meaning).unwrap();
    }
    out
}

fn closes() -> String {
    let mut out = String::from("| code | meaning |\n| --- | --- |\n");
    for (code, meaning) in close::CODES {
        writeln!(out, "| {code} | {meaning} |").unwrap();
    }
    out
}

/// Every kind of a tagged enum, with its fields.
fn variants(schema: &Value, tag: &str, level: &str) -> String {
    let mut out = String::new();
    let options = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    for variant in options.expect("a tagged enum") {
        let kind = variant["properties"][tag]["const"].as_str().expect("a tag");
        writeln!(out, "{level} `{kind}`\n").unwrap();
        if let Some(text) = variant["description"].as_str() {
            writeln!(out, "{}\n", one_line(text)).unwrap();
        }
        out.push_str(&fields(variant, Some(tag)));
    }
    out
}

/// The fields of an object as a table; the tag, which stands in the title, is left out.
fn fields(schema: &Value, tag: Option<&str>) -> String {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let shown = properties.iter().filter(|(name, _)| Some(name.as_str()) != tag);
    let rows: Vec<String> = shown
        .map(|(name, field)| {
            let optional = if required.contains(&name.as_str()) { "" } else { " (may be absent)" };
            let text = field["description"].as_str().map(one_line).unwrap_or_default();
            format!("| `{name}` | {}{optional} | {text} |\n", kind(field))
        })
        .collect();
    match rows.is_empty() {
        true => "No fields.\n\n".to_owned(),
        false => format!("| field | what it is | |\n| --- | --- | --- |\n{}\n", rows.concat()),
    }
}

/// Every type that events, commands and answers are made of.
fn types(schemas: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = schemas.keys().collect();
    names.sort();
    let mut out = String::new();
    for name in names {
        writeln!(out, "#### {name}\n").unwrap();
        let section = match name.as_str() {
            EVENT => Some("Events](#events-and-their-fields"),
            COMMAND => Some("Commands](#commands"),
            _ => None,
        };
        if let Some(section) = section {
            writeln!(out, "See [{section}).\n").unwrap();
            continue;
        }
        let schema = &schemas[name];
        if let Some(text) = schema["description"].as_str() {
            writeln!(out, "{}\n", one_line(text)).unwrap();
        }
        out.push_str(&body(schema));
    }
    out
}

fn body(schema: &Value) -> String {
    let mut out = String::new();
    let options = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let objects = schema["properties"].is_object();
    if objects {
        out.push_str(&fields(schema, None));
    }
    if let Some(reference) = schema["$ref"].as_str() {
        writeln!(out, "All that {} has.\n", link(reference)).unwrap();
    }
    match options {
        Some(options) if options.iter().all(|option| word(option).is_some()) => {
            for option in options {
                let text = option["description"].as_str().map(one_line).unwrap_or_default();
                let colon = if text.is_empty() { "" } else { ": " };
                writeln!(out, "- {}{colon}{text}", word(option).expect("checked")).unwrap();
            }
            out.push('\n');
        }
        Some(options) => {
            out.push_str(if objects { "And one of:\n\n" } else { "One of:\n\n" });
            for option in options {
                writeln!(out, "- {}", inline(option)).unwrap();
            }
            out.push('\n');
        }
        None if !objects && schema["$ref"].is_null() => writeln!(out, "{}\n", kind(schema)).unwrap(),
        None => {}
    }
    out
}

/// The word, or words, that an option stands for.
fn word(option: &Value) -> Option<String> {
    match (&option["const"], option["enum"].as_array()) {
        (Value::String(word), _) => Some(format!("`{word}`")),
        (_, Some(several)) => Some(words(several.iter().filter_map(Value::as_str))),
        _ => None,
    }
}

/// One form of several, in a line.
fn inline(option: &Value) -> String {
    let Some(properties) = option["properties"].as_object() else {
        return kind(option);
    };
    let required: Vec<&str> = option["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let parts = properties.iter().map(|(name, field)| {
        let optional = if required.contains(&name.as_str()) { "" } else { "?" };
        format!("`{name}{optional}`: {}", kind(field))
    });
    let mut line = parts.collect::<Vec<_>>().join("; ");
    if let Some(reference) = option["$ref"].as_str() {
        write!(line, "; and all that {} has", link(reference)).unwrap();
    }
    if let Some(text) = option["description"].as_str() {
        write!(line, ". {}", one_line(text)).unwrap();
    }
    line
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return link(reference);
    }
    if let Some(word) = word(schema) {
        return word;
    }
    for options in ["anyOf", "oneOf"] {
        if let Some(options) = schema[options].as_array() {
            return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let [only] = schema["allOf"].as_array().map(Vec::as_slice).unwrap_or_default() {
        return kind(only);
    }
    match &schema["type"] {
        Value::String(one) => plain(one, schema),
        Value::Array(several) => {
            let names = several.iter().filter_map(Value::as_str);
            names.map(|name| plain(name, schema)).collect::<Vec<_>>().join(" or ")
        }
        _ => "any JSON".to_owned(),
    }
}

fn plain(name: &str, schema: &Value) -> String {
    match name {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "whole number".to_owned(),
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if is_map(&schema["additionalProperties"]) => {
            format!("map of text to {}", kind(&schema["additionalProperties"]))
        }
        "object" if schema["properties"].is_object() => format!("object ({})", inline(schema)),
        other => other.to_owned(),
    }
}

fn is_map(values: &Value) -> bool {
    values.is_object() || *values == true
}

fn link(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    format!("[{name}](#{})", name.to_ascii_lowercase())
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
