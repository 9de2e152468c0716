//! What a script asks, what it prints of the answer, and how it goes on in another life of the process.

mod common;

use std::collections::BTreeMap;

use common::{Rig, text};
use rejoin_core::ask::{Answer, Ask, AskBody, Authority, Question, Settled, Unanswered};
use rejoin_core::grant::Scope;
use rejoin_core::happening::Happening;
use rejoin_core::pattern::{Matcher, Pattern};
use serde_json::{Value, json};

fn allow(scope: Scope, input: Option<Value>) -> Answer {
    Answer::Allow { scope, pattern: None, input, duration_ms: None }
}

fn deny() -> Answer {
    Answer::Deny { message: None, scope: Scope::Once, pattern: None }
}

/// One line of each kind of `!ask`, answers to it, and what they print.
fn conversations() -> Vec<(&'static str, Vec<(Answer, &'static str)>)> {
    let write = |text: &str| Answer::Write { text: text.into() };
    let choose = |value: &str| Answer::Choose { value: value.into() };
    let many = |values: &[&str]| Answer::ChooseMany { values: values.iter().map(|&value| value.into()).collect() };
    let fill = |values: &[(&str, Value)]| Answer::Fill {
        values: values.iter().map(|(key, value)| ((*key).into(), value.clone())).collect(),
    };
    let yes = Answer::Confirm { confirmed: true };
    let no = Answer::Confirm { confirmed: false };
    vec![
        (
            r#"!ask permission git repository {"branch": "main"}"#,
            vec![
                (allow(Scope::Once, None), "allowed once"),
                (allow(Scope::Session, None), "allowed session"),
                (allow(Scope::Workspace, None), "allowed workspace"),
                (deny(), "denied"),
            ],
        ),
        ("!ask permission git repository", vec![(deny(), "denied")]),
        ("!ask confirm ship it?", vec![(yes, "yes"), (no, "no")]),
        ("!ask text your name?", vec![(write("Ada"), "Ada"), (write(""), "")]),
        ("!ask single colour? | red | dark green", vec![(choose("dark green"), "dark green")]),
        ("!ask multi which? | a | b | c", vec![(many(&["c", "a"]), "c, a"), (many(&[]), "")]),
        (
            r#"!ask form {"question": "Who?", "questions": [{"key": "name", "required": true}, {"key": "age", "options": ["1", "2"]}]}"#,
            vec![(fill(&[("name", json!("Ada")), ("age", json!(2))]), r#"{"age":2,"name":"Ada"}"#)],
        ),
        (
            r#"!ask client screenshot {"tab": 3}"#,
            vec![
                (Answer::Provide { result: json!({"ok": true}) }, r#"{"ok":true}"#),
                (Answer::Provide { result: json!(null) }, "null"),
            ],
        ),
    ]
}

#[tokio::test]
async fn the_answer_is_printed_as_a_line() {
    let mut rig = Rig::open("script").await;
    for (line, answers) in conversations() {
        for (answer, printed) in answers {
            let (before, ask) = rig.run_to_ask(&format!("asking\n{line}\nafter")).await;
            assert_eq!(text(&before), "asking\n");
            assert_eq!(ask.call, None);
            let rest = rig.answer(&ask, answer).await;
            let line = Happening::Text(format!("{printed}\n"));
            let after = Happening::Text("after".into());
            assert_eq!(rest, [line, after, Happening::Done]);
        }
    }
}

#[tokio::test]
async fn a_script_goes_on_behind_each_kind_of_ask_in_another_life() {
    for (line, answers) in conversations() {
        let script = format!("before\n{line}\n!ask confirm more?\nafter");
        let mut rig = Rig::open("script").await;
        let (_, ask) = rig.run_to_ask(&script).await;
        let mut rig = rig.reopen("script").await;

        let (answer, printed) = answers[0].clone();
        let turn = ask.turn.clone();
        rig.resume(&turn, &script, ask.clone(), Settled::Answered(answer)).await;
        assert_eq!(rig.next_of(&turn).await, Happening::Text(format!("{printed}\n")));
        let Happening::Asked(more) = rig.next_of(&turn).await else {
            panic!("the script asks once more");
        };
        let more = common::opened(more, &turn);
        assert_ne!(more.id, ask.id);
        let rest = rig.answer(&more, Answer::Confirm { confirmed: true }).await;
        assert_eq!(text(&rest), "yes\nafter");
    }
}

#[tokio::test]
async fn an_ask_that_nobody_answers_says_so() {
    let mut rig = Rig::open("script").await;
    for (settled, printed) in [
        (Settled::Answered(Answer::Dismiss), "dismissed\non"),
        (Settled::Unanswered(Unanswered::Expired), "expired\non"),
        (Settled::Unanswered(Unanswered::Withdrawn), "withdrawn\non"),
    ] {
        let script = "!ask text well?\non";
        let (_, ask) = rig.run_to_ask(script).await;
        rig.settle(&ask, settled.clone()).await;
        assert_eq!(text(&rig.rest().await), printed);
        // The same in another life.
        rig = rig.reopen("script").await;
        rig.resume(&ask.turn, script, ask.clone(), settled).await;
        assert_eq!(text(&rig.rest().await), printed);
    }
}

#[tokio::test]
async fn an_answer_to_another_ask_is_not_taken() {
    let mut rig = Rig::open("script").await;
    let (_, first) = rig.run_to_ask("!ask text one?\n!ask text two?").await;
    let write = |text: &str| Settled::Answered(Answer::Write { text: text.into() });
    rig.settle(&first, write("1")).await;
    rig.settle(&first, write("said twice")).await;
    assert_eq!(rig.next_of(&first.turn).await, Happening::Text("1\n".into()));
    let Happening::Asked(second) = rig.next_of(&first.turn).await else { panic!("two is asked") };
    rig.settle(&common::opened(second, &first.turn), write("2")).await;
    assert_eq!(text(&rig.rest().await), "2\n");
}

async fn ask_of(line: &str) -> Ask {
    Rig::open("script").await.run_to_ask(line).await.1
}

#[tokio::test]
async fn a_permission_names_the_tool_the_resource_and_the_target() {
    let ask = ask_of(r#"!ask permission bash shell {"command": "git push"}"#).await;
    assert_eq!(ask.authority, Authority::Controller);
    let AskBody::Permission { tool, input, intents, .. } = ask.body else { panic!() };
    assert_eq!((tool.as_str(), input), ("bash", json!({"command": "git push"})));
    assert_eq!((intents[0].resource.as_str(), intents[0].action.as_str()), ("shell", "execute"));
    let command = Pattern { matcher: Matcher::ShellCommand, text: "git push".into() };
    assert_eq!(intents[0].targets, [command]);
    assert_eq!(intents[0].scopes, [Scope::Once, Scope::Session, Scope::Workspace]);
    assert_eq!(intents.len(), 1);
}

#[tokio::test]
async fn options_are_their_own_values() {
    let ask = ask_of("!ask single which one? |  a |b b").await;
    assert_eq!(ask.question, "which one?");
    let AskBody::Single { options } = ask.body else { panic!() };
    let pairs: Vec<_> = options.iter().map(|o| (o.label.as_str(), o.value.as_str())).collect();
    assert_eq!(pairs, [("a", "a"), ("b b", "b b")]);
}

#[tokio::test]
async fn a_form_takes_all_that_a_question_can_be() {
    let ask = ask_of(
        r#"!ask form {"questions": [{"key": "k", "question": "Which?", "multiple": true, "required": true,
 "options": ["x", {"label": "Y", "value": "y", "description": "why"}]}, {"key": "plain"}]}"#
            .replace('\n', "")
            .as_str(),
    )
    .await;
    let AskBody::Form { questions } = ask.body else { panic!() };
    let expected: Vec<Question> = serde_json::from_value(json!([
        {"key": "k", "question": "Which?", "multiple": true, "required": true, "options": [
            {"label": "x", "value": "x"}, {"label": "Y", "value": "y", "description": "why"}]},
        {"key": "plain", "question": "plain"},
    ]))
    .unwrap();
    assert_eq!(questions, expected);
}

#[tokio::test]
async fn a_client_is_asked_for_what_it_can_do() {
    let ask = ask_of(r#"!ask client browser {"url": "about:blank"}"#).await;
    assert_eq!(ask.capabilities, ["browser"]);
    assert_eq!(ask.authority, Authority::Anyone);
    let body = AskBody::Capability { capability: "browser".into(), input: json!({"url": "about:blank"}) };
    assert_eq!(ask.body, body);
}

const GUARDED: &str = r#"!guarded deploy {"to": "prod"} => deployed
after"#;

/// The calls of a guarded tool by what happened to them.
fn steps(happenings: &[Happening]) -> Vec<String> {
    let step = |happening: &Happening| match happening {
        Happening::ToolCalled { name, .. } => Some(format!("called {name}")),
        Happening::ToolStarted { input, .. } => Some(match input {
            Some(input) => format!("started with {input}"),
            None => "started".to_owned(),
        }),
        Happening::ToolEnded { result, .. } => Some(match result {
            Ok(output) => format!("ok {output}"),
            Err(error) => format!("error {error}"),
        }),
        _ => None,
    };
    happenings.iter().filter_map(step).collect()
}

/// What answers do to a guarded tool.
fn verdicts() -> Vec<(Settled, Vec<&'static str>)> {
    let answered = Settled::Answered;
    vec![
        (answered(allow(Scope::Once, None)), vec!["started", r#"ok "deployed""#]),
        (
            answered(allow(Scope::Session, Some(json!({"to": "test"})))),
            vec![r#"started with {"to":"test"}"#, r#"ok "deployed""#],
        ),
        (answered(deny()), vec!["error denied"]),
        (answered(Answer::Dismiss), vec!["error dismissed"]),
        (Settled::Unanswered(Unanswered::Expired), vec!["error expired"]),
    ]
}

#[tokio::test]
async fn a_guarded_tool_runs_as_it_was_allowed_or_not_at_all() {
    let mut rig = Rig::open("script").await;
    for (settled, expected) in verdicts() {
        let (before, ask) = rig.run_to_ask(GUARDED).await;
        assert_eq!(steps(&before), ["called deploy"]);
        let Happening::ToolCalled { call, .. } = &before[0] else { panic!() };
        assert_eq!(ask.call.as_ref(), Some(call));
        let AskBody::Permission { tool, intents, .. } = &ask.body else { panic!() };
        assert_eq!((tool.as_str(), intents[0].resource.as_str()), ("deploy", "tool"));
        let target = Pattern { matcher: Matcher::Exact, text: "deploy".into() };
        assert_eq!(intents[0].targets, [target]);

        rig.settle(&ask, settled).await;
        let rest = rig.rest().await;
        assert_eq!(steps(&rest), expected);
        assert_eq!(text(&rest), "after");
    }
}

#[tokio::test]
async fn a_guarded_tool_runs_in_another_life_under_the_call_that_is_known() {
    for (settled, expected) in verdicts() {
        let mut rig = Rig::open("script").await;
        let (_, ask) = rig.run_to_ask(GUARDED).await;
        let mut rig = rig.reopen("script").await;
        rig.resume(&ask.turn, GUARDED, ask.clone(), settled).await;
        let rest = rig.rest().await;
        assert_eq!(steps(&rest), expected);
        let ended = rest.iter().find_map(|happening| match happening {
            Happening::ToolEnded { call, .. } => Some(call.clone()),
            _ => None,
        });
        assert_eq!(ended, ask.call);
        assert_eq!(text(&rest), "after");
    }
}

#[tokio::test]
async fn a_guarded_command_is_judged_as_a_command() {
    let ask = ask_of(r#"!guarded bash {"command": "rm -r x"} => gone"#).await;
    let AskBody::Permission { intents, .. } = ask.body else { panic!() };
    let command = Pattern { matcher: Matcher::ShellCommand, text: "rm -r x".into() };
    assert_eq!(intents[0].targets, [command]);
}

#[tokio::test]
async fn a_mark_that_leads_nowhere_fails_the_turn() {
    let script = "said\n!ask text well?\nafter";
    let marks =
        [None, Some("line 1"), Some("line 9"), Some("line 0"), Some("elsewhere"), Some("line 99999999999999999999")];
    for mark in marks {
        let mut rig = Rig::open("script").await;
        let (_, mut ask) = rig.run_to_ask(script).await;
        let mut rig = rig.reopen("script").await;
        ask.bookmark = mark.map(str::to_owned);
        let settled = Settled::Answered(Answer::Write { text: "x".into() });
        rig.resume(&ask.turn.clone(), script, ask, settled).await;
        let rest = rig.rest().await;
        assert!(matches!(&rest[..], [Happening::Failed { code, .. }] if code == "script_error"), "{mark:?}: {rest:?}");
    }
}

#[tokio::test]
async fn ids_are_the_same_in_every_life_and_differ_between_lines_and_turns() {
    let script = "!ask text 1?\n!tool t {} => x\n!ask text 2?";
    let answer = || Settled::Answered(Answer::Write { text: "x".into() });
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    let mut note = |id: &str| *ids.entry(id.to_owned()).or_default() += 1;
    for _turn in 0..2 {
        let mut rig = Rig::open("script").await;
        let (_, first) = rig.run_to_ask(script).await;
        // A life for each half.
        let mut rig = rig.reopen("script").await;
        note(first.id.as_str());
        rig.resume(&first.turn, script, first.clone(), answer()).await;
        loop {
            match rig.next_of(&first.turn).await {
                Happening::ToolCalled { call, .. } => note(call.as_str()),
                Happening::Asked(second) => break note(second.id.as_str()),
                _ => {}
            }
        }
    }
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids.values().all(|times| *times == 2), "{ids:?}");

    let mut rig = Rig::open("script").await;
    let (_, first) = rig.run_to_ask(script).await;
    rig.interrupt(&first.turn).await;
    let (_, other) = rig.run_to_ask(script).await;
    assert_ne!(first.id, other.id);
}
