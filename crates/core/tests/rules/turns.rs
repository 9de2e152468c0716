//! Turns: starting, meeting a running one, steering, interrupting, ending.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::happening::Happening;
use rejoin_core::header::{Config, LONGEST_LABEL, Status};
use rejoin_core::id::SessionId;
use rejoin_core::part::{Attachment, PartBody, ToolState};
use rejoin_core::queue::LONGEST_PROMPT;
use rejoin_core::turn::{IfBusy, Outcome};
use rejoin_core::usage::Usage;

use crate::story::{Story, confirm, kinds, prompt};

fn attachment(mime: &str) -> Attachment {
    Attachment { id: "a-1".into(), mime: mime.into(), name: Some("x".into()), url: "blob:00".into() }
}

#[test]
fn a_prompt_starts_a_turn_when_nothing_runs() {
    let mut story = Story::begin();
    let command = Command::Prompt {
        text: "look".into(),
        attachments: vec![attachment("image/png"), attachment("text/plain")],
        if_busy: IfBusy::Refuse,
        reference: Some("mine".into()),
    };
    let events = story.ann().does(command).unwrap();
    assert_eq!(kinds(&events), ["turnStarted", "messageAdded"]);

    let turn = story.session.turn.as_ref().unwrap();
    assert_eq!(turn.prompt.text, "look");
    assert_eq!(turn.reference.as_deref(), Some("mine"));
    let mimes: Vec<_> = turn.prompt.attachments.iter().map(|attachment| attachment.mime.as_str()).collect();
    assert_eq!(mimes, ["image/png", "text/plain"]);
    assert_eq!(story.session.header.status, Status::Running);
    assert_eq!((story.session.header.turns, story.session.messages), (1, 1));
}

#[test]
fn a_prompt_says_what_to_do_when_a_turn_runs() {
    for (if_busy, expected) in [
        (IfBusy::Refuse, Err("busy")),
        (IfBusy::Queue, Ok(vec!["queued"])),
        (IfBusy::Steer, Ok(vec!["steered"])),
        (IfBusy::Interrupt, Ok(vec!["turnEnded", "turnStarted", "messageAdded"])),
    ] {
        let mut story = Story::begin();
        story.ann().prompts("first").unwrap();
        let first = story.turn();
        let met = story.bob().meets("second", if_busy);
        let met = met.as_deref().map(kinds).map_err(|refusal| refusal.code());
        assert_eq!(met, expected, "{if_busy:?}");
        assert_eq!(story.turn() == first, if_busy != IfBusy::Interrupt, "{if_busy:?}");
    }
}

#[test]
fn a_prompt_that_meets_a_compaction_waits_or_is_refused() {
    for (if_busy, expected) in [
        (IfBusy::Refuse, Err("busy")),
        (IfBusy::Queue, Ok(vec!["queued"])),
        (IfBusy::Steer, Ok(vec!["queued"])),
        (IfBusy::Interrupt, Err("compacting")),
    ] {
        let mut story = compacting();
        let met = story.bob().meets("next", if_busy);
        assert_eq!(met.as_deref().map(kinds).map_err(|refusal| refusal.code()), expected, "{if_busy:?}");
    }
}

/// A session that is being compacted after one turn.
fn compacting() -> Story {
    let mut story = Story::begin();
    story.ann().prompts("hi").unwrap();
    story.agent().text("hello");
    story.agent().finishes();
    story.ann().does(Command::Compact).unwrap();
    story
}

#[test]
fn a_prompt_that_interrupts_goes_before_what_is_queued() {
    let mut story = Story::begin();
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.ann().meets("now", IfBusy::Interrupt).unwrap();
    assert_eq!(story.interruption(), "user");
    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "now");
    assert_eq!(story.queued(), ["second"]);
}

#[test]
fn a_prompt_with_attachments_waits_where_a_text_would_steer() {
    let mut story = Story::begin();
    story.ann().prompts("first").unwrap();
    let command = Command::Prompt {
        text: "with this".into(),
        attachments: vec![attachment("image/png")],
        if_busy: IfBusy::Steer,
        reference: None,
    };
    assert_eq!(kinds(&story.ann().does(command).unwrap()), ["queued"]);
    assert_eq!(story.session.queue[0].attachments.len(), 1);
}

