//! Forms that an agent wants filled in.

use std::collections::BTreeMap;

use rejoin_core::ask::{Answer, AskBody, Authority, Choice, Question, Settled};
use rejoin_core::happening::NewAsk;
use rejoin_core::id::AskId;
use serde_json::{Map, Value, json};

use super::failure::shortened;
use super::wire::text;

/// Questions of one form.
const MOST_QUESTIONS: usize = 64;
/// Bytes of what it is about.
const LONGEST_MESSAGE: usize = 4 << 10;

/// A form, and what each of its values must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    message: String,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    key: String,
    question: String,
    kind: FieldKind,
    choices: Vec<Choice>,
    required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldKind {
    Text,
    Integer,
    Number,
    Boolean,
    Many,
}

impl Form {
    /// `None`: it is no form, or one that we cannot show.
    pub(super) fn read(params: &Value) -> Option<Form> {
        if text(params, "mode").is_some_and(|mode| mode != "form") {
            return None;
        }
        let schema = params.get("requestedSchema")?;
        let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        if properties.len() > MOST_QUESTIONS {
            return None;
        }
        let required: Vec<&str> = match schema.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let field = |(key, property): (&String, &Value)| {
            let kind = match text(property, "type")? {
                "string" => FieldKind::Text,
                "integer" => FieldKind::Integer,
                "number" => FieldKind::Number,
                "boolean" => FieldKind::Boolean,
                "array" => FieldKind::Many,
                _ => return None,
            };
            let title = text(property, "title").unwrap_or(key);
            let question = match text(property, "description") {
                Some(more) => format!("{title}: {more}"),
                None => title.to_owned(),
            };
            let choices = match kind {
                FieldKind::Boolean => vec![choice("true", "yes"), choice("false", "no")],
                FieldKind::Many => choices(property.get("items").unwrap_or(&Value::Null)),
                _ => choices(property),
            };
            let required = required.contains(&key.as_str());
            Some(Field { key: key.clone(), question, kind, choices, required })
        };
        let fields: Option<Vec<Field>> = properties.iter().map(field).collect();
        let message = shortened(text(params, "message").unwrap_or("The agent has a question."), LONGEST_MESSAGE);
        Some(Form { message, fields: fields? })
    }

    pub(super) fn ask(&self, id: AskId) -> NewAsk {
        let question = |field: &Field| Question {
            key: field.key.clone(),
            question: field.question.clone(),
            options: field.choices.clone(),
            multiple: field.kind == FieldKind::Many,
            required: field.required,
        };
        let body = match &self.fields[..] {
            [] => AskBody::Confirm { default: None },
            fields => AskBody::Form { questions: fields.iter().map(question).collect() },
        };
        NewAsk {
            id,
            call: None,
            question: self.message.clone(),
            body,
            authority: Authority::Controller,
            capabilities: Vec::new(),
            expires_ms: None,
            bookmark: None,
        }
    }

    /// What the agent is told.
    pub(super) fn outcome(&self, settled: &Settled) -> Value {
        match settled {
            Settled::Answered(Answer::Fill { values }) => json!({"action": "accept", "content": self.content(values)}),
            Settled::Answered(Answer::Confirm { confirmed: true }) => json!({"action": "accept", "content": {}}),
            Settled::Answered(Answer::Confirm { confirmed: false }) => json!({"action": "decline"}),
            Settled::Answered(_) | Settled::Unanswered(_) => cancelled(),
        }
    }

    fn content(&self, values: &BTreeMap<String, Value>) -> Map<String, Value> {
        let known = self.fields.iter().filter_map(|field| {
            let value = values.get(&field.key).filter(|value| !value.is_null())?;
            Some((field.key.clone(), field.kind.value(value)))
        });
        known.collect()
    }
}

pub(super) fn cancelled() -> Value {
    json!({"action": "cancel"})
}

impl FieldKind {
    /// People write text into forms; an agent wants what its schema says. What does not fit goes as it is.
    fn value(self, given: &Value) -> Value {
        let written = given.as_str().map(str::trim);
        let fitting = match self {
            FieldKind::Text => match given {
                Value::String(_) => None,
                other => Some(Value::String(other.to_string())),
            },
            FieldKind::Integer => written.and_then(|text| text.parse::<i64>().ok()).map(Value::from),
            FieldKind::Number => written.and_then(|text| text.parse::<f64>().ok()).map(Value::from),
            FieldKind::Boolean => written.and_then(|text| match text.to_ascii_lowercase().as_str() {
                "true" | "yes" => Some(true.into()),
                "false" | "no" => Some(false.into()),
                _ => None,
            }),
            FieldKind::Many => written.map(|text| json!([text])),
        };
        fitting.unwrap_or_else(|| given.clone())
    }
}

fn choices(schema: &Value) -> Vec<Choice> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().filter_map(Value::as_str).map(|value| choice(value, value)).collect();
    }
    let titled = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    let titled = titled.map(Vec::as_slice).unwrap_or_default();
    titled
        .iter()
        .filter_map(|option| {
            let value = text(option, "const")?;
            let description = text(option, "description").map(str::to_owned);
            Some(Choice { description, ..choice(value, text(option, "title").unwrap_or(value)) })
        })
        .collect()
}

fn choice(value: &str, label: &str) -> Choice {
    Choice { label: label.to_owned(), value: value.to_owned(), description: None }
}

#[cfg(test)]
mod tests {
    use rejoin_core::ask::Unanswered;

    use super::*;

    fn form() -> Form {
        Form::read(&json!({
            "mode": "form",
            "sessionId": "s",
            "message": "Which?",
            "requestedSchema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "title": "Name", "description": "yours"},
                    "age": {"type": "integer"},
                    "sure": {"type": "boolean"},
                    "colour": {"type": "string", "enum": ["red", "blue"]},
                    "sizes": {"type": "array", "items": {"anyOf": [{"const": "s", "title": "small"}]}},
                },
                "required": ["name"],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_form_is_asked_as_it_is_meant() {
        let ask = form().ask(AskId::new("a").unwrap());
        let AskBody::Form { questions } = ask.body else { panic!() };
        let of = |key: &str| questions.iter().find(|question| question.key == key).unwrap();
        assert_eq!(of("name").question, "Name: yours");
        assert!(of("name").required && !of("age").required);
        assert_eq!(of("colour").options.len(), 2);
        assert_eq!((of("sizes").options[0].label.as_str(), of("sizes").multiple), ("small", true));
    }

    #[test]
    fn values_go_back_as_the_schema_wants_them() {
        let values = [
            ("name", json!("Ada")),
            ("age", json!("36")),
            ("sure", json!("yes")),
            ("sizes", json!(["s"])),
            ("colour", Value::Null),
        ];
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let told = form().outcome(&Settled::Answered(Answer::Fill { values }));
        let content = json!({"name": "Ada", "age": 36, "sure": true, "sizes": ["s"]});
        assert_eq!(told["action"], "accept");
        assert_eq!(told["content"], content);
        for settled in [Settled::Answered(Answer::Dismiss), Settled::Unanswered(Unanswered::Interrupted)] {
            assert_eq!(form().outcome(&settled), json!({"action": "cancel"}));
        }
    }

    #[test]
    fn what_cannot_be_shown_is_not_asked() {
        for params in [
            json!({"mode": "url", "url": "http://x"}),
            json!({"requestedSchema": {"properties": {"x": {"type": "object"}}}}),
            json!({}),
        ] {
            assert_eq!(Form::read(&params), None);
        }
    }
}
