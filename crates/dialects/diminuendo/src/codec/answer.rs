//! Answers: what people send as ours, and ours as others are told of them.

use std::collections::BTreeMap;

use rejoin_core::ask::{Answer, Ask, AskBody, Choice, Intent, Question, Unanswered};
use rejoin_core::grant::Scope;
use serde_json::{Map, Value};

use crate::names;

/// What was sent, as an answer to the ask. The error says what was expected.
pub(crate) fn read(ask: &Ask, answers: &Map<String, Value>, dismissed: bool) -> Result<Answer, String> {
    if dismissed {
        return Ok(Answer::Dismiss);
    }
    match &ask.body {
        AskBody::Permission { intents, .. } => decision(plain(answers, names::DECISION)?, intents),
        AskBody::Single { options } => {
            let value = known(options, &plain(answers, names::ANSWER)?)?;
            Ok(Answer::Choose { value })
        }
        AskBody::Multi { options, .. } => {
            let chosen = many(&plain(answers, names::ANSWER)?);
            let values = chosen.iter().map(|one| known(options, one)).collect::<Result<_, _>>()?;
            Ok(Answer::ChooseMany { values })
        }
        AskBody::Text { .. } => Ok(Answer::Write { text: plain(answers, names::ANSWER)? }),
        AskBody::Confirm { .. } => match plain(answers, names::ANSWER)?.to_lowercase().as_str() {
            "yes" | "true" => Ok(Answer::Confirm { confirmed: true }),
            "no" | "false" => Ok(Answer::Confirm { confirmed: false }),
            _ => Err("the answer must be `yes` or `no`".to_owned()),
        },
        AskBody::Form { questions } => Ok(Answer::Fill { values: form(questions, answers)? }),
        AskBody::Capability { .. } => {
            let text = plain(answers, names::ANSWER)?;
            Ok(Answer::Provide { result: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
        }
    }
}

/// The one answer of a plain ask: under its key, or the only one there is.
fn plain(answers: &Map<String, Value>, key: &str) -> Result<String, String> {
    let only = || answers.values().next().filter(|_| answers.len() == 1);
    let answer = answers.get(key).or_else(only);
    answer.map(text).ok_or_else(|| format!("`answers` must have the key `{key}`"))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A multiple choice is a JSON array in the text; one value alone is a choice of one.
fn many(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

/// The value of an option, by itself or by what people see of it.
fn known(options: &[Choice], said: &str) -> Result<String, String> {
    let by_value = options.iter().find(|choice| choice.value == said);
    let found = by_value.or_else(|| options.iter().find(|choice| choice.label == said));
    found.map(|choice| choice.value.clone()).ok_or_else(|| format!("`{said}` is none of the options"))
}

fn decision(said: String, intents: &[Intent]) -> Result<Answer, String> {
    let allow = |scope| Answer::Allow { scope, pattern: None, input: None, duration_ms: None };
    match said.to_lowercase().as_str() {
        names::ALLOW | "allow_once" | "yes" => Ok(allow(Scope::Once)),
        names::ALLOW_ALWAYS => Ok(allow(widest(intents))),
        names::DENY | "no" => Ok(Answer::Deny { message: None, scope: Scope::Once, pattern: None }),
        _ => Err("`decision` must be `allow`, `deny` or `allow_always`".to_owned()),
    }
}

/// The widest scope that every intent offers.
fn widest(intents: &[Intent]) -> Scope {
    let offered = |scope: &Scope| intents.iter().all(|intent| intent.scopes.contains(scope));
    [Scope::Workspace, Scope::Session].into_iter().find(offered).unwrap_or(Scope::Once)
}

fn form(questions: &[Question], answers: &Map<String, Value>) -> Result<BTreeMap<String, Value>, String> {
    let mut values = BTreeMap::new();
    for (key, said) in answers {
        let question = questions.iter().find(|question| question.key == *key);
        let question = question.ok_or_else(|| format!("nobody asked for `{key}`"))?;
        let said = text(said);
        let value = |said: &str| match question.options.is_empty() {
            true => Ok(said.to_owned()),
            // What is none of the options is an answer in one's own words.
            false => Ok::<_, String>(known(&question.options, said).unwrap_or_else(|_| said.to_owned())),
        };
        let value = match question.multiple {
            true => many(&said).iter().map(|one| value(one).map(Value::from)).collect::<Result<Vec<_>, _>>()?.into(),
            false => value(&said)?.into(),
        };
        values.insert(key.clone(), value);
    }
    let missing = questions.iter().find(|question| question.required && !values.contains_key(&question.key));
    match missing {
        Some(question) => Err(format!("`{}` must be answered", question.key)),
        None => Ok(values),
    }
}

/// How others hear of an answer: its outcome, and what was said.
pub(crate) fn told(answer: &Answer) -> (&'static str, Option<Value>) {
    let one = |text: String| {
        let mut answers = Map::new();
        answers.insert(names::ANSWER.to_owned(), text.into());
        Some(Value::Object(answers))
    };
    match answer {
        Answer::Allow { .. } => ("allowed", None),
        Answer::Deny { .. } => ("denied", None),
        Answer::Dismiss => ("dismissed", None),
        Answer::Choose { value } => ("answered", one(value.clone())),
        Answer::ChooseMany { values } => ("answered", one(Value::from(values.clone()).to_string())),
        Answer::Write { text } => ("answered", one(text.clone())),
        Answer::Confirm { confirmed } => ("answered", one(if *confirmed { "yes" } else { "no" }.to_owned())),
        Answer::Fill { values } => {
            let answers = values.iter().map(|(key, value)| (key.clone(), Value::from(text(value)))).collect();
            ("answered", Some(Value::Object(answers)))
        }
        Answer::Provide { result } => ("answered", one(text(result))),
    }
}

/// How others hear that nobody answered.
pub(crate) fn unanswered(reason: Unanswered) -> &'static str {
    match reason {
        Unanswered::Expired => "expired",
        Unanswered::Interrupted | Unanswered::AgentLost | Unanswered::Withdrawn => "dismissed",
    }
}
