//! Asks in the agent state, and what apps say to them.

use rejoin_core::ask::{Authority, Intent, Unanswered};
use rejoin_core::id::{CallId, TurnId};

use super::*;

fn ask(id: &str, call: Option<&str>, body: AskBody) -> Ask {
    Ask {
        id: AskId::new(id).unwrap(),
        turn: TurnId::new("t1").unwrap(),
        call: call.map(|call| CallId::new(call).unwrap()),
        origin: None,
        question: "Which one?".into(),
        body,
        authority: Authority::Anyone,
        capabilities: Vec::new(),
        opened_at: 5,
        deadline: None,
        bookmark: None,
    }
}

fn permission_to(command: &str) -> AskBody {
    let targets = vec![Pattern::new(Matcher::ShellCommand, command)];
    let scopes = vec![Scope::Once, Scope::Session];
    let intent = Intent { resource: "shell-command".into(), action: "execute".into(), targets, scopes };
    AskBody::Permission {
        tool: "shell".into(),
        input: json!({ "command": command }),
        intents: vec![intent],
        risk: None,
    }
}

fn colours() -> Vec<Choice> {
    let choice = |label: &str, value: &str| Choice { label: label.into(), value: value.into(), description: None };
    vec![choice("Red", "r"), choice("Blue", "b")]
}

fn allowed(scope: Scope) -> Settled {
    Settled::Answered(Answer::Allow { scope, pattern: None, input: None, duration_ms: None })
}

#[test]
fn a_permission_waits_under_its_call_and_is_completed_once() {
    let (mut state, ask) = (AgentState::default(), ask("a1", Some("c1"), permission_to("ls")));
    open(&mut state, &ask);
    let once = state.clone();
    open(&mut state, &ask);
    assert_eq!(state, once);
    let request = &state.requests.as_ref().unwrap()["c1"];
    assert_eq!((request.tool.as_str(), &request.arguments), ("shell", &json!({ "command": "ls" })));
    assert_eq!(request.tool_use_id.as_deref(), Some("c1"));
    let waiting = [ask.clone()];
    assert!(["c1", "a1"].iter().all(|name| named(&waiting, name).is_some()) && named(&waiting, "c2").is_none());

    settle(&mut state, &ask.id, &allowed(Scope::Session), 9);
    assert!(state.requests.as_ref().unwrap().is_empty());
    let completed = &state.completed_requests.as_ref().unwrap()["c1"];
    assert_eq!((&completed.status, completed.completed_at), (&RequestStatus::Approved, Some(9)));
    assert_eq!(completed.decision, Some(Decision::ApprovedForSession));
    assert_eq!(completed.allow_tools, completed.allowed_tools);
    let settled = state.clone();
    settle(&mut state, &ask.id, &Settled::Unanswered(Unanswered::Expired), 10);
    open(&mut state, &ask);
    assert_eq!(state, settled, "told again it is the same");
}

#[test]
fn a_call_that_asks_again_is_not_hidden_by_its_first_answer() {
    let mut state = AgentState::default();
    let (first, second) = (ask("a1", Some("c1"), permission_to("ls")), ask("a2", Some("c1"), permission_to("ls")));
    open(&mut state, &first);
    settle(&mut state, &first.id, &allowed(Scope::Once), 9);
    open(&mut state, &second);
    assert!(state.requests.as_ref().unwrap().contains_key("c1"));
    assert!(!state.completed_requests.as_ref().unwrap().contains_key("c1"));
}

#[test]
fn an_approval_may_hold_for_longer_and_for_more() {
    let ask = ask("a1", None, permission_to("git status"));
    let said = |value: Value| permission(&ask, serde_json::from_value(value).unwrap());
    let allow = |scope, pattern| Answer::Allow { scope, pattern, input: None, duration_ms: None };
    assert_eq!(said(json!({ "id": "a1", "approved": true })), allow(Scope::Once, None));
    let git = Some(Pattern::new(Matcher::ShellCommand, "git:*"));
    let tools = json!({ "id": "a1", "approved": true, "allowTools": ["Bash(git:*)"] });
    assert_eq!(said(tools), allow(Scope::Session, git));
    let session = json!({ "id": "a1", "approved": true, "decision": "approved_for_session" });
    assert_eq!(said(session), allow(Scope::Session, None));
    let no = json!({ "id": "a1", "approved": false, "reason": "not now" });
    assert_eq!(said(no), Answer::Deny { message: Some("not now".into()), scope: Scope::Once, pattern: None });
}