#[test]
fn a_prompt_has_something_to_say_and_an_end() {
    let mut story = Story::begin();
    let with = |text: &str, attachments: Vec<Attachment>, reference: Option<String>| Command::Prompt {
        text: text.into(),
        attachments,
        if_busy: IfBusy::Queue,
        reference,
    };
    let large = Attachment { url: "x".repeat(LONGEST_PROMPT), ..attachment("image/png") };
    for (command, code) in [
        (with("", vec![], None), "empty"),
        (with(" \n\t", vec![], None), "empty"),
        (with(&"x".repeat(LONGEST_PROMPT + 1), vec![], None), "too_long"),
        (with("x", vec![attachment("image/png"); 33], None), "too_long"),
        (with("x", vec![large], None), "too_long"),
        (with("x", vec![], Some("r".repeat(LONGEST_LABEL + 1))), "too_long"),
    ] {
        assert_eq!(story.ann().refused(command), code);
    }
    story.checks = false; // four megabytes
    story.ann().does(with(&"x".repeat(LONGEST_PROMPT), vec![], None)).unwrap();
    story.ann().does(with("", vec![attachment("image/png"); 32], Some("r".repeat(LONGEST_LABEL)))).unwrap();
    story.check();
}

#[test]
fn a_steer_needs_a_turn_and_a_text() {
    let mut story = Story::begin();
    assert_eq!(story.ann().refused(Command::Steer { text: "left".into() }), "not_running");
    story.ann().prompts("go").unwrap();
    assert_eq!(story.ann().refused(Command::Steer { text: " ".into() }), "empty");
    assert_eq!(story.ann().refused(Command::Steer { text: "x".repeat(LONGEST_PROMPT + 1) }), "too_long");
    story.agent().asks(confirm("a"));
    assert_eq!(kinds(&story.bob().steers("left").unwrap()), ["steered"], "also while it waits");
}

#[test]
fn a_stopping_gateway_takes_no_new_turns_but_answers_and_interrupts() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.ann().prompts("later").unwrap();
    story.agent().asks(confirm("a"));
    story.stopping = true;
    for if_busy in [IfBusy::Refuse, IfBusy::Queue, IfBusy::Steer, IfBusy::Interrupt] {
        assert_eq!(story.ann().refused(prompt("more", if_busy)), "stopping", "{if_busy:?}");
    }
    story.ann().answers("a", crate::story::yes()).unwrap();
    assert_eq!(kinds(&story.ann().interrupts().unwrap()), ["turnEnded"]);
    assert_eq!(story.queued(), ["later"], "the queue waits for the next life");
    assert_eq!(story.ann().refused(Command::Compact), "too_little");
}

#[test]
fn an_interrupt_keeps_what_was_said_and_lets_the_queue_go_on() {
    let mut story = Story::begin();
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.agent().text("half a wo");
    let events = story.bob().interrupts().unwrap();
    assert_eq!(kinds(&events), ["partCompleted", "messageCompleted", "turnEnded", "turnStarted", "messageAdded"]);
    assert!(matches!(&events[2], Event::TurnEnded { text, .. } if text == "half a wo"));
    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "second");
}

#[test]
fn an_interrupt_can_clear_the_queue() {
    let mut story = Story::begin();
    for text in ["first", "second", "third"] {
        story.ann().prompts(text).unwrap();
    }
    let command = Command::Interrupt { reason: Some("enough".into()), clear_queue: true };
    let events = story.ann().does(command).unwrap();
    assert_eq!(kinds(&events), ["dequeued", "dequeued", "turnEnded"]);
    assert_eq!(story.interruption(), "enough");
    assert_eq!(story.session.header.status, Status::Idle);
}

