//! Fork, revert and compact: what people do to a transcript.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::happening::Happening;
use rejoin_core::header::Config;
use rejoin_core::id::{MessageId, SessionId};
use rejoin_core::part::{MessageRole, PartBody, WholeMessage};
use rejoin_core::position::Seq;
use rejoin_core::session::MOST_HIDDEN;
use rejoin_core::turn::IfBusy;
use rejoin_core::usage::Usage;

use crate::story::{START, Story, a_new_session, kinds, person, prompt};

/// A session in which this was said and answered.
fn talked(texts: &[&str]) -> Story {
    let mut story = Story::begin();
    for text in texts {
        story.ann().prompts(text).unwrap();
        story.agent().text("well");
        story.agent().finishes();
    }
    story
}

/// Where the n-th message begins and ends.
fn place(story: &Story, n: usize) -> (MessageId, Seq, Seq) {
    let mut places = Vec::new();
    for logged in &story.log {
        match &logged.event {
            Event::MessageAdded { message, .. } => places.push((message.id.clone(), logged.seq, logged.seq)),
            Event::MessageStarted { message } => places.push((message.id.clone(), logged.seq, logged.seq)),
            Event::MessageCompleted { message } => {
                places.iter_mut().find(|(id, ..)| *id == message.id).expect("it was started").2 = logged.seq;
            }
            _ => {}
        }
    }
    places[n].clone()
}

fn revert(story: &mut Story, n: usize, inclusive: bool) -> Result<Vec<Event>, &'static str> {
    let (message, first, last) = place(story, n);
    let command = Command::Revert { message, inclusive };
    story.ann().pointing_at(first, last).does(command).map_err(|refusal| refusal.code())
}

#[test]
fn a_revert_hides_what_follows_its_message() {
    let mut story = talked(&["one", "two"]);
    let (_, first, last) = place(&story, 0);
    let tip = story.tip();
    assert_eq!(kinds(&revert(&mut story, 0, false).unwrap()), ["reverted"]);
    assert_eq!(story.session.hidden, [(last.next(), tip)]);
    assert!(!story.session.hides(first) && !story.session.hides(last));
    assert!(story.session.hides(last.next()) && story.session.hides(tip));
    assert!(!story.session.hides(story.tip()), "the revert itself is in sight");
}

#[test]
fn an_inclusive_revert_hides_its_message_too() {
    let mut story = talked(&["one", "two"]);
    let (_, first, _) = place(&story, 2);
    revert(&mut story, 2, true).unwrap();
    assert!(story.session.hides(first));
    assert_eq!(story.session.hidden[0].0, first);
}

#[test]
fn a_hidden_message_is_not_there_to_be_reverted_to() {
    let mut story = talked(&["one", "two"]);
    revert(&mut story, 1, false).unwrap();
    assert_eq!(revert(&mut story, 2, false), Err("no_such_message"));
    assert_eq!(revert(&mut story, 3, true), Err("no_such_message"));
    revert(&mut story, 0, false).unwrap();
    let unknown = Command::Revert { message: MessageId::new("m").unwrap(), inclusive: false };
    assert_eq!(story.ann().refused(unknown), "no_such_message");
}

#[test]
fn later_reverts_swallow_the_stretches_behind_them() {
    let mut story = talked(&["one", "two"]);
    revert(&mut story, 3, true).unwrap();
    story.ann().prompts("three").unwrap();
    story.agent().finishes();
    assert_eq!(story.session.hidden.len(), 1);
    revert(&mut story, 4, true).unwrap();
    assert_eq!(story.session.hidden.len(), 2, "what lies between them is in sight");
    let (_, first, _) = place(&story, 1);
    let tip = story.tip();
    revert(&mut story, 1, true).unwrap();
    assert_eq!(story.session.hidden, [(first, tip)]);
}

#[test]
fn neighbours_are_merged() {
    let mut story = talked(&["one"]);
    let (_, first, _) = place(&story, 1);
    revert(&mut story, 1, true).unwrap();
    let end = story.tip();
    // Right behind what is hidden, beginning with the event of the revert itself.
    let again = Event::Reverted { message: MessageId::new("m").unwrap(), from: end, to: end, inclusive: false };
    story.session.apply(&rejoin_core::event::Logged::new(end.next(), story.now, person("ann", None), again));
    assert_eq!(story.session.hidden, [(first, end)]);
}

#[test]
fn hidden_stretches_have_a_bound_and_what_cannot_be_kept_apart_is_refused() {
    let mut story = Story::begin();
    story.checks = false;
    for n in 0..MOST_HIDDEN {
        story.ann().prompts("go").unwrap();
        story.agent().finishes();
        revert(&mut story, n, false).unwrap();
    }
    assert_eq!(story.session.hidden.len(), MOST_HIDDEN);
    story.ann().prompts("one more").unwrap();
    story.agent().finishes();
    assert_eq!(revert(&mut story, MOST_HIDDEN, false), Err("too_long"));
    assert!(!story.session.hides(place(&story, 3).1), "nothing in sight is hidden to make room");
    revert(&mut story, 7, false).unwrap();
    assert_eq!(story.session.hidden.len(), 8, "one that reaches back makes room");
    story.check();
}

