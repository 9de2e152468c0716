//! Asks that options cannot answer: put to the editor as forms where it has forms, and as words where it has not.

use std::collections::BTreeMap;

use rejoin_sdk::types::ask::{Answer, Ask, AskBody, Choice, Question};
use serde_json::{Map, Value, json};

/// The name of the one field of a question that is no form itself.
const ANSWER: &str = "answer";

/// The parameters of the request, if a form can be made of the ask.
pub(super) fn form(session: &str, ask: &Ask) -> Option<Value> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    match &ask.body {
        AskBody::Text { default } => {
            let mut field = json!({ "type": "string", "title": ask.question });
            if let Some(default) = default {
                field["default"] = default.as_str().into();
            }
            properties.insert(ANSWER.to_owned(), field);
            required.push(ANSWER);
        }
        AskBody::Multi { options, min, max } => {
            let mut field = several(&ask.question, options);
            if let Some(min) = min {
                field["minItems"] = (*min).into();
            }
            if let Some(max) = max {
                field["maxItems"] = (*max).into();
            }
            properties.insert(ANSWER.to_owned(), field);
            required.push(ANSWER);
        }
        AskBody::Form { questions } => {
            for question in questions {
                properties.insert(question.key.clone(), field(question));
                if question.required {
                    required.push(&question.key);
                }
            }
        }
        _ => return None,
    }
    let mut params = json!({
        "mode": "form", "sessionId": session, "message": ask.question,
        "requestedSchema": { "type": "object", "properties": properties, "required": required },
    });
    if let Some(call) = &ask.call {
        params["toolCallId"] = call.as_str().into();
    }
    Some(params)
}

fn field(question: &Question) -> Value {
    match (&question.options[..], question.multiple) {
        ([], _) => json!({ "type": "string", "title": question.question }),
        (options, true) => several(&question.question, options),
        (options, false) => json!({ "type": "string", "title": question.question, "oneOf": titled(options) }),
    }
}

fn several(title: &str, options: &[Choice]) -> Value {
    json!({ "type": "array", "title": title, "items": { "anyOf": titled(options) } })
}

fn titled(options: &[Choice]) -> Vec<Value> {
    let titled = |choice: &Choice| {
        let mut option = json!({ "const": choice.value, "title": choice.label });
        if let Some(description) = &choice.description {
            option["description"] = description.as_str().into();
        }
        option
    };
    options.iter().map(titled).collect()
}

/// The answer to an ask, from what the editor says to the form. Whoever declines has dismissed it.
pub(super) fn filled(ask: &Ask, outcome: &Value) -> Answer {
    let content = outcome.get("content").and_then(Value::as_object).filter(|_| outcome["action"] == "accept");
    let Some(content) = content else { return Answer::Dismiss };
    let answer = match &ask.body {
        AskBody::Text { .. } => content.get(ANSWER).map(|given| {
            let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
            Answer::Write { text }
        }),
        AskBody::Multi { .. } => content.get(ANSWER).map(|given| {
            let values = given.as_array().map(Vec::as_slice).unwrap_or_default();
            let values = values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect();
            Answer::ChooseMany { values }
        }),
        AskBody::Form { questions } => {
            let given = |question: &Question| Some((question.key.clone(), content.get(&question.key)?.clone()));
            let values: BTreeMap<String, Value> = questions.iter().filter_map(given).collect();
            Some(Answer::Fill { values })
        }
        _ => None,
    };
    answer.filter(|answer| ask.fits(answer)).unwrap_or(Answer::Dismiss)
}

/// What an editor without forms shows: the question, and how the next prompt answers it.
pub(super) fn words(ask: &Ask) -> String {
    let options = |options: &[Choice]| -> String {
        options.iter().enumerate().map(|(at, choice)| format!("\n{}. {}", at + 1, choice.label)).collect()
    };
    let (shown, how) = match &ask.body {
        AskBody::Permission { .. } => (String::new(), "`yes`, `session`, `workspace` or `no`"),
        AskBody::Confirm { .. } => (String::new(), "`yes` or `no`"),
        AskBody::Single { options: all } => (options(all), "one of them, or its number"),
        AskBody::Multi { options: all, .. } => (options(all), "as many of them as apply, with commas between"),
        AskBody::Text { .. } => (String::new(), "what you say"),
        AskBody::Form { questions } => {
            let question = |question: &Question| {
                let must = if question.required { "" } else { " (may be left out)" };
                format!("\n- {}: {}{must}{}", question.key, question.question, options(&question.options))
            };
            (questions.iter().map(question).collect(), "`name=value`, with semicolons between")
        }
        AskBody::Capability { .. } => (String::new(), "the result as JSON"),
    };
    format!("\n\n**{}**{shown}\n\n(Your next prompt is the answer: {how}.)\n", ask.question)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: Value) -> Ask {
        let mut ask = json!({ "id": "a", "turn": "t", "question": "Well?", "authority": "anyone", "openedAt": 1 });
        ask.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        serde_json::from_value(ask).unwrap()
    }

    fn accept(content: Value) -> Value {
        json!({ "action": "accept", "content": content })
    }

    #[test]
    fn a_form_asks_for_what_the_answer_needs_and_is_read_back() {
        let options = json!([{ "label": "Apple", "value": "a" }, { "label": "Berry", "value": "b" }]);
        let text = ask(json!({ "kind": "text" }));
        assert_eq!(form("s", &text).unwrap()["requestedSchema"]["required"], json!(["answer"]));
        assert_eq!(filled(&text, &accept(json!({ "answer": "x" }))), Answer::Write { text: "x".into() });

        let multi = ask(json!({ "kind": "multi", "options": options, "min": 1 }));
        let field = form("s", &multi).unwrap()["requestedSchema"]["properties"]["answer"].clone();
        assert_eq!((&field["minItems"], &field["items"]["anyOf"][1]["const"]), (&json!(1), &json!("b")));
        let chosen = Answer::ChooseMany { values: vec!["b".into()] };
        assert_eq!(filled(&multi, &accept(json!({ "answer": ["b"] }))), chosen);
        assert_eq!(filled(&multi, &accept(json!({ "answer": ["nothing of the kind"] }))), Answer::Dismiss);

        let questions = json!([
            { "key": "fruit", "question": "Which?", "options": options, "required": true },
            { "key": "why", "question": "Why?" },
        ]);
        let whole = ask(json!({ "kind": "form", "questions": questions }));
        let schema = form("s", &whole).unwrap()["requestedSchema"].clone();
        assert_eq!(schema["required"], json!(["fruit"]));
        assert_eq!(schema["properties"]["fruit"]["oneOf"][0]["title"], "Apple");
        let values = [("fruit".to_owned(), json!("a"))].into();
        assert_eq!(filled(&whole, &accept(json!({ "fruit": "a", "more": 1 }))), Answer::Fill { values });
        for no in [json!({ "action": "decline" }), json!({ "action": "cancel" }), json!(null), accept(json!({}))] {
            assert_eq!(filled(&whole, &no), Answer::Dismiss, "{no}");
        }
    }

    #[test]
    fn words_say_how_they_are_answered() {
        let options = json!([{ "label": "Apple", "value": "a" }]);
        let shown = words(&ask(json!({ "kind": "multi", "options": options })));
        assert!(shown.contains("**Well?**\n1. Apple") && shown.contains("Your next prompt"), "{shown}");
    }
}
