//! Parts: what an agent says becomes the parts of its message.

use rejoin_core::event::Event;
use rejoin_core::happening::Happening;
use rejoin_core::part::{LONGEST_PART, PartBody, PlanItem, PlanStatus, ToolCall, ToolState};
use rejoin_core::turn::{LONGEST_FINAL_TEXT, MOST_OPEN_CALLS};
use serde_json::{Value, json};

use crate::story::{Story, call_id, completed_texts, confirm, kinds, open_parts};

fn running() -> Story {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story
}

fn arguments(call: &str, delta: &str) -> Happening {
    Happening::ToolArguments { call: call_id(call), name: "shell".into(), delta: delta.into() }
}

fn tool(events: &[Event]) -> &ToolCall {
    let bodies = events.iter().rev().filter_map(|event| match event {
        Event::PartStarted { part } | Event::PartUpdated { part } | Event::PartCompleted { part, .. } => {
            Some(&part.body)
        }
        _ => None,
    });
    let mut tools = bodies.filter_map(|body| match body {
        PartBody::Tool(call) => Some(call),
        _ => None,
    });
    tools.next().expect("a tool is in it")
}

#[test]
fn a_message_begins_with_its_first_part() {
    let mut story = running();
    assert_eq!(kinds(&story.agent().text("he")), ["messageStarted", "partStarted", "partDelta"]);
    assert_eq!(kinds(&story.agent().text("llo")), ["partDelta"]);
    assert_eq!(story.agent().text(""), []);
    assert_eq!(story.session.messages, 2);
}

#[test]
fn text_and_reasoning_take_turns() {
    let mut story = running();
    story.agent().text("one");
    let events = story.agent().thinks("hm");
    assert_eq!(kinds(&events), ["partCompleted", "partStarted", "partDelta"]);
    assert_eq!(completed_texts(&events), ["one"]);
    assert_eq!(open_parts(&story), ["reasoning"]);
    let events = story.agent().text("two");
    assert_eq!(completed_texts(&events), ["hm"]);
    assert_eq!(open_parts(&story), ["text"]);
}

#[test]
fn a_pause_completes_what_streams_and_leaves_tools_open() {
    let mut story = running();
    story.agent().calls("c");
    story.agent().text("so");
    assert_eq!(completed_texts(&story.agent().does(Happening::Pause)), ["so"]);
    assert_eq!(open_parts(&story), ["tool"]);
    assert_eq!(story.agent().does(Happening::Pause), []);
}

#[test]
fn a_tool_closes_the_text_before_it() {
    let mut story = running();
    story.agent().text("let me look");
    assert_eq!(kinds(&story.agent().calls("c")), ["partCompleted", "partStarted"]);
    assert_eq!(open_parts(&story), ["tool"]);
}

#[test]
fn a_tool_goes_from_pending_over_running_to_completed() {
    let mut story = running();
    assert_eq!(tool(&story.agent().calls("c")).state, ToolState::Pending);
    let begun = story.now + 5;
    story.now = begun;
    let started = Happening::ToolStarted { call: call_id("c"), input: Some("ls -a".into()) };
    let events = story.agent().does(started);
    assert_eq!(kinds(&events), ["partUpdated"]);
    assert_eq!(tool(&events).state, ToolState::Running { started_at: begun });
    assert_eq!(tool(&events).input, json!("ls -a"), "it runs with the input as answered");
    let output = Happening::ToolOutput { call: call_id("c"), text: "a\n".into(), error: false };
    assert_eq!(kinds(&story.agent().does(output)), ["toolOutput"]);
    story.now += 5;
    let events = story.agent().ends("c");
    assert_eq!(kinds(&events), ["partCompleted"]);
    let done = ToolState::Completed { started_at: begun, ended_at: begun + 5, output: "done".into() };
    assert_eq!(tool(&events).state, done);
    assert!(open_parts(&story).is_empty());
}

#[test]
fn a_tool_can_fail() {
    let mut story = running();
    story.agent().calls("c");
    let events = story.agent().does(Happening::ToolEnded { call: call_id("c"), result: Err("no such file".into()) });
    assert!(matches!(&tool(&events).state, ToolState::Failed { error, .. } if error == "no such file"));
}

#[test]
fn arguments_stream_until_they_are_whole() {
    let mut story = running();
    story.agent().text("let me");
    assert_eq!(kinds(&story.agent().does(arguments("c", "{\"a"))), ["partCompleted", "partStarted", "partDelta"]);
    assert_eq!(kinds(&story.agent().does(arguments("c", "\":1}"))), ["partDelta"]);
    let turn = story.session.turn.as_ref().unwrap();
    assert_eq!(turn.parts[0].body.text(), Some("{\"a\":1}"));
    let called = Happening::ToolCalled { call: call_id("c"), name: "shell".into(), input: json!({"a": 1}) };
    let events = story.agent().does(called);
    assert_eq!(kinds(&events), ["partUpdated"]);
    assert_eq!((&tool(&events).input, &tool(&events).arguments), (&json!({"a": 1}), &None));
    assert_eq!(story.agent().does(arguments("c", "more")), [], "they are whole");
    story.agent().starts("c");
    assert_eq!(story.agent().does(arguments("c", "more")), [], "it runs");
}

