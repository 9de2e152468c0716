//! A session's own life: created, named, labelled, configured, closed, archived, ended, deleted.

use std::collections::BTreeMap;

use rejoin_core::command::Command;
use rejoin_core::decide::NewSession;
use rejoin_core::event::Event;
use rejoin_core::header::{Config, LONGEST_CONFIG, LONGEST_LABEL, LONGEST_TITLE, MOST_LABELS, Model, Status};
use rejoin_core::position::Millis;
use rejoin_core::turn::{IfBusy, Outcome};
use serde_json::{Value, json};

use crate::story::{START, Story, a_new_session, confirm, kinds, person, prompt};

fn rename(title: &str) -> Command {
    Command::Rename { title: Some(title.into()) }
}

fn end(reason: &str) -> Command {
    Command::End { reason: reason.into(), exit_code: Some(3), error: Some("why".into()) }
}

#[test]
fn a_title_is_trimmed_counted_in_characters_and_may_be_taken_away() {
    let mut story = Story::begin();
    let long = "é".repeat(LONGEST_TITLE);
    for (given, kept) in [("  a name ", Some("a name")), (&format!(" {long}\n"), Some(long.as_str())), (" \t", None)] {
        story.ann().does(rename(given)).unwrap();
        assert_eq!(story.session.header.title.as_deref(), kept);
    }
    assert_eq!(story.ann().refused(rename(&format!("{long}x"))), "too_long");
    story.ann().does(rename("x")).unwrap();
    assert_eq!(story.ann().does(rename("x ")).unwrap(), [], "it has that name already");
    story.ann().does(Command::Rename { title: None }).unwrap();
    assert_eq!(story.session.header.title, None);
}

#[test]
fn labels_have_bounds_and_replace_each_other() {
    let labels = |count: usize, key: usize, value: usize| {
        let label = |n: usize| (format!("{n:0>key$}"), "v".repeat(value));
        Command::Label { labels: (0..count).map(label).collect() }
    };
    let mut story = Story::begin();
    story.ann().does(labels(MOST_LABELS, LONGEST_LABEL, LONGEST_LABEL)).unwrap();
    story.ann().does(labels(1, 1, 0)).unwrap();
    assert_eq!(story.session.header.labels, BTreeMap::from([("0".to_owned(), String::new())]));
    assert_eq!(story.ann().refused(labels(MOST_LABELS + 1, 2, 1)), "too_long");
    assert_eq!(story.ann().refused(labels(1, LONGEST_LABEL + 1, 1)), "too_long");
    assert_eq!(story.ann().refused(labels(1, 1, LONGEST_LABEL + 1)), "too_long");
    let nameless = Command::Label { labels: BTreeMap::from([(String::new(), "v".into())]) };
    assert_eq!(story.ann().refused(nameless), "too_long");
}

#[test]
fn a_model_has_a_name() {
    let model =
        |model: &str, variant: Option<String>| Command::SetModel { model: model.into(), provider: None, variant };
    let mut story = Story::begin();
    assert_eq!(story.ann().refused(model("", None)), "empty");
    assert_eq!(story.ann().refused(model(&"m".repeat(LONGEST_LABEL + 1), None)), "too_long");
    assert_eq!(story.ann().refused(model("m", Some("v".repeat(LONGEST_LABEL + 1)))), "too_long");
    story.ann().does(model("m", Some("v".into()))).unwrap();
    let set = Model { model: "m".into(), provider: None, variant: Some("v".into()) };
    assert_eq!(story.session.header.model, Some(set));
    story.ann().prompts("go").unwrap();
    let events = story.agent().text("hi");
    assert!(matches!(&events[0], Event::MessageStarted { message } if message.model.as_deref() == Some("m")));
}

fn config_of(length: usize) -> Config {
    Config { system_prompt: Some("p".repeat(length)), ..Config::default() }
}

fn deep_config() -> Config {
    let value = (0..100).fold(Value::Null, |inner, _| json!([inner]));
    Config { extra: BTreeMap::from([("jean2".to_owned(), value)]), ..Config::default() }
}

#[test]
fn a_configuration_has_an_end_and_a_bottom() {
    let mut story = Story::begin();
    let configure = |config: Config| Command::Configure { config: Box::new(config) };
    let frame = serde_json::to_string(&config_of(0)).unwrap().len();
    assert_eq!(story.ann().refused(configure(config_of(LONGEST_CONFIG - frame + 1))), "too_long");
    story.ann().does(configure(config_of(LONGEST_CONFIG - frame))).unwrap();
    assert_eq!(story.ann().refused(configure(deep_config())), "too_long");
}