#[test]
fn a_question_is_a_form_and_its_answer_the_value_behind_the_label() {
    let (mut state, ask) = (AgentState::default(), ask("a1", None, AskBody::Single { options: colours() }));
    open(&mut state, &ask);
    let form = &state.extra["communications"]["a1"];
    assert_eq!((&form["kind"], &form["title"]), (&json!("form"), &json!("Which one?")));
    assert_eq!(form["form"]["questions"][0]["options"], json!([{ "label": "Red" }, { "label": "Blue" }]));

    let said =
        json!({ "id": "a1", "kind": "form", "status": "answered", "answers": { "answer": { "options": ["Blue"] } } });
    let said: FormAnswer = serde_json::from_value(said).unwrap();
    let answer = filled(&ask, &said);
    assert_eq!(answer, Answer::Choose { value: "b".into() });
    assert!(ask.fits(&answer));

    settle(&mut state, &ask.id, &Settled::Answered(answer), 9);
    assert_eq!(state.extra["communications"], json!({}));
    let settled = &state.extra["completedCommunications"]["a1"];
    assert_eq!(
        (&settled["status"], &settled["answers"]),
        (&json!("answered"), &json!({ "answer": { "options": ["b"] } }))
    );
}

#[test]
fn every_kind_of_question_can_be_answered_from_a_form() {
    let filled_with = |body: AskBody, answers: Value| {
        let ask = ask("a1", None, body);
        let said: FormAnswer =
            serde_json::from_value(json!({ "id": "a1", "status": "answered", "answers": answers })).unwrap();
        let answer = filled(&ask, &said);
        assert!(ask.fits(&answer), "{answer:?}");
        answer
    };
    let only = |options: Value| json!({ "answer": { "options": options } });
    let multi = AskBody::Multi { options: colours(), min: None, max: None };
    assert_eq!(
        filled_with(multi, only(json!(["Red", "Blue"]))),
        Answer::ChooseMany { values: vec!["r".into(), "b".into()] }
    );
    let text = json!({ "answer": { "options": [], "custom": "hello" } });
    assert_eq!(filled_with(AskBody::Text { default: None }, text), Answer::Write { text: "hello".into() });
    let confirm = AskBody::Confirm { default: None };
    assert_eq!(filled_with(confirm, only(json!(["Yes"]))), Answer::Confirm { confirmed: true });
    let question =
        Question { key: "k".into(), question: "?".into(), options: colours(), multiple: false, required: true };
    let form = AskBody::Form { questions: vec![question] };
    let Answer::Fill { values } = filled_with(form, json!({ "k": { "options": ["Red"] } })) else { panic!("no form") };
    assert_eq!(values["k"], "r");
}

#[test]
fn a_state_from_an_earlier_life_comes_to_agree_with_what_is_so() {
    let mut state = AgentState::default();
    let (gone, new) = (ask("a1", Some("c1"), permission_to("ls")), ask("a2", None, permission_to("pwd")));
    open(&mut state, &gone);
    open(&mut state, &ask("a3", None, AskBody::Text { default: None }));
    agree(&mut state, std::slice::from_ref(&new), 9);
    assert_eq!(state.requests.as_ref().unwrap().keys().collect::<Vec<_>>(), ["a2"]);
    assert_eq!(state.completed_requests.as_ref().unwrap()["c1"].status, RequestStatus::Canceled);
    assert_eq!(state.extra["completedCommunications"]["a3"]["status"], "cancelled");
    assert_eq!(state.controlled_by_user, Some(false));
}

#[test]
fn what_is_settled_is_forgotten_in_time() {
    let mut state = AgentState::default();
    for number in 0..2 * KEPT as u64 {
        let ask = ask(&format!("a{number}"), None, permission_to("ls"));
        open(&mut state, &ask);
        settle(&mut state, &ask.id, &allowed(Scope::Once), number);
    }
    let completed = state.completed_requests.as_ref().unwrap();
    assert_eq!(completed.len(), KEPT);
    assert!(completed.values().all(|one| one.completed_at >= Some(KEPT as u64)));
}
