//! Stories of a log, as lines of what the apps are told.

use std::sync::Arc;

use rejoin_core::ask::Answer;
use rejoin_core::event::Context;
use rejoin_core::grant::Scope;
use rejoin_core::id::{MessageId, PartId, TurnId};
use rejoin_core::part::{MessageStatus, PartBody, ToolCall, ToolState};
use rejoin_core::position::{Epoch, Seq};
use rejoin_core::turn::Outcome;
use rejoin_core::usage::Usage;
use serde_json::{Value, json};

use super::*;

fn id<T: TryFrom<String>>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap_or_else(|_| panic!("{text}"))
}

fn message(role: MessageRole, turn: Option<&str>) -> LoggedMessage {
    LoggedMessage {
        id: id("m1"),
        role,
        status: MessageStatus::Completed,
        created_at: 7,
        turn: turn.map(id),
        completed_at: None,
        model: None,
        provider: None,
        usage: None,
        error: None,
        parent: None,
        summary: false,
    }
}

fn part(body: PartBody) -> Part {
    Part { id: id::<PartId>("p1"), message: id::<MessageId>("m1"), at: 7, body }
}

fn text(text: &str) -> Part {
    part(PartBody::Text { text: text.to_owned() })
}

fn tool(state: ToolState, arguments: Option<&str>) -> Part {
    part(PartBody::Tool(ToolCall {
        call: id("call-1"),
        name: "shell".into(),
        input: json!({ "command": "ls -l\nls" }),
        state,
        arguments: arguments.map(str::to_owned),
        child: None,
    }))
}

fn prompt(words: &str) -> Event {
    Event::MessageAdded { message: message(MessageRole::User, Some("t1")), parts: vec![text(words)] }
}

fn done() -> ToolState {
    ToolState::Completed { started_at: 1, ended_at: 2, output: json!("a") }
}

fn teller() -> Teller {
    Teller::new(id("s1"), id("ann"), BTreeSet::new())
}

fn elsewhere() -> Author {
    Author { user: id("ann"), door: "native".into(), client: None, connection: None }
}

fn logged(seq: u64, author: Author, event: Event) -> Logged {
    let mut logged = Logged::new(Seq::new(seq).unwrap(), 7, Arc::new(author), event);
    logged.context = Context { turn: Some(id::<TurnId>("t1")), standing: None };
    logged
}

/// What is told of these events, one line each: its name, and in short what it says.
fn told_by(teller: &mut Teller, author: Author, events: Vec<Event>) -> Vec<String> {
    let mut lines = Vec::new();
    for (seq, event) in (1..).zip(events) {
        let at = Position { epoch: Epoch(0xe), seq };
        lines.extend(teller.tell(at, &logged(seq, author.clone(), event)).into_iter().map(line));
    }
    lines
}

fn told(author: Author, events: Vec<Event>) -> Vec<String> {
    told_by(&mut teller(), author, events)
}

fn line(Told { name, what }: Told) -> String {
    let what = match what {
        What::Say(message) => short(&serde_json::to_value(message).unwrap()),
        What::Attach(file) => format!("file {} {}", file.mime, file.url),
        What::Asked(ask) => format!("asked {}", ask.id),
        What::Settled { ask, .. } => format!("settled {ask}"),
        What::Changed => "changed".to_owned(),
        What::Ended => "ended".to_owned(),
    };
    format!("{} {what}", name.strip_prefix("s1:").unwrap())
}

fn short(message: &Value) -> String {
    let content = &message["content"];
    match message["role"].as_str().unwrap() {
        "user" => format!("user {}", content["text"]),
        "agent" => format!("event {}", content["data"]),
        _ => {
            let turn = if content["turn"] == cuid("t1") { "t1" } else { "?" };
            let usage = if content["usage"].is_object() { " usage" } else { "" };
            format!("{turn} {}{usage}", content["ev"])
        }
    }
}

