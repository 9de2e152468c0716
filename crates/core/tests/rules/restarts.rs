//! Restarts: what becomes of a turn whose agent is gone.

use rejoin_core::ask::{Answer, Settled, Unanswered};
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::happening::Happening;
use rejoin_core::header::AgentStatus;
use rejoin_core::part::{PartBody, ToolState};

use crate::story::{Story, confirm, kinds, without_bookmark, yes};

/// Brings a running turn into a situation.
type Way = fn(&mut Story);

/// What an agent was doing when it was gone.
const SITUATIONS: &[(&str, Way)] = &[
    ("just started", |_| {}),
    ("talking", |story| drop(story.agent().text("so"))),
    ("a call pending", |story| drop(story.agent().calls("c"))),
    ("a tool running", |story| {
        story.agent().calls("c");
        story.agent().starts("c");
    }),
    ("asking", |story| drop(story.agent().asks(confirm("a")))),
    ("asking twice", |story| {
        story.agent().asks(confirm("a"));
        story.agent().asks(confirm("b"));
    }),
    ("asking without a mark", |story| drop(story.agent().asks(without_bookmark(confirm("a"))))),
    ("asking with and without", |story| {
        story.agent().asks(confirm("a"));
        story.agent().asks(without_bookmark(confirm("b")));
    }),
    ("asking beside a pending call", |story| {
        story.agent().calls("c");
        story.agent().asks(confirm("a"));
    }),
    ("asking beside a running tool", |story| {
        story.agent().calls("c");
        story.agent().starts("c");
        story.agent().asks(confirm("a"));
    }),
    ("asking while it talks", |story| {
        story.agent().asks(confirm("a"));
        story.agent().text("meanwhile");
    }),
    ("asking beside a child", |story| {
        story.agent().does(Happening::Task { name: "n".into(), text: "t".into(), call: None });
        story.agent().asks(confirm("a"));
    }),
    ("answered", |story| {
        story.agent().asks(confirm("a"));
        story.ann().answers("a", yes()).unwrap();
    }),
    ("answered without a mark", |story| {
        story.agent().asks(without_bookmark(confirm("a")));
        story.ann().answers("a", yes()).unwrap();
    }),
    ("answered one of two", |story| {
        story.agent().asks(confirm("a"));
        story.agent().asks(confirm("b"));
        story.ann().answers("b", Answer::Dismiss).unwrap();
    }),
    ("answered and heard", |story| {
        story.agent().asks(confirm("a"));
        story.ann().answers("a", yes()).unwrap();
        story.agent().text("thank you");
    }),
    ("expired", |story| {
        story.agent().asks(rejoin_core::happening::NewAsk { expires_ms: Some(5), ..confirm("a") });
        story.later(5);
    }),
];

#[test]
fn every_situation_survives_a_restart_or_ends_with_a_reason() {
    // Whether it is parked, whether it can go on, and what ends it: with an agent that can be brought back, and without.
    let table = [
        ("just started", false, false, Some("restart"), Some("restart")),
        ("talking", false, false, Some("restart"), Some("restart")),
        ("a call pending", false, false, Some("restart"), Some("restart")),
        ("a tool running", false, false, Some("restart"), Some("restart")),
        ("asking", true, false, None, Some("agent_lost")),
        ("asking twice", true, false, None, Some("agent_lost")),
        ("asking without a mark", false, false, Some("restart"), Some("restart")),
        ("asking with and without", false, false, Some("restart"), Some("restart")),
        ("asking beside a pending call", true, false, None, Some("agent_lost")),
        ("asking beside a running tool", false, false, Some("restart"), Some("restart")),
        ("asking while it talks", false, false, Some("restart"), Some("restart")),
        ("asking beside a child", false, false, Some("restart"), Some("restart")),
        ("answered", false, true, None, Some("restart")),
        ("answered without a mark", false, false, Some("restart"), Some("restart")),
        ("answered one of two", true, true, None, Some("agent_lost")),
        ("answered and heard", false, false, Some("restart"), Some("restart")),
        ("expired", false, true, None, Some("restart")),
    ];
    assert_eq!(table.len(), SITUATIONS.len());
    for ((name, get_there), (same, parked, goes_on, with_agent, without)) in SITUATIONS.iter().zip(table) {
        assert_eq!(*name, same);
        for (resumable, ends) in [(true, with_agent), (false, without)] {
            let mut story = Story::begin();
            story.ann().prompts("go").unwrap();
            story.ann().prompts("next").unwrap();
            get_there(&mut story);
            let turn = story.session.turn.as_ref().unwrap();
            assert_eq!(turn.is_parked(&story.session.asks), parked, "{name}");
            assert_eq!(turn.can_go_on(), goes_on, "{name}");
            let id = turn.id.clone();
            story.gateway(|decider| decider.repair(resumable, "restart"));
            match ends {
                None => assert_eq!((story.turn(), story.queued()), (id, vec!["next"]), "{name}"),
                Some(reason) => {
                    assert_eq!(story.interruption(), reason, "{name}");
                    assert!(story.session.asks.is_empty(), "{name}");
                    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "next", "{name}: the queue goes on");
                }
            }
        }
    }
}