#[test]
fn a_new_session_is_checked_before_it_is_written() {
    let long = || "x".repeat(LONGEST_LABEL + 1);
    let model = |model: &str, provider: Option<String>, variant: Option<String>| {
        Some(Model { model: model.into(), provider, variant })
    };
    for (new, code) in [
        (NewSession { agent: String::new(), ..a_new_session() }, "empty"),
        (NewSession { agent: long(), ..a_new_session() }, "too_long"),
        (NewSession { title: Some("t".repeat(LONGEST_TITLE + 1)), ..a_new_session() }, "too_long"),
        (NewSession { profile: Some(long()), ..a_new_session() }, "too_long"),
        (NewSession { tag: Some(long()), ..a_new_session() }, "too_long"),
        (NewSession { model: model(&long(), None, None), ..a_new_session() }, "too_long"),
        (NewSession { model: model("m", Some(long()), None), ..a_new_session() }, "too_long"),
        (NewSession { model: model("m", None, Some(long())), ..a_new_session() }, "too_long"),
        (NewSession { labels: BTreeMap::from([(long(), String::new())]), ..a_new_session() }, "too_long"),
        (NewSession { config: config_of(LONGEST_CONFIG), ..a_new_session() }, "too_long"),
        (NewSession { config: deep_config(), ..a_new_session() }, "too_long"),
    ] {
        let refused = new.clone().begin(START, person("ann", None), Vec::new()).unwrap_err();
        assert_eq!(refused.code(), code, "{:?}", new.agent);
    }
    let named = NewSession { title: Some("  a name ".into()), ..a_new_session() };
    assert_eq!(Story::of(named).session.header.title.as_deref(), Some("a name"));
}

#[test]
fn a_closed_session_finishes_what_runs_and_takes_no_prompts_until_it_is_reopened() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.ann().prompts("two").unwrap();
    assert_eq!(kinds(&story.ann().does(Command::Close).unwrap()), ["sessionClosed"]);
    assert_eq!(story.ann().does(Command::Close).unwrap(), []);
    assert_eq!(story.ann().refused(prompt("three", IfBusy::Queue)), "session_closed");
    story.agent().text("well");
    assert_eq!(kinds(&story.agent().finishes()), ["partCompleted", "messageCompleted", "turnEnded"]);
    assert_eq!(story.session.header.status, Status::Closed);
    let events = story.ann().does(Command::Reopen).unwrap();
    assert_eq!(kinds(&events), ["sessionReopened", "turnStarted", "messageAdded"]);
    assert_eq!(story.ann().does(Command::Reopen).unwrap(), []);
}

#[test]
fn a_session_that_is_reopened_while_its_turn_still_runs_shows_that_it_runs() {
    for (waits, status) in [(false, Status::Running), (true, Status::Waiting)] {
        let mut story = Story::begin();
        story.ann().prompts("one").unwrap();
        story.ann().does(Command::Close).unwrap();
        if waits {
            story.agent().asks(confirm("a"));
        }
        assert_eq!(story.session.header.status, Status::Closed);
        story.ann().does(Command::Reopen).unwrap();
        assert_eq!(story.session.header.status, status);
    }
}

#[test]
fn an_archived_session_runs_nothing() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.ann().prompts("two").unwrap();
    assert_eq!(kinds(&story.ann().does(Command::Archive).unwrap()), ["sessionArchived", "turnEnded"]);
    assert_eq!(story.interruption(), "archived");
    assert_eq!(story.queued(), ["two"]);
    assert_eq!(story.ann().does(Command::Archive).unwrap(), []);
    assert_eq!(story.ann().refused(prompt("three", IfBusy::Queue)), "session_archived");
    assert_eq!(story.gateway(|decider| decider.advance()), []);
    let events = story.ann().does(Command::Unarchive).unwrap();
    assert_eq!(kinds(&events), ["sessionUnarchived", "turnStarted", "messageAdded"]);
    assert_eq!(story.ann().does(Command::Unarchive).unwrap(), []);
}

/// A session that is being compacted while a prompt waits.
fn compacting() -> Story {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.agent().text("well");
    story.agent().finishes();
    story.ann().does(Command::Compact).unwrap();
    story.ann().prompts("two").unwrap();
    story
}