#[test]
fn arguments_may_begin_with_nothing() {
    let mut story = running();
    assert_eq!(kinds(&story.agent().does(arguments("c", ""))), ["messageStarted", "partStarted"]);
    assert_eq!(story.agent().does(arguments("c", "")), []);
}

#[test]
fn calls_that_nobody_knows_are_ignored() {
    let mut story = running();
    assert_eq!(story.agent().starts("c"), []);
    assert_eq!(story.agent().ends("c"), []);
    let output = Happening::ToolOutput { call: call_id("c"), text: "x".into(), error: true };
    assert_eq!(story.agent().does(output), []);
    story.agent().calls("c");
    story.agent().ends("c");
    assert_eq!(story.agent().ends("c"), [], "it ended before");
}

#[test]
fn a_tool_that_came_and_went_in_one_is_one_event() {
    let mut story = running();
    story.agent().text("so");
    let done = |call: &str| Happening::ToolDone {
        call: call_id(call),
        name: "read".into(),
        input: "in".into(),
        output: "out".into(),
    };
    assert_eq!(kinds(&story.agent().does(done("a"))), ["partCompleted", "partCompleted"], "the text, and the tool");
    let events = story.agent().does(done("b"));
    assert_eq!(kinds(&events), ["partCompleted"]);
    assert!(tool(&events).state.is_over());
    assert!(open_parts(&story).is_empty());
}

#[test]
fn what_comes_whole_is_complete_at_once() {
    let plan = vec![PlanItem { text: "look".into(), status: PlanStatus::InProgress }];
    for (happening, kind) in [
        (Happening::Plan(plan), "plan"),
        (Happening::Image { mime: "image/png".into(), url: "blob:00".into() }, "image"),
        (Happening::File { name: None, mime: "text/plain".into(), url: "blob:01".into() }, "file"),
        (Happening::Step { number: 1, finish: None, usage: None }, "step"),
        (Happening::Raw { source: "acp".into(), value: json!({"odd": [1, null]}) }, "raw"),
    ] {
        let mut story = running();
        story.agent().text("first");
        let events = story.agent().does(happening);
        assert_eq!(kinds(&events), ["partCompleted", "partCompleted"]);
        let Event::PartCompleted { part, .. } = &events[1] else { unreachable!() };
        assert_eq!(serde_json::to_value(part).unwrap()["kind"], json!(kind));
        assert!(open_parts(&story).is_empty());
    }
}

#[test]
fn an_ask_pauses_what_streams() {
    let mut story = running();
    story.agent().text("may I");
    assert_eq!(kinds(&story.agent().asks(confirm("a"))), ["partCompleted", "askOpened"]);
}

#[test]
fn what_a_dead_turns_agent_still_says_is_dropped() {
    let mut story = running();
    let dead = story.turn();
    story.agent().calls("c");
    story.ann().interrupts().unwrap();
    let late = || {
        [
            Happening::Text("late".into()),
            Happening::ToolEnded { call: call_id("c"), result: Ok(Value::Null) },
            Happening::Asked(confirm("a")),
            Happening::Title("late".into()),
            Happening::Usage(Default::default()),
            Happening::Task { name: "late".into(), text: "x".into(), call: None },
            Happening::Done,
        ]
    };
    for happening in late() {
        assert_eq!(story.agent_at(&dead).does(happening), []);
    }
    story.ann().prompts("next").unwrap();
    for happening in late() {
        assert_eq!(story.agent_at(&dead).does(happening), []);
    }
}

#[test]
fn what_is_said_outside_of_turns_is_heard_only_where_it_makes_sense() {
    let mut story = Story::begin();
    assert_eq!(story.agent().text("hello?"), []);
    assert_eq!(kinds(&story.agent().does(Happening::Title("a name".into()))), ["sessionRenamed"]);
    let changed = Happening::FileChanged {
        path: "a.txt".into(),
        change: rejoin_core::event::FileChange::Created,
        version: Some(1),
        hash: None,
        size: Some(3),
    };
    assert_eq!(kinds(&story.agent().does(changed)), ["fileChanged"]);
}

#[test]
fn an_agents_title_that_does_not_fit_is_no_reason_to_stop_it() {
    let mut story = running();
    assert_eq!(story.agent().does(Happening::Title("t".repeat(201))), []);
    assert_eq!(kinds(&story.agent().does(Happening::Title(" fits ".into()))), ["sessionRenamed"]);
    assert_eq!(story.session.header.title.as_deref(), Some("fits"));
}

