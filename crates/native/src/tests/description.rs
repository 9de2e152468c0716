//! The API's description against the API itself.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use super::door::Door;
use crate::openapi::{BASE, document};
use crate::operations::{self, GENERAL};
use crate::{CODES, problem};

type Sane = fn(&Value) -> bool;

/// What JSON Schema (2020-12) lets us write, and what must stand there.
const KEYWORDS: &[(&str, Sane)] = &[
    ("$ref", Value::is_string),
    ("additionalProperties", is_schema),
    ("allOf", is_schemas),
    ("anyOf", is_schemas),
    ("oneOf", is_schemas),
    ("const", |_| true),
    ("default", |_| true),
    ("description", Value::is_string),
    ("enum", |value| value.as_array().is_some_and(|words| !words.is_empty())),
    ("format", Value::is_string),
    ("items", is_schema),
    ("maxLength", Value::is_u64),
    ("minLength", Value::is_u64),
    ("maximum", Value::is_number),
    ("minimum", Value::is_number),
    ("pattern", Value::is_string),
    ("properties", |value| value.as_object().is_some_and(|fields| fields.values().all(is_schema))),
    ("propertyNames", is_schema),
    ("required", |value| value.as_array().is_some_and(|names| names.iter().all(Value::is_string))),
    ("title", Value::is_string),
    ("type", is_type),
    ("unevaluatedProperties", is_schema),
];

fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

fn is_schemas(value: &Value) -> bool {
    value.as_array().is_some_and(|schemas| !schemas.is_empty() && schemas.iter().all(is_schema))
}

fn is_type(value: &Value) -> bool {
    let known = |name: &Value| {
        let types = ["null", "boolean", "object", "array", "number", "integer", "string"];
        name.as_str().is_some_and(|name| types.contains(&name))
    };
    known(value) || value.as_array().is_some_and(|types| types.iter().all(known))
}

/// Looks at a schema and everything in it. References are noted in `used`.
fn check_schema(schema: &Value, at: &str, used: &mut BTreeSet<String>) {
    let Some(fields) = schema.as_object() else {
        assert!(schema.is_boolean(), "{at}: {schema}");
        return;
    };
    for (keyword, value) in fields {
        let known = KEYWORDS.iter().find(|(known, _)| known == keyword);
        let (_, sane) = known.unwrap_or_else(|| panic!("{at}: `{keyword}` is no keyword"));
        assert!(sane(value), "{at}.{keyword}: {value}");
        match keyword.as_str() {
            "$ref" => {
                used.insert(value.as_str().unwrap().to_owned());
            }
            "properties" => {
                for (name, schema) in value.as_object().unwrap() {
                    check_schema(schema, &format!("{at}.{name}"), used);
                }
            }
            "allOf" | "anyOf" | "oneOf" => {
                for (n, schema) in value.as_array().unwrap().iter().enumerate() {
                    check_schema(schema, &format!("{at}.{keyword}[{n}]"), used);
                }
            }
            "items" | "additionalProperties" | "unevaluatedProperties" | "propertyNames" => {
                check_schema(value, &format!("{at}.{keyword}"), used);
            }
            _ => {}
        }
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    if let (Some(properties), Some(required)) = (properties, fields.get("required")) {
        for name in required.as_array().unwrap() {
            assert!(properties.contains_key(name.as_str().unwrap()), "{at}: {name} is required and unknown");
        }
    }
}

/// Looks at every place where a schema stands in an operation.
fn check_content(content: &Value, at: &str, used: &mut BTreeSet<String>) {
    for (media, body) in content.as_object().unwrap() {
        assert!(media.contains('/'), "{at}: {media}");
        check_schema(&body["schema"], &format!("{at} {media}"), used);
    }
}

#[test]
fn the_description_is_sound() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut used = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{at}");
            assert!(operation["tags"][0].is_string(), "{at}");

            let mut parameters = BTreeSet::new();
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let place = parameter["in"].as_str().unwrap();
                assert!(parameters.insert((place, name)), "{at}: {name} is there twice");
                match place {
                    "path" => {
                        assert!(path.contains(&format!("{{{name}}}")), "{at}: {name}");
                        assert_eq!(parameter["required"], true, "{at}: {name}");
                    }
                    "query" => {
                        let described = parameter["description"].as_str();
                        assert!(described.is_some_and(|text| text.len() > 5), "{at}: {name} is not described");
                    }
                    other => assert_eq!(other, "header"),
                }
                check_schema(&parameter["schema"], &format!("{at} {name}"), &mut used);
            }
            let in_path = parameters.iter().filter(|(place, _)| *place == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{at}");

            let responses = operation["responses"].as_object().unwrap();
            let mut good = 0;
            for (status, response) in responses {
                let number: u16 = status.parse().unwrap();
                good += usize::from(number < 400);
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{at} {status}");
                if let Some(content) = response.get("content") {
                    check_content(content, &format!("{at} {status}"), &mut used);
                }
            }
            assert!(good > 0, "{at} never succeeds");
            assert!(responses.contains_key("401"), "{at}");
            if let Some(body) = operation.get("requestBody") {
                check_content(&body["content"], &at, &mut used);
            }
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        check_schema(schema, name, &mut used);
    }
    for reference in &used {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{reference} leads nowhere");
    }
    for name in schemas.keys() {
        let reachable = used.contains(&format!("#/components/schemas/{name}"));
        let travels_on_a_socket =
            name.starts_with("Socket") || matches!(name.as_str(), "TerminalRequest" | "TerminalMessage");
        assert!(reachable || travels_on_a_socket, "{name} is not used");
    }
}

