//! Asks as an editor can put them: a call with options to choose from.

use rejoin_sdk::types::ask::{Answer, Ask, AskBody};
use rejoin_sdk::types::grant::Scope;
use serde_json::{Value, json};

/// An option, and the answer that choosing it is.
struct Choice {
    name: String,
    kind: &'static str,
    answer: Answer,
}

/// The parameters of the request, if an editor can answer such an ask at all: there must be something to choose from.
pub(super) fn request(session: &str, ask: &Ask) -> Option<Value> {
    let choices = choices(ask)?;
    let options: Vec<Value> = choices
        .iter()
        .enumerate()
        .map(|(at, choice)| json!({ "optionId": at.to_string(), "name": choice.name, "kind": choice.kind }))
        .collect();
    let call = ask.call.as_ref().map_or(ask.id.as_str(), |call| call.as_str());
    let mut about = json!({ "toolCallId": call, "title": ask.question, "status": "pending" });
    if let AskBody::Permission { input, .. } = &ask.body {
        about["rawInput"] = input.clone();
    }
    Some(json!({ "sessionId": session, "toolCall": about, "options": options }))
}

/// The answer to an ask, from the editor's to the request. `None`: nothing was chosen.
pub(super) fn answer(ask: &Ask, outcome: &Value) -> Option<Answer> {
    let outcome = outcome.get("outcome")?;
    if outcome.get("outcome")? != "selected" {
        return None;
    }
    let at: usize = outcome.get("optionId")?.as_str()?.parse().ok()?;
    choices(ask)?.into_iter().nth(at).map(|choice| choice.answer)
}

fn choices(ask: &Ask) -> Option<Vec<Choice>> {
    let choice = |name: &str, kind, answer| Choice { name: name.to_owned(), kind, answer };
    match &ask.body {
        AskBody::Permission { intents, .. } => {
            let allow = |scope| Answer::Allow { scope, pattern: None, input: None, duration_ms: None };
            let offered = |scope| intents.iter().all(|intent| intent.scopes.contains(&scope));
            let mut choices = vec![choice("Allow", "allow_once", allow(Scope::Once))];
            if offered(Scope::Session) {
                choices.push(choice("Allow for this session", "allow_always", allow(Scope::Session)));
            }
            if offered(Scope::Workspace) {
                choices.push(choice("Always allow here", "allow_always", allow(Scope::Workspace)));
            }
            let deny = Answer::Deny { message: None, scope: Scope::Once, pattern: None };
            choices.push(choice("Deny", "reject_once", deny));
            Some(choices)
        }
        AskBody::Confirm { .. } => Some(vec![
            choice("Yes", "allow_once", Answer::Confirm { confirmed: true }),
            choice("No", "reject_once", Answer::Confirm { confirmed: false }),
        ]),
        AskBody::Single { options } => {
            let choose = |value: &str| Answer::Choose { value: value.to_owned() };
            Some(options.iter().map(|option| choice(&option.label, "allow_once", choose(&option.value))).collect())
        }
        AskBody::Multi { .. } | AskBody::Text { .. } | AskBody::Form { .. } | AskBody::Capability { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use rejoin_sdk::types::ask::Authority;
    use rejoin_sdk::types::id::{AskId, TurnId};

    use super::*;

    fn ask(body: AskBody) -> Ask {
        Ask {
            id: AskId::new("a").unwrap(),
            turn: TurnId::new("t").unwrap(),
            call: None,
            origin: None,
            question: "may it?".to_owned(),
            body,
            authority: Authority::Anyone,
            capabilities: Vec::new(),
            opened_at: 1,
            deadline: None,
            bookmark: None,
        }
    }

    #[test]
    fn what_is_chosen_is_the_answer_and_a_cancelled_request_is_none() {
        let confirm = ask(AskBody::Confirm { default: None });
        let request = request("s", &confirm).unwrap();
        assert_eq!(request["options"][1]["name"], "No");
        let chosen = json!({ "outcome": { "outcome": "selected", "optionId": "1" } });
        assert_eq!(answer(&confirm, &chosen), Some(Answer::Confirm { confirmed: false }));
        for nothing in [json!({ "outcome": { "outcome": "cancelled" } }), json!({}), json!(null)] {
            assert_eq!(answer(&confirm, &nothing), None);
        }
        assert!(super::request("s", &ask(AskBody::Text { default: None })).is_none());
    }
}