#[test]
fn an_archived_or_ended_session_compacts_nothing_either() {
    let mut story = compacting();
    assert_eq!(kinds(&story.ann().does(Command::Archive).unwrap()), ["sessionArchived", "compactionEnded"]);
    assert_eq!(story.ann().refused(Command::Compact), "session_archived");
    let mut story = compacting();
    assert_eq!(kinds(&story.ann().does(end("over")).unwrap()), ["sessionEnded", "compactionEnded"]);
    assert!(!story.session.compacting);
}

#[test]
fn an_ended_session_is_over_for_good() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.ann().prompts("two").unwrap();
    story.agent().asks(confirm("a"));
    let events = story.ann().does(end("over")).unwrap();
    assert_eq!(kinds(&events), ["sessionEnded", "askClosed", "turnEnded"]);
    assert_eq!(story.interruption(), "ended");
    assert_eq!((story.session.header.status, story.queued().len()), (Status::Ended, 0));
    let ended = story.session.header.end.clone().unwrap();
    assert_eq!((ended.exit_code, ended.error.as_deref(), ended.at), (Some(3), Some("why"), story.now));
    for command in [end("again"), Command::Close, Command::Reopen, Command::Compact, prompt("x", IfBusy::Queue)] {
        assert_eq!(story.ann().refused(command), "session_ended");
    }
    story.ann().does(rename("it can still be found")).unwrap();
    story.ann().does(Command::Archive).unwrap();
    story.ann().does(Command::Unarchive).unwrap();
    assert_eq!(story.session.header.status, Status::Ended);
}

#[test]
fn an_end_has_bounds() {
    let mut story = Story::begin();
    assert_eq!(story.ann().refused(end(&"r".repeat(LONGEST_LABEL + 1))), "too_long");
    let error = Command::End { reason: "r".into(), exit_code: None, error: Some("e".repeat(LONGEST_CONFIG + 1)) };
    assert_eq!(story.ann().refused(error), "too_long");
}

#[test]
fn a_session_ends_when_its_time_to_live_is_over() {
    const LIFE: Millis = 5_000;
    for act in [None, Some(Command::Close), Some(Command::Archive)] {
        let mut story = Story::with(Config { ttl_ms: Some(LIFE), ..Config::default() });
        assert_eq!(story.session.wake_at(), Some(START + LIFE));
        story.ann().prompts("one").unwrap();
        if let Some(command) = act.clone() {
            story.ann().does(command).unwrap();
        }
        assert_eq!(story.later(LIFE - 1), []);
        story.later(1);
        assert_eq!(story.session.header.end.as_ref().unwrap().reason, "max_duration_exceeded", "{act:?}");
        assert_eq!((story.session.header.status, story.session.wake_at()), (Status::Ended, None));
        assert!(story.session.turn.is_none());
        assert_eq!(story.later(LIFE), []);
    }
}

#[test]
fn a_session_that_lives_for_ever_has_no_alarm() {
    let story = Story::with(Config { ttl_ms: Some(u64::MAX), ..Config::default() });
    assert_eq!(story.session.wake_at(), Some(u64::MAX));
    assert_eq!(Story::begin().session.wake_at(), None);
}

#[test]
fn a_deleted_session_starts_nothing_any_more() {
    let mut story = Story::begin();
    story.ann().prompts("one").unwrap();
    story.ann().prompts("two").unwrap();
    assert_eq!(kinds(&story.gateway(|decider| decider.delete())), ["turnEnded", "sessionDeleted"]);
    assert_eq!(*story.outcome(), Outcome::Interrupted { reason: "deleted".into() });
    assert!(story.session.turn.is_none());
    assert_eq!(kinds(&compacting().gateway(|decider| decider.delete())), ["compactionEnded", "sessionDeleted"]);
}

#[test]
fn activity_and_changes_have_their_times() {
    let mut story = Story::begin();
    story.now += 1;
    story.ann().does(rename("x")).unwrap();
    assert_eq!((story.session.header.updated_at, story.session.header.last_activity_at), (START + 1, None));
    story.now += 1;
    story.ann().prompts("go").unwrap();
    story.now += 1;
    story.ann().steers("left").unwrap();
    assert_eq!(story.session.header.last_activity_at, Some(START + 3));
    story.now -= 2; // a clock that goes back
    story.ann().does(rename("y")).unwrap();
    assert_eq!(story.session.header.updated_at, START + 3);
}

#[test]
fn a_log_that_does_not_begin_with_its_creation_is_none() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    assert!(rejoin_core::session::Session::replay(&story.log[1..]).is_err());
    assert!(rejoin_core::session::Session::replay(&[]).is_err());
}