#[tokio::test]
async fn what_is_described_is_answered_and_what_is_answered_is_described() {
    let door = Door::open().await;
    let served = door.send(door.request(Method::GET, "/openapi.json")).await;
    assert_eq!(served.status, 200);
    assert_eq!(served.json(), document());

    let mut described = BTreeMap::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            described.insert((method.to_ascii_uppercase(), path.clone()), id);
        }
    }
    let table: BTreeMap<_, _> = operations::all()
        .iter()
        .map(|operation| {
            let path = format!("{BASE}{}", operation.path.replace("{*", "{"));
            ((operation.method.to_string(), path), operation.id.to_owned())
        })
        .collect();
    assert_eq!(described, table);
    for (method, path) in described.keys() {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let filled = path.replace(['{', '}'], "");
        let got = door.send(door.request(method.clone(), &filled)).await;
        assert_eq!(got.status, 401, "{method} {path}");
    }
}

#[test]
fn every_code_of_the_gateway_has_a_status() {
    use rejoin_core::refusal::Refusal;
    let known: BTreeSet<&str> = CODES.iter().map(|known| known.code).collect();
    assert_eq!(known.len(), CODES.len(), "a code is there twice");
    for code in Refusal::CODES {
        assert!(known.contains(code), "{code}");
    }
    for operation in operations::all() {
        for code in operation.codes.iter().chain(GENERAL) {
            assert!(known.contains(code), "{}: {code}", operation.id);
        }
    }
    for known in CODES {
        assert_eq!(problem::status(known.code), known.status);
        let own = known.code == "internal";
        assert_eq!(own, known.status == 500, "{}", known.code);
    }
}

/// One of each kind: a new one does not compile until somebody looks here.
#[test]
fn every_failure_is_a_problem_with_a_code_of_the_table() {
    use rejoin_ports::agent::FileError;
    use rejoin_ports::gateway::{Failure, FilesFailure};
    use rejoin_ports::sign_in::NotSignedIn;
    use rejoin_ports::store::StoreError;
    let stores = || {
        let why = String::new;
        let all = [
            StoreError::Full { doing: "" },
            StoreError::Locked { doing: "" },
            StoreError::ReadOnly { doing: "" },
            StoreError::Corrupt { doing: "", why: why() },
            StoreError::Io { doing: "", why: why() },
            StoreError::Closed,
        ];
        for error in &all {
            match error {
                StoreError::Full { .. }
                | StoreError::Locked { .. }
                | StoreError::ReadOnly { .. }
                | StoreError::Corrupt { .. }
                | StoreError::Io { .. }
                | StoreError::Closed => {}
            }
        }
        all
    };
    let files = [
        FileError::Outside,
        FileError::NotFound,
        FileError::IsFolder,
        FileError::NotFolder,
        FileError::TooLarge { most: 1 },
        FileError::Invalid(String::new()),
        FileError::Io(String::new()),
        FileError::Store(StoreError::Closed),
    ];
    let entries = [
        NotSignedIn::Missing,
        NotSignedIn::Invalid,
        NotSignedIn::Expired,
        NotSignedIn::TooMany { retry_ms: 1 },
        NotSignedIn::Unavailable,
    ];
    let failures = [
        Failure::NotFound("x"),
        Failure::IdReused,
        Failure::Invalid { field: "x", why: String::new() },
        Failure::Conflict { version: 1 },
        Failure::LastOwner,
        Failure::TooBusy { retry_ms: 1 },
        Failure::HostAway,
        Failure::ReadOnly,
        Failure::Closing,
    ];
    let problems = (stores().map(|error| (error.code(), problem::Problem::from(error))).into_iter())
        .chain(files.map(|error| (error.code(), FilesFailure::File(error).into())))
        .chain(entries.map(|error| (error.code(), error.into())))
        .chain(failures.map(|error| (error.code(), error.into())));
    for (code, problem) in problems {
        assert_eq!(problem.code, code);
        assert!(CODES.iter().any(|known| known.code == code), "{code}");
    }
}