#[test]
fn a_turn_is_told_as_command_lines_tell_it() {
    let usage = Usage { input: 3, output: 4, ..Usage::default() };
    let events = vec![
        Event::TurnStarted { turn: id("t1"), prompt: id("m1"), item: None, reference: None },
        prompt("list it"),
        Event::PartCompleted { part: part(PartBody::Reasoning { text: "hm".into() }), whole: false },
        Event::PartStarted { part: tool(ToolState::Pending, Some("{")) },
        Event::PartUpdated { part: tool(ToolState::Pending, None) },
        Event::PartUpdated { part: tool(ToolState::Running { started_at: 1 }, None) },
        Event::PartDelta { part: id("p1"), text: "x".into(), marks: Default::default(), of: Default::default() },
        Event::PartCompleted { part: tool(done(), None), whole: false },
        Event::PartCompleted { part: text("done"), whole: false },
        Event::TurnEnded {
            turn: id("t1"),
            outcome: Outcome::Completed,
            text: "done".into(),
            text_truncated: false,
            usage,
            cascaded: Vec::new(),
        },
    ];
    let expected = [
        r#"e.2 user "list it""#,
        r#"e.2.1 t1 {"t":"turn-start"}"#,
        r#"e.3 t1 {"t":"text","text":"hm","thinking":true}"#,
        r#"e.5 t1 {"t":"tool-call-start","call":"call-1","name":"shell","title":"shell","description":"ls -l","args":{"command":"ls -l\nls"}}"#,
        r#"e.8 t1 {"t":"tool-call-end","call":"call-1"}"#,
        r#"e.9 t1 {"t":"text","text":"done"}"#,
        r#"e.10 t1 {"t":"service","text":""} usage"#,
        r#"e.10.1 t1 {"t":"turn-end","status":"completed"}"#,
        r#"e.10.2 event {"type":"ready"}"#,
        "e.10.3 ended",
    ];
    assert_eq!(told(elsewhere(), events.clone()), expected);
    assert_eq!(told(elsewhere(), events), expected, "told again it is the same");
}

#[test]
fn what_was_said_in_the_apps_is_not_told_to_them() {
    let phone = author(&id("ann"));
    assert_eq!(told(phone, vec![prompt("from the phone")]), [r#"e.1 t1 {"t":"turn-start"}"#]);
    let other = author(&id("bob"));
    assert_eq!(told(other, vec![prompt("hi")])[0], r#"e.1 user "hi""#, "another's phone is elsewhere");
}

#[test]
fn a_prompt_from_elsewhere_is_known_again_when_it_comes_back() {
    let mut teller = teller();
    let at = Position { epoch: Epoch(0xe), seq: 1 };
    let told = teller.tell(at, &logged(1, elsewhere(), prompt("hi")));
    let What::Say(message) = &told[0].what else { panic!("{told:?}") };
    let Message::User(message) = &**message else { panic!("{message:?}") };
    assert!(teller.is_ours(message.local_key.as_deref()));
    for theirs in [None, Some(""), Some("s1"), Some("s2:e.1"), Some("s10:e.1")] {
        assert!(!teller.is_ours(theirs), "{theirs:?}");
    }
}

#[test]
fn a_turn_that_breaks_off_ends_its_calls_and_says_why() {
    let mut teller = teller();
    told_by(&mut teller, elsewhere(), vec![Event::PartStarted { part: tool(ToolState::Pending, None) }]);
    assert_eq!(teller.open().len(), 1);
    let ended = |outcome| Event::TurnEnded {
        turn: id("t1"),
        outcome,
        text: String::new(),
        text_truncated: false,
        usage: Usage::default(),
        cascaded: Vec::new(),
    };
    let failed = Outcome::Failed { code: "x".into(), message: "no money".into(), retry_ms: None };
    let lines = told_by(&mut teller, elsewhere(), vec![ended(failed)]);
    assert_eq!(
        lines[..3],
        [
            r#"e.1 t1 {"t":"tool-call-end","call":"call-1"}"#,
            r#"e.1.1 t1 {"t":"service","text":"The turn failed: no money"}"#,
            r#"e.1.2 t1 {"t":"turn-end","status":"failed"}"#,
        ]
    );
    assert!(teller.open().is_empty());
    let stopped = told(elsewhere(), vec![ended(Outcome::Interrupted { reason: "user".into() })]);
    assert_eq!(stopped[0], r#"e.1 t1 {"t":"turn-end","status":"cancelled"}"#);
}

#[test]
fn long_texts_come_in_pieces_and_long_arguments_are_cut() {
    let long = "ä".repeat(LONGEST_TEXT);
    let lines = told(elsewhere(), vec![Event::PartCompleted { part: text(&long), whole: true }]);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("e.1 ") && lines[1].starts_with("e.1.1 "));
    let cut = arguments(&json!({ "content": "x".repeat(1 << 20) }));
    assert!(cut["truncated"] == true && cut["input"].as_str().unwrap().len() < 20_000);
    assert_eq!(arguments(&json!([1])), *json!({ "input": [1] }).as_object().unwrap());
}

#[test]
fn files_asks_and_titles_are_told_in_their_places() {
    let image = part(PartBody::Image { mime: "image/png".into(), url: "blob:aa".into() });
    let answer = Answer::Allow { scope: Scope::Once, pattern: None, input: None, duration_ms: None };
    let events = vec![
        Event::PartCompleted { part: image, whole: true },
        Event::AskAnswered { ask: id("a1"), answer, call: None },
        Event::SessionRenamed { title: Some("x".into()) },
        Event::SessionClosed {},
    ];
    let expected = ["e.1 file image/png blob:aa", "e.2 settled a1", "e.3 changed", "e.4 changed"];
    assert_eq!(told(elsewhere(), events), expected);
}
