//! Asks as questions and permissions.

use rejoin_core::ask::{Ask, AskBody, Choice, Question};
use serde_json::{Map, Value, json};

use super::frames::{Frame, Frames};
use crate::names::{self, told};

/// What may be answered to a permission.
const DECISIONS: [&str; 3] = [names::ALLOW, names::DENY, names::ALLOW_ALWAYS];

pub(crate) fn requested(ask: &Ask, out: &mut Frames<'_>) {
    let (name, fields) = described(ask);
    let frame = out.frame(name, Some(&ask.turn));
    let _: Frame<'_> = fields.iter().fold(frame, |frame, (key, value)| frame.with(key, value));
}

/// The event that tells of an ask, without its number, for snapshots.
pub(crate) fn pending(ask: &Ask, session: &str) -> Value {
    let (name, mut fields) = described(ask);
    fields.insert("type".to_owned(), name.into());
    fields.insert("sessionId".to_owned(), session.into());
    fields.insert("turnId".to_owned(), ask.turn.as_str().into());
    Value::Object(fields)
}

fn described(ask: &Ask) -> (&'static str, Map<String, Value>) {
    let mut fields = Map::new();
    fields.insert("requestId".to_owned(), ask.id.as_str().into());
    if let AskBody::Permission { tool, input, intents, risk } = &ask.body {
        let actions: Vec<_> = intents.iter().map(|intent| intent.action.as_str()).collect();
        let action = if ask.question.is_empty() { actions.join(", ") } else { ask.question.clone() };
        if let Some(call) = &ask.call {
            fields.insert("toolCallId".to_owned(), call.as_str().into());
        }
        fields.insert("toolName".to_owned(), tool.as_str().into());
        fields.insert("action".to_owned(), action.into());
        fields.insert("details".to_owned(), json!({ "input": input, "intents": intents, "risk": risk }));
        fields.insert("options".to_owned(), json!(DECISIONS));
        return (told::PERMISSION_REQUESTED, fields);
    }
    fields.insert("questions".to_owned(), questions(ask).into());
    if let Some(call) = &ask.call {
        fields.insert("toolCallId".to_owned(), call.as_str().into());
    }
    (told::QUESTION_REQUESTED, fields)
}

fn questions(ask: &Ask) -> Vec<Value> {
    let one = |options: Option<Vec<&str>>, multiple: bool| {
        let mut question = json!({ "key": names::ANSWER, "prompt": ask.question, "required": true });
        if let Some(options) = options {
            question["options"] = json!(options);
        }
        if multiple {
            question["multiple"] = true.into();
        }
        vec![question]
    };
    match &ask.body {
        AskBody::Single { options } => one(Some(labels(options)), false),
        AskBody::Multi { options, .. } => one(Some(labels(options)), true),
        AskBody::Confirm { .. } => one(Some(vec!["yes", "no"]), false),
        AskBody::Form { questions } => questions.iter().map(question).collect(),
        AskBody::Text { .. } | AskBody::Capability { .. } | AskBody::Permission { .. } => one(None, false),
    }
}

fn question(question: &Question) -> Value {
    let mut told = json!({ "key": question.key, "prompt": question.question, "required": question.required });
    if !question.options.is_empty() {
        told["options"] = json!(labels(&question.options));
    }
    if question.multiple {
        told["multiple"] = true.into();
    }
    told
}

fn labels(options: &[Choice]) -> Vec<&str> {
    options.iter().map(|choice| choice.label.as_str()).collect()
}
