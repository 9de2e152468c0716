//! The queue: prompts that wait, in an order people can change.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::QueueId;
use rejoin_core::queue::{LONGEST_PROMPT, MOST_QUEUED};
use rejoin_core::turn::IfBusy;

use crate::story::{Story, kinds, prompt};

/// A turn runs, and these wait.
fn waiting(texts: &[&str]) -> Story {
    let mut story = Story::begin();
    story.ann().prompts("running").unwrap();
    for text in texts {
        story.ann().prompts(text).unwrap();
    }
    story
}

fn item(story: &Story, text: &str) -> QueueId {
    story.session.queue.iter().find(|item| item.text == text).expect("it is queued").id.clone()
}

#[test]
fn what_waits_starts_in_its_order_and_under_its_authors_name() {
    let mut story = waiting(&["a"]);
    story.bob().prompts("b").unwrap();
    story.agent().finishes();
    let events = story.agent().finishes();
    let started = story.log.iter().rev().find(|logged| matches!(logged.event, Event::TurnStarted { .. })).unwrap();
    assert_eq!(started.author.user.as_str(), "bob");
    assert_eq!(kinds(&events), ["turnEnded", "turnStarted", "messageAdded"]);
    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "b");
    assert_eq!(story.queued(), [""; 0]);
}

#[test]
fn a_turn_names_the_item_it_came_from_and_the_clients_own_name_for_it() {
    let mut story = waiting(&[]);
    let command = Command::Enqueue { text: "a".into(), attachments: Vec::new(), reference: Some("client-7".into()) };
    story.ann().does(command).unwrap();
    let queued = item(&story, "a");
    story.agent().finishes();
    let turn = story.session.turn.as_ref().unwrap();
    assert_eq!((turn.item.as_ref(), turn.reference.as_deref()), (Some(&queued), Some("client-7")));
}

#[test]
fn an_item_moves_before_another_or_to_the_end() {
    for (moved, before, order) in [
        ("c", Some("a"), ["c", "a", "b"]),
        ("a", Some("c"), ["b", "a", "c"]),
        ("b", Some("c"), ["a", "b", "c"]),
        ("a", None, ["b", "c", "a"]),
        ("c", None, ["a", "b", "c"]),
        ("b", Some("b"), ["a", "b", "c"]),
    ] {
        let mut story = waiting(&["a", "b", "c"]);
        let command = Command::Move { item: item(&story, moved), before: before.map(|text| item(&story, text)) };
        story.bob().does(command).unwrap();
        assert_eq!(story.queued(), order, "{moved} before {before:?}");
    }
}

#[test]
fn an_item_can_be_edited_and_removed_by_anybody_who_may_write() {
    let mut story = waiting(&["a", "b"]);
    let (a, b) = (item(&story, "a"), item(&story, "b"));
    story.bob().does(Command::Edit { item: a.clone(), text: "a, but better".into() }).unwrap();
    story.bob().does(Command::Dequeue { item: b.clone() }).unwrap();
    assert_eq!(story.queued(), ["a, but better"]);
    assert_eq!(story.session.queue[0].id, a, "the id stays");
    assert_eq!(story.ann().refused(Command::Edit { item: a.clone(), text: "  ".into() }), "empty");
    let long = "x".repeat(LONGEST_PROMPT + 1);
    assert_eq!(story.ann().refused(Command::Edit { item: a.clone(), text: long }), "too_long");
    for command in [
        Command::Edit { item: b.clone(), text: "late".into() },
        Command::Dequeue { item: b.clone() },
        Command::Move { item: b.clone(), before: None },
        Command::Move { item: a, before: Some(b) },
    ] {
        assert_eq!(story.ann().refused(command), "no_such_item");
    }
}

#[test]
fn an_item_whose_turn_has_started_is_not_in_the_queue_any_more() {
    let mut story = waiting(&["a"]);
    let a = item(&story, "a");
    story.agent().finishes();
    assert_eq!(story.ann().refused(Command::Edit { item: a, text: "late".into() }), "no_such_item");
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut story = waiting(&[]);
    story.checks = false; // the log is replayed once, at the end
    for n in 0..MOST_QUEUED {
        story.ann().prompts(&n.to_string()).unwrap();
    }
    assert_eq!(story.ann().refused(prompt("one more", IfBusy::Queue)), "queue_full");
    assert_eq!(story.session.queue.len(), MOST_QUEUED);
    story.ann().meets("instead", IfBusy::Interrupt).unwrap();
    story.agent().finishes();
    story.ann().prompts("now there is room").unwrap();
    story.check();
}

#[test]
fn what_is_enqueued_while_nothing_runs_waits_for_the_end_of_the_next_turn() {
    let mut story = Story::begin();
    assert_eq!(kinds(&story.ann().enqueues("later").unwrap()), ["queued"]);
    story.ann().prompts("now").unwrap();
    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "now");
    story.agent().finishes();
    assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "later");
}