#[test]
fn an_interrupt_is_harmless_when_nothing_runs() {
    let mut story = Story::begin();
    assert_eq!(story.ann().interrupts().unwrap(), []);
    story.ann().enqueues("waits for the next turn's end").unwrap();
    assert_eq!(story.ann().interrupts().unwrap(), []);
    let long = Command::Interrupt { reason: Some("x".repeat(201)), clear_queue: false };
    assert_eq!(story.ann().refused(long), "too_long");
}

#[test]
fn an_interrupted_compaction_lets_the_queue_go_on() {
    let mut story = compacting();
    story.ann().prompts("next").unwrap();
    let events = story.ann().interrupts().unwrap();
    assert_eq!(kinds(&events), ["compactionEnded", "turnStarted", "messageAdded"]);
}

#[test]
fn an_interrupt_names_the_children_it_takes_with_it() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().does(Happening::Task { name: "helper".into(), text: "dig".into(), call: None });
    let child: SessionId = story.session.turn.as_ref().unwrap().children[0].clone();
    let events = story.ann().interrupts().unwrap();
    assert!(matches!(&events[0], Event::TurnEnded { cascaded, .. } if *cascaded == [child.clone()]));
    assert_eq!(story.gateway(|decider| decider.child_ended(&child, Outcome::Completed)), [], "too late to matter");
}

#[test]
fn a_tool_that_is_cut_short_says_so() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().calls("pending");
    story.agent().calls("running");
    story.agent().starts("running");
    let started = story.now;
    story.now += 7;
    let events = story.ann().interrupts().unwrap();
    for (event, begun) in events[..2].iter().zip([started + 7, started]) {
        let Event::PartCompleted { part, .. } = event else { panic!("{event:?}") };
        let PartBody::Tool(call) = &part.body else { panic!("{part:?}") };
        let ToolState::Interrupted { started_at, ended_at, reason, .. } = &call.state else { panic!("{call:?}") };
        assert_eq!((*started_at, *ended_at, reason.as_str()), (begun, started + 7, "user"));
    }
}

#[test]
fn the_end_of_a_turn_tells_its_whole_story() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().text("one ");
    story.agent().thinks("hm");
    story.agent().text("two");
    let usage = Usage { input: 3, output: 4, ..Usage::default() };
    story.agent().does(Happening::Usage(usage));
    story.agent().does(Happening::Usage(usage));
    let events = story.agent().finishes();
    assert_eq!(kinds(&events), ["partCompleted", "messageCompleted", "turnEnded"]);
    let Event::TurnEnded { text, usage, outcome, .. } = &events[2] else { panic!("{events:?}") };
    assert_eq!((text.as_str(), usage.input, usage.output), ("one two", 6, 8));
    assert_eq!(*outcome, Outcome::Completed);
    assert!(matches!(&events[1], Event::MessageCompleted { message } if message.usage == Some(*usage)));
    let last = story.session.header.last_turn.as_ref().unwrap();
    assert_eq!(last.ended, story.tip());
}

#[test]
fn a_failed_turn_keeps_its_reason_and_the_queue_goes_on() {
    let mut story = Story::begin();
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.agent().text("so far");
    let failed = Happening::Failed { code: "rate_limit".into(), message: "slow down".into(), retry_ms: Some(9) };
    let events = story.agent().does(failed);
    assert!(matches!(&events[1], Event::MessageCompleted { message } if message.error.as_deref() == Some("slow down")));
    assert_eq!(story.failure(), "rate_limit");
    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "second");
}

#[test]
fn a_session_ends_after_as_many_turns_as_it_was_given() {
    let mut story = Story::with(Config { max_turns: Some(2), ..Config::default() });
    for text in ["first", "second", "third"] {
        story.ann().prompts(text).unwrap();
    }
    story.agent().finishes();
    assert_eq!(story.session.header.status, Status::Running, "one is left");
    let events = story.agent().finishes();
    assert_eq!(kinds(&events), ["turnEnded", "sessionEnded"]);
    let end = story.session.header.end.clone().unwrap();
    assert_eq!((end.reason.as_str(), end.error.as_deref()), ("completed", Some("max_turns")));
    assert_eq!(story.queued(), [""; 0]);
    assert_eq!(story.ann().refused(prompt("more", IfBusy::Queue)), "session_ended");
}

