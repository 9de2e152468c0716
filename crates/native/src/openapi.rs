//! The API's description, made from the table of operations.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::answer::raw_json;
use crate::operations::{self, Answer, Content, GENERAL, Operation};
use crate::problem::{ProblemDocument, status};
use crate::shape::generator;
use crate::socket::{Said, Told};
use crate::terminals;

/// Where the API stands.
pub(crate) const BASE: &str = "/api/v1";

/// Answers with the description, which is written when somebody first asks for it.
pub(crate) async fn serve() -> Response {
    static WRITTEN: OnceLock<Bytes> = OnceLock::new();
    let written = WRITTEN.get_or_init(|| {
        let text = serde_json::to_vec(&document()).expect("JSON with text keys");
        text.into()
    });
    raw_json(StatusCode::OK, written.to_vec())
}

/// The whole description.
pub(crate) fn document() -> Value {
    let mut generator = generator();
    let problem = generator.subschema_for::<ProblemDocument<'static>>().to_value();
    // What travels on a socket is described too, although no operation sends it.
    generator.subschema_for::<Said>();
    generator.subschema_for::<Told>();
    generator.subschema_for::<terminals::Said>();
    generator.subschema_for::<terminals::Told>();
    let mut paths = Map::new();
    for operation in operations::all() {
        let path = format!("{BASE}{}", operation.path.replace("{*", "{"));
        let described = describe(&operation, &problem, &mut generator);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[operation.method.as_str().to_ascii_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rejoin",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sessions of coding agents that people leave and rejoin. Every request signs in with \
                `Authorization: Bearer KEY`; event streams and sockets also take `?key=`. \
                Every answer has `x-request-id`.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key, or a token of a configured issuer." },
                "keyInQuery": { "type": "apiKey", "in": "query", "name": "key", "description": "Where a header cannot be set: event streams and sockets." },
            },
        },
    })
}

fn describe(operation: &Operation, problem: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "parameters": parameters(operation, generator),
        "responses": responses(operation, problem, generator),
    });
    if let Some(content) = content(&operation.request, generator) {
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    let streams =
        operation.answers.iter().any(|answer| matches!(answer.content, Content::Events) || answer.status == 101);
    if streams {
        described["security"] = json!([{ "key": [] }, { "keyInQuery": [] }]);
    }
    described
}

/// The noun that the path is about.
fn tag(path: &str) -> &str {
    let mut nouns = path.split('/').filter(|step| !step.is_empty() && !step.starts_with('{'));
    nouns.next_back().unwrap_or("gateway")
}

fn parameters(operation: &Operation, generator: &mut SchemaGenerator) -> Vec<Value> {
    let steps = operation.path.split('/');
    let named = steps.filter_map(|step| step.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = named
        .map(|name| {
            let bare = name.trim_start_matches('*');
            let mut parameter = json!({
                "name": bare, "in": "path", "required": true, "schema": { "type": "string" },
            });
            if bare != name {
                parameter["description"] = "A path of several steps; their slashes are written as they are.".into();
            }
            parameter
        })
        .collect();
    let query = operation.query.map(|schema| schema(generator).to_value());
    let properties = query.as_ref().and_then(|query| query["properties"].as_object());
    for (name, schema) in properties.into_iter().flatten() {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.shift_remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameters.push(parameter);
    }
    for (name, description) in HEADERS {
        parameters.push(json!({
            "name": name, "in": "header", "schema": { "type": "string" }, "description": description,
        }));
    }
    parameters
}

/// Headers that every operation knows.
const HEADERS: &[(&str, &str)] = &[
    ("x-rejoin-client", "The id of the program that asks; it survives reconnects. Also `?client=`."),
    ("x-rejoin-capabilities", "What the program can do, with commas between. Also `?capabilities=`."),
    ("x-rejoin-control", "`1`: the program knows of control and is bound by it. Also `?control=1`."),
    ("x-request-id", "Given back with the answer; absent: minted."),
];

fn responses(operation: &Operation, problem: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for Answer { status, content: kind, meaning } in &operation.answers {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({ "description": "" }));
        let said = response["description"].as_str().unwrap_or_default();
        response["description"] = match said {
            "" => (*meaning).into(),
            said => format!("{said} {meaning}").into(),
        };
        for (name, media) in content(kind, generator).into_iter().flatten() {
            let medias = &mut response["content"];
            match medias.get_mut(&name) {
                None => medias[name] = media,
                // Several forms of one kind: whichever was asked for.
                Some(known) => {
                    let schema = known["schema"].take();
                    let mut forms = match schema.get("anyOf").and_then(Value::as_array) {
                        Some(forms) => forms.clone(),
                        None => vec![schema],
                    };
                    forms.push(media["schema"].clone());
                    known["schema"] = json!({ "anyOf": forms });
                }
            }
        }
    }
    let mut codes: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in operation.codes.iter().chain(GENERAL) {
        let codes = codes.entry(status(code).as_u16()).or_default();
        if !codes.contains(code) {
            codes.push(code);
        }
    }
    let media = json!({ "application/problem+json": { "schema": problem } });
    for (status, codes) in codes {
        let description = format!("`{}`", codes.join("`, `"));
        responses.insert(status.to_string(), json!({ "description": description, "content": media }));
    }
    Value::Object(responses)
}

fn content(kind: &Content, generator: &mut SchemaGenerator) -> Option<Map<String, Value>> {
    let (media, schema) = match kind {
        Content::Nothing => return None,
        Content::Json(schema) => ("application/json", schema(generator).to_value()),
        Content::Bytes => ("application/octet-stream", json!({})),
        Content::Events => (
            "text/event-stream",
            json!({ "type": "string", "description": "Unnamed events are JSON as in a page's `items`, with `epoch.seq` as \
                their `id`; named ones are `caught-up`, `gap`, `deleted`, `stopping` and `problem`." }),
        ),
    };
    let mut content = Map::new();
    content.insert(media.to_owned(), json!({ "schema": schema }));
    Some(content)
}
