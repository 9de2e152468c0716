//! What a person says to an ask, understood.

use std::collections::BTreeMap;

use rejoin_sdk::types::ask::{Answer, Ask, AskBody, Choice, Question};
use rejoin_sdk::types::grant::Scope;
use serde_json::Value;

/// Reads words as an answer to an ask; or says what would be one.
pub(crate) fn understand(ask: &Ask, words: &str) -> Result<Answer, String> {
    let words = words.trim();
    match &ask.body {
        AskBody::Permission { .. } => permission(words),
        AskBody::Single { options } => {
            let value = choice(options, words)?;
            Ok(Answer::Choose { value })
        }
        AskBody::Multi { options, min, max } => {
            let chosen = words.split(',').map(str::trim).filter(|word| !word.is_empty());
            let values = chosen.map(|word| choice(options, word)).collect::<Result<Vec<_>, _>>()?;
            let count = values.len() as u32;
            if count < min.unwrap_or(0) || count > max.unwrap_or(u32::MAX) {
                return Err(format!("that is {count} of them"));
            }
            Ok(Answer::ChooseMany { values })
        }
        AskBody::Text { default } => {
            let text = match (words.is_empty(), default) {
                (true, Some(default)) => default.clone(),
                _ => words.to_owned(),
            };
            Ok(Answer::Write { text })
        }
        AskBody::Confirm { default } => {
            let confirmed = match (yes_or_no(words), default) {
                (Some(confirmed), _) => confirmed,
                (None, Some(default)) if words.is_empty() => *default,
                _ => return Err("say yes or no".to_owned()),
            };
            Ok(Answer::Confirm { confirmed })
        }
        AskBody::Form { questions } => form(questions, words),
        AskBody::Capability { .. } => {
            let result = serde_json::from_str(words).map_err(|why| format!("the result must be JSON: {why}"))?;
            Ok(Answer::Provide { result })
        }
    }
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "ok" => Some(true),
        "n" | "no" | "false" => Some(false),
        _ => None,
    }
}

fn permission(words: &str) -> Result<Answer, String> {
    let allow = |scope| Answer::Allow { scope, pattern: None, input: None, duration_ms: None };
    // What follows a no is for the agent to read: "no, use the other one".
    let (first, rest) = match words.split_once([' ', ',']) {
        Some((first, rest)) => (first, rest.trim()),
        None => (words, ""),
    };
    let word = first.to_ascii_lowercase();
    match word.as_str() {
        "n" | "no" | "deny" => {
            Ok(Answer::Deny { message: (!rest.is_empty()).then(|| rest.to_owned()), scope: Scope::Once, pattern: None })
        }
        "y" | "yes" | "ok" | "allow" | "once" if rest.is_empty() => Ok(allow(Scope::Once)),
        "s" | "session" | "always" if rest.is_empty() => Ok(allow(Scope::Session)),
        "w" | "workspace" if rest.is_empty() => Ok(allow(Scope::Workspace)),
        _ => Err("say yes, session, workspace or no".to_owned()),
    }
}

/// A value that is really named so comes before a number.
fn choice(options: &[Choice], word: &str) -> Result<String, String> {
    let named = options
        .iter()
        .find(|choice| choice.value == word)
        .or_else(|| options.iter().find(|choice| choice.label.eq_ignore_ascii_case(word)));
    let numbered = || {
        let number: usize = word.parse().ok()?;
        options.get(number.checked_sub(1)?)
    };
    match named.or_else(numbered) {
        Some(choice) => Ok(choice.value.clone()),
        None => Err(format!("`{word}` is none of the options")),
    }
}