#[test]
fn too_many_open_calls_end_the_turn() {
    let mut story = running();
    story.checks = false;
    for n in 0..MOST_OPEN_CALLS {
        story.agent().calls(&n.to_string());
    }
    // The text that streams beside them is one more, and no reason to give up.
    story.agent().text("all at once");
    assert_eq!(story.session.turn.as_ref().unwrap().parts.len(), MOST_OPEN_CALLS + 1);
    assert_eq!(story.agent().does(arguments("streaming", "{")), []);
    assert_eq!(open_parts(&story).last(), Some(&"text"), "what is dropped pauses nothing");
    story.agent().calls("0");
    story.agent().calls("one-more");
    assert_eq!(story.failure(), "too_many_calls");
    story.check();
}

#[test]
fn the_text_beside_calls_takes_no_calls_place() {
    let mut story = running();
    story.checks = false;
    for n in 1..MOST_OPEN_CALLS {
        story.agent().calls(&n.to_string());
    }
    story.agent().text("and the last");
    story.agent().calls("last");
    assert_eq!(story.session.turn.as_ref().unwrap().parts.len(), MOST_OPEN_CALLS);
    story.check();
}

#[test]
fn a_part_that_would_grow_too_long_makes_way_for_another() {
    let mut story = running();
    story.checks = false;
    story.agent().text(&"a".repeat(LONGEST_PART - 1));
    assert_eq!(kinds(&story.agent().text("b")), ["partDelta"]);
    let events = story.agent().text("c");
    assert_eq!(kinds(&events), ["partCompleted", "partStarted", "partDelta"]);
    story.agent().finishes();
    assert_eq!(story.session.header.turns, 1);
    story.check();
}

#[test]
fn a_text_too_long_for_one_part_is_split_between_characters() {
    let mut story = running();
    story.checks = false;
    let long = format!("x{}", "é".repeat(LONGEST_PART / 2 + 1));
    let events = story.agent().text(&long);
    let deltas: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::PartDelta { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas.len(), 2);
    assert!(deltas.iter().all(|delta| delta.len() <= LONGEST_PART));
    assert!(deltas.concat() == long);
}

#[test]
fn arguments_that_grow_too_long_are_cut() {
    let mut story = running();
    story.checks = false;
    story.agent().does(arguments("c", &"a".repeat(LONGEST_PART)));
    assert_eq!(story.agent().does(arguments("c", "b")), []);
}

#[test]
fn the_end_of_a_turn_repeats_only_so_much_of_its_text() {
    let mut story = running();
    story.checks = false;
    let most = "é".repeat(LONGEST_FINAL_TEXT / 2 - 1) + "x";
    story.agent().text(&most);
    story.agent().thinks("hm");
    story.agent().text("éé");
    story.agent().thinks("hm");
    story.agent().text("not any more");
    let events = story.agent().finishes();
    let Some(Event::TurnEnded { text, text_truncated, .. }) = events.last() else { panic!() };
    assert!(*text_truncated);
    assert!(*text == most, "whole characters only");
    story.check();
}

/// A value this many arrays deep.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

#[test]
fn however_deep_a_value_is_the_log_can_be_read_again() {
    for depth in [1, 60, 120, 127, 1000] {
        for happening in [
            Happening::ToolCalled { call: call_id("c"), name: "x".into(), input: nested(depth) },
            Happening::ToolStarted { call: call_id("open"), input: Some(nested(depth)) },
            Happening::ToolEnded { call: call_id("open"), result: Ok(nested(depth)) },
            Happening::ToolDone { call: call_id("c"), name: "x".into(), input: nested(depth), output: nested(depth) },
            Happening::Raw { source: "acp".into(), value: nested(depth) },
            Happening::Asked(crate::story::ask(
                "a",
                rejoin_core::ask::AskBody::Permission {
                    tool: "x".into(),
                    input: nested(depth),
                    intents: Vec::new(),
                    risk: None,
                },
            )),
            Happening::Asked(crate::story::ask(
                "a",
                rejoin_core::ask::AskBody::Capability { capability: "x".into(), input: nested(depth) },
            )),
        ] {
            let mut story = running();
            story.agent().calls("open");
            story.agent().does(happening); // which reads its log again
            let snapshot = serde_json::to_vec(&story.session).unwrap();
            assert_eq!(serde_json::from_slice::<rejoin_core::session::Session>(&snapshot).unwrap(), story.session);
        }
    }
}

#[test]
fn a_value_that_is_too_deep_is_kept_as_its_text() {
    let mut story = running();
    let deep = nested(100);
    story.agent().does(Happening::ToolCalled { call: call_id("c"), name: "x".into(), input: deep.clone() });
    let turn = story.session.turn.as_ref().unwrap();
    let PartBody::Tool(call) = &turn.parts[0].body else { panic!() };
    assert_eq!(call.input, json!(deep.to_string()));
}

#[test]
fn numbers_come_back_as_exactly_as_they_went() {
    let mut story = running();
    // Reading them in a hurry would be off by the last bit.
    let hard = [0.1 + 0.2, 8.41e21, 9.5367431640625e-7, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0];
    let odd = 1.0 / 3.0 * 1e-7;
    let input = json!({"hard": hard, "odd": odd, "large": u64::MAX, "small": i64::MIN});
    story.agent().does(Happening::ToolCalled { call: call_id("c"), name: "x".into(), input });
}