#[test]
fn a_prompt_that_interrupts_is_a_turn_like_any_other_to_the_count() {
    let mut story = Story::with(Config { max_turns: Some(1), ..Config::default() });
    story.ann().prompts("first").unwrap();
    assert_eq!(story.ann().refused(prompt("second", IfBusy::Interrupt)), "budget_exceeded");
    story.ann().steers("but this way").unwrap();
    story.agent().finishes();
    assert_eq!(story.session.header.status, Status::Ended);
}

#[test]
fn a_count_that_is_lowered_below_what_has_been_holds_at_once() {
    let mut story = Story::begin();
    for _ in 0..2 {
        story.ann().prompts("go").unwrap();
        story.agent().finishes();
    }
    let config = Config { max_turns: Some(1), ..Config::default() };
    story.ann().does(Command::Configure { config: Box::new(config) }).unwrap();
    assert_eq!(story.ann().refused(prompt("more", IfBusy::Queue)), "budget_exceeded");
}

#[test]
fn a_one_shot_session_ends_when_its_work_is_done() {
    let mut story = Story::with(Config { one_shot: true, ..Config::default() });
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.agent().finishes();
    assert_eq!(story.session.header.status, Status::Running, "what is queued belongs to its work");
    assert_eq!(kinds(&story.agent().finishes()), ["turnEnded", "sessionEnded"]);
    assert_eq!(story.session.header.end.as_ref().unwrap().error, None);
}

fn spent(micros: u64) -> Happening {
    Happening::Usage(Usage { cost_micros: Some(micros), ..Usage::default() })
}

#[test]
fn a_turn_ends_when_the_budget_is_used_up_and_nothing_starts_behind_it() {
    let mut story = Story::with(Config { budget_micros: Some(10), ..Config::default() });
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    assert_eq!(kinds(&story.agent().does(spent(9))), ["usageReported"]);
    assert_eq!(kinds(&story.agent().does(spent(1))), ["usageReported", "turnEnded"]);
    assert_eq!(story.failure(), "budget_exceeded");
    assert_eq!(story.queued(), ["second"]);
    assert_eq!(story.ann().refused(prompt("third", IfBusy::Queue)), "budget_exceeded");
}

#[test]
fn a_raised_budget_lets_the_queue_go_on() {
    let mut story = Story::with(Config { budget_micros: Some(10), ..Config::default() });
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.agent().does(spent(10));
    let configured = |micros| {
        let config = Config { budget_micros: Some(micros), ..Config::default() };
        Command::Configure { config: Box::new(config) }
    };
    assert_eq!(kinds(&story.ann().does(configured(10)).unwrap()), ["configSet"]);
    assert_eq!(kinds(&story.ann().does(configured(11)).unwrap()), ["configSet", "turnStarted", "messageAdded"]);
}

#[test]
fn a_turn_ends_when_it_reports_what_its_tenant_has_not_got_and_nothing_starts_behind_it() {
    let mut story = Story::begin();
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.broke = true;
    let events = story.agent().does(Happening::Text("on it".into()));
    assert_eq!(kinds(&events).last(), Some(&"partDelta"), "it goes on until it says what it costs");
    let events = story.agent().does(spent(0));
    let kinds = kinds(&events);
    assert_eq!((kinds[0], kinds.last()), ("usageReported", Some(&"turnEnded")));
    assert_eq!(story.failure(), "budget_exceeded");
    assert_eq!(story.queued(), ["second"]);
}

#[test]
fn a_tenant_with_nothing_left_to_spend_starts_nothing() {
    let mut story = Story::begin();
    story.ann().prompts("first").unwrap();
    story.ann().prompts("second").unwrap();
    story.broke = true;
    assert_eq!(story.ann().refused(prompt("third", IfBusy::Queue)), "budget_exceeded");
    story.ann().interrupts().unwrap();
    assert_eq!(story.queued(), ["second"]);
    story.broke = false;
    assert_eq!(kinds(&story.gateway(|decider| decider.advance())), ["turnStarted", "messageAdded"]);
}