#[test]
fn a_lost_ask_says_that_it_was_lost() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().asks(confirm("a"));
    let events = story.gateway(|decider| decider.repair(false, "restart"));
    assert!(matches!(&events[0], Event::AskClosed { reason: Unanswered::AgentLost, .. }), "{events:?}");
}

#[test]
fn a_tool_that_had_started_is_unknown_after_a_restart_and_one_that_had_not_is_interrupted() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().calls("pending");
    story.agent().calls("running");
    story.agent().starts("running");
    let events = story.gateway(|decider| decider.repair(true, "restart"));
    assert_eq!(kinds(&events), ["partCompleted", "partCompleted", "messageCompleted", "turnEnded"]);
    assert!(matches!(state(&events[0]), ToolState::Interrupted { reason, .. } if reason == "restart"));
    assert!(matches!(state(&events[1]), ToolState::Unknown { .. }));
}

fn state(event: &Event) -> &ToolState {
    match event {
        Event::PartCompleted { part, .. } => match &part.body {
            PartBody::Tool(call) => &call.state,
            other => panic!("no tool: {other:?}"),
        },
        other => panic!("not complete: {other:?}"),
    }
}

#[test]
fn a_turn_that_goes_on_leaves_behind_what_its_agent_had_in_its_hands() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().calls("pending");
    story.agent().calls("running");
    story.agent().starts("running");
    story.agent().asks(confirm("marked"));
    story.agent().asks(confirm("answered"));
    story.agent().asks(without_bookmark(confirm("unmarked")));
    story.agent().text("half a wo");
    story.ann().answers("answered", yes()).unwrap();

    let events = story.gateway(|decider| decider.repair(true, "restart"));
    assert_eq!(kinds(&events), ["askClosed", "partCompleted", "partCompleted"]);
    assert!(matches!(&events[0], Event::AskClosed { reason: Unanswered::AgentLost, .. }));
    assert!(matches!(state(&events[1]), ToolState::Unknown { .. }), "it is never run again");
    assert_eq!(story.asks(), ["marked"]);
    let turn = story.session.turn.as_ref().unwrap();
    assert_eq!(turn.parts.len(), 1, "the pending call may still be answered for");
    let heard: Vec<_> = turn.unheard.iter().map(|heard| (heard.ask.id.as_str(), &heard.settled)).collect();
    let lost = Settled::Unanswered(Unanswered::AgentLost);
    assert_eq!(heard, [("answered", &Settled::Answered(yes())), ("unmarked", &lost)]);
    assert_eq!(story.gateway(|decider| decider.repair(true, "restart")), [], "once is enough");
}

#[test]
fn a_restart_stops_a_compaction_and_the_queue_goes_on() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.agent().text("well");
    story.agent().finishes();
    story.ann().does(Command::Compact).unwrap();
    story.ann().prompts("two").unwrap();
    let events = story.gateway(|decider| decider.repair(true, "restart"));
    assert_eq!(kinds(&events), ["compactionEnded", "turnStarted", "messageAdded"]);
}

#[test]
fn a_repair_says_that_the_agent_has_stopped() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.agent().is(AgentStatus::Ready);
    let events = story.gateway(|decider| decider.repair(true, "restart"));
    assert_eq!(kinds(&events), ["agentChanged", "turnEnded"]);
    assert_eq!(story.gateway(|decider| decider.repair(true, "restart")), []);
}

#[test]
fn a_gateway_that_stops_starts_nothing_behind_the_turn_it_ends() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.ann().prompts("two").unwrap();
    story.stopping = true;
    assert_eq!(kinds(&story.gateway(|decider| decider.repair(false, "restart"))), ["turnEnded"]);
    assert_eq!(story.queued(), ["two"]);
    story.stopping = false;
    assert_eq!(kinds(&story.gateway(|decider| decider.repair(false, "restart"))), ["turnStarted", "messageAdded"]);
}