fn form(questions: &[Question], words: &str) -> Result<Answer, String> {
    if words.starts_with('{') {
        let values: BTreeMap<String, Value> =
            serde_json::from_str(words).map_err(|why| format!("the values must be JSON: {why}"))?;
        return Ok(Answer::Fill { values });
    }
    let mut values = BTreeMap::new();
    for pair in words.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, text) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not key=value"))?;
        let (key, text) = (key.trim(), text.trim());
        let question = questions.iter().find(|question| question.key == key);
        let question = question.ok_or_else(|| format!("there is no question `{key}`"))?;
        let pick = |word: &str| match question.options.is_empty() {
            true => Ok(word.to_owned()),
            false => choice(&question.options, word),
        };
        let value = match question.multiple {
            true => {
                let picked = text.split(',').map(|word| pick(word.trim()));
                Value::from(picked.collect::<Result<Vec<_>, _>>()?)
            }
            false => pick(text)?.into(),
        };
        values.insert(key.to_owned(), value);
    }
    let missing = questions.iter().find(|question| question.required && !values.contains_key(&question.key));
    match missing {
        Some(question) => Err(format!("`{}` is missing", question.key)),
        None => Ok(Answer::Fill { values }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(body: Value) -> Ask {
        let mut ask = json!({ "id": "a", "turn": "t", "question": "?", "authority": "anyone", "openedAt": 1 });
        ask.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        serde_json::from_value(ask).unwrap()
    }

    fn said(body: Value, words: &str) -> Result<Value, String> {
        let ask = ask(body);
        understand(&ask, words).map(|answer| {
            assert!(ask.fits(&answer), "{answer:?}");
            serde_json::to_value(answer).unwrap()
        })
    }

    #[test]
    fn a_permission_takes_a_yes_with_a_scope_or_a_no_with_a_reason() {
        let permission = json!({ "kind": "permission", "tool": "shell", "intents": [] });
        let scope = |words| said(permission.clone(), words).map(|said| said["scope"].clone());
        assert_eq!(scope("y"), Ok(json!("once")));
        assert_eq!(scope("Session"), Ok(json!("session")));
        assert_eq!(scope("workspace"), Ok(json!("workspace")));
        let no = said(permission.clone(), "no, not there").unwrap();
        assert_eq!((&no["kind"], &no["message"]), (&json!("deny"), &json!("not there")));
        for unclear in ["", "maybe", "yes please delete everything"] {
            assert!(said(permission.clone(), unclear).is_err(), "{unclear}");
        }
    }

    #[test]
    fn an_option_is_named_or_numbered() {
        let options = json!([{ "label": "Red", "value": "red" }, { "label": "One", "value": "1" }]);
        let single = json!({ "kind": "single", "options": options });
        assert_eq!(said(single.clone(), "RED").unwrap()["value"], "red");
        assert_eq!(said(single.clone(), "2").unwrap()["value"], "1");
        assert_eq!(said(single.clone(), "1").unwrap()["value"], "1", "a name comes before a number");
        assert!(said(single.clone(), "0").is_err());
        let multi = json!({ "kind": "multi", "options": options, "min": 1, "max": 2 });
        assert_eq!(said(multi.clone(), "red, 2").unwrap()["values"], json!(["red", "1"]));
        assert!(said(multi, "").is_err());
    }

    #[test]
    fn an_empty_line_takes_the_default_where_there_is_one() {
        assert_eq!(said(json!({ "kind": "confirm", "default": true }), "").unwrap()["confirmed"], true);
        assert!(said(json!({ "kind": "confirm" }), "").is_err());
        assert_eq!(said(json!({ "kind": "text", "default": "x" }), "").unwrap()["text"], "x");
    }

    #[test]
    fn a_form_is_filled_question_by_question() {
        let form = json!({ "kind": "form", "questions": [
            { "key": "name", "question": "Who?", "required": true },
            { "key": "colour", "question": "Which?", "multiple": true, "options": [{ "label": "Red", "value": "r" }, { "label": "Blue", "value": "b" }] },
        ] });
        let filled = said(form.clone(), "name=Ada; colour=red,2").unwrap();
        assert_eq!(filled["values"], json!({ "name": "Ada", "colour": ["r", "b"] }));
        assert_eq!(said(form.clone(), "colour=red"), Err("`name` is missing".to_owned()));
        assert!(said(form.clone(), "size=3").is_err());
        assert_eq!(said(form, r#"{"name":"Bob"}"#).unwrap()["values"]["name"], "Bob");
    }
}
