//! What an agent wants to know, and what it is told.

use rejoin_core::ask::{Answer, AskBody, Settled, Unanswered};
use rejoin_core::grant::Scope;
use rejoin_core::happening::Happening;
use rejoin_core::pattern::{Matcher, Pattern};
use serde_json::json;

use crate::rig::{Rig, said};

const PERMISSION: &str = r#"permission {"toolCall": {"toolCallId": "c", "title": "git push", "kind": "execute", "rawInput": {"command": "git push"}}, "options": [{"optionId": "y", "name": "Yes", "kind": "allow_once"}, {"optionId": "a", "name": "Always", "kind": "allow_always"}, {"optionId": "n", "name": "No", "kind": "reject_once"}]}"#;

fn allow(scope: Scope) -> Answer {
    Answer::Allow { scope, pattern: None, input: None, duration_ms: None }
}

#[tokio::test]
async fn a_permission_is_asked_of_people_and_their_answer_picks_the_option() {
    let mut rig = Rig::open().await;
    let deny = Answer::Deny { message: None, scope: Scope::Once, pattern: None };
    for (answer, option) in
        [(allow(Scope::Once), "y"), (allow(Scope::Session), "a"), (deny, "n"), (Answer::Dismiss, "cancelled")]
    {
        let (before, ask) = rig.run_to_ask(PERMISSION).await;
        assert!(matches!(before[..], [Happening::ToolCalled { .. }]), "{before:?}");
        assert_eq!(ask.call.as_ref().map(|call| call.as_str()), Some("c"));
        assert_eq!(ask.bookmark, None);
        let AskBody::Permission { tool, intents, .. } = &ask.body else { panic!("{ask:?}") };
        assert_eq!(tool, "execute");
        assert_eq!(intents[0].targets, [Pattern::new(Matcher::ShellCommand, "git push")]);
        assert_eq!(said(&rig.answer(&ask, answer).await), format!("{option}\n"));
    }
}

#[tokio::test]
async fn an_ask_that_expires_is_cancelled() {
    let mut rig = Rig::open().await;
    let (_, ask) = rig.run_to_ask(PERMISSION).await;
    rig.settle(&ask, Settled::Unanswered(Unanswered::Expired)).await;
    let rest = rig.rest(&ask.turn).await;
    assert_eq!(said(&rest), "cancelled\n");
}

#[tokio::test]
async fn an_interrupt_answers_what_was_asked() {
    let mut rig = Rig::open().await;
    let (_, ask) = rig.run_to_ask(&format!("{PERMISSION}\nwaitcancel")).await;
    rig.interrupt(&ask.turn).await;
    assert_eq!(rig.says("say next").await, "next");
}

#[tokio::test]
async fn a_form_is_filled_in() {
    let mut rig = Rig::open().await;
    let form = r#"form {"properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}"#;
    let (_, ask) = rig.run_to_ask(form).await;
    let values = [("name".to_owned(), json!("Ada")), ("age".to_owned(), json!("36"))].into();
    let told = said(&rig.answer(&ask, Answer::Fill { values }).await);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, json!({"action": "accept", "content": {"name": "Ada", "age": 36}}));

    let unknown = rig.says(r#"form {"properties": {"x": {"type": "object"}}}"#).await;
    assert!(unknown.starts_with("error -32602"), "{unknown}");
}