#[test]
fn reverting_to_the_newest_changes_nothing() {
    let mut story = Story::of(a_new_session());
    let copied = copies(1);
    (story.session, story.log) = a_new_session().begin(START, person("ann", None), copied).unwrap();
    assert_eq!(revert(&mut story, 0, false).unwrap(), []);
}

#[test]
fn a_revert_waits_until_nothing_runs() {
    let mut story = talked(&["one"]);
    story.ann().prompts("two").unwrap();
    assert_eq!(revert(&mut story, 0, false), Err("busy"));
    story.agent().finishes();
    story.ann().does(Command::Compact).unwrap();
    assert_eq!(revert(&mut story, 0, false), Err("busy"));
}

#[test]
fn a_fork_is_noted_where_it_began() {
    let mut story = talked(&["one"]);
    let into = SessionId::new("s-2").unwrap();
    let command = Command::Fork { message: None, title: None, into: Some(into.clone()) };
    assert_eq!(story.ann().does(command).unwrap(), [Event::Forked { into, message: None }]);
    let minted = story.ann().does(Command::Fork { message: None, title: None, into: None }).unwrap();
    assert_eq!(kinds(&minted), ["forked"]);
    story.ann().prompts("and now").unwrap();
    story.ann().does(Command::Fork { message: None, title: None, into: None }).expect("also while it runs");
}

/// Messages as a fork copies them.
fn copies(count: usize) -> Vec<WholeMessage> {
    let story = talked(&vec!["said"; count]);
    let added = story.log.iter().filter_map(|logged| match &logged.event {
        Event::MessageAdded { message, parts } => {
            Some(WholeMessage { message: message.clone(), parts: parts.clone(), truncated: false })
        }
        _ => None,
    });
    added.collect()
}

#[test]
fn a_fork_begins_with_the_messages_it_copied() {
    let (session, log) = a_new_session().begin(START, person("ann", None), copies(3)).unwrap();
    assert_eq!(log.len(), 4);
    assert_eq!((session.messages, session.header.turns), (3, 0));
    assert_eq!(rejoin_core::session::Session::replay(&log).unwrap(), session);
}

#[test]
fn a_compaction_leaves_a_trigger_and_a_summary() {
    let mut story = talked(&["one"]);
    let events = story.ann().does(Command::Compact).unwrap();
    assert_eq!(kinds(&events), ["compactionStarted", "messageAdded"]);
    let Event::MessageAdded { message: trigger, parts } = &events[1] else { panic!() };
    assert!(matches!(parts[0].body, PartBody::Compaction { auto: false, .. }));
    let events = story.agent().does(Happening::Compacted { summary: "they talked".into() });
    assert_eq!(kinds(&events), ["messageAdded", "compactionEnded"]);
    let Event::MessageAdded { message: summary, .. } = &events[0] else { panic!() };
    assert_eq!(
        (summary.role, summary.summary, &summary.parent),
        (MessageRole::Assistant, true, &Some(trigger.id.clone()))
    );
    assert_eq!(events[1], Event::CompactionEnded { summary: Some(summary.id.clone()), error: None });
    assert!(!story.session.compacting);
}

#[test]
fn a_compaction_that_fails_says_why_and_the_queue_goes_on() {
    let mut story = talked(&["one"]);
    story.ann().does(Command::Compact).unwrap();
    story.ann().prompts("two").unwrap();
    let events = story.agent().does(Happening::CompactionFailed { error: "no".into() });
    assert_eq!(kinds(&events), ["compactionEnded", "turnStarted", "messageAdded"]);
    assert_eq!(events[0], Event::CompactionEnded { summary: None, error: Some("no".into()) });
    assert_eq!(story.agent().does(Happening::Compacted { summary: "late".into() }), []);
}

#[test]
fn a_compaction_needs_something_to_compact_and_nothing_that_runs() {
    let mut story = Story::begin();
    assert_eq!(story.ann().refused(Command::Compact), "too_little");
    story.ann().prompts("one").unwrap();
    assert_eq!(story.ann().refused(Command::Compact), "busy");
    story.agent().text("well");
    story.agent().finishes();
    story.stopping = true;
    assert_eq!(story.ann().refused(Command::Compact), "stopping");
    story.stopping = false;
    story.broke = true;
    assert_eq!(story.ann().refused(Command::Compact), "budget_exceeded");
    story.broke = false;
    story.ann().does(Command::Compact).unwrap();
    assert_eq!(story.ann().refused(Command::Compact), "compacting");
}

#[test]
fn a_compaction_is_work_and_costs_like_it() {
    let mut story = Story::with(Config { budget_micros: Some(5), ..Config::default() });
    story.ann().prompts("one").unwrap();
    story.agent().text("well");
    story.agent().does(Happening::Usage(Usage { cost_micros: Some(5), ..Usage::default() }));
    assert_eq!(story.ann().refused(Command::Compact), "budget_exceeded");
    assert_eq!(story.ann().refused(prompt("two", IfBusy::Queue)), "budget_exceeded");
}
