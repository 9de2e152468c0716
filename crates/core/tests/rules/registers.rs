//! Registers and sealed messages: what end-to-end encrypted clients keep with us.

use std::collections::BTreeMap;

use rejoin_core::command::Command;
use rejoin_core::decide::{Facts, NewSession};
use rejoin_core::event::Event;
use rejoin_core::header::LONGEST_LABEL;
use rejoin_core::id::CommandId;
use rejoin_core::part::LONGEST_PART;
use rejoin_core::refusal::Refusal;
use rejoin_core::register::{LONGEST_REGISTER, LONGEST_REGISTER_NAME, MOST_REGISTERS};
use rejoin_core::sealed::Sealing;
use rejoin_core::session::Session;
use rejoin_core::who::Role;

use crate::story::{START, Story, a_new_session, person};

fn set(name: &str, expected: u64, value: Option<&str>) -> Command {
    Command::SetRegister { name: name.into(), expected, value: value.map(str::to_owned) }
}

fn seal(content: &str) -> Command {
    Command::Seal { content: content.into(), local: Some("local-1".into()) }
}

#[test]
fn a_register_changes_only_for_whoever_knows_its_version() {
    let mut story = Story::sealed();
    story.ann().does(set("metadata", 0, Some("one"))).unwrap();
    story.bob().does(set("metadata", 1, Some("two"))).unwrap();
    let late = story.ann().does(set("metadata", 1, Some("mine"))).unwrap_err();
    assert_eq!(late, Refusal::VersionMismatch { version: 2, value: Some("two".into()) });
    story.ann().does(set("metadata", 2, None)).unwrap();
    let register = &story.session.registers["metadata"];
    assert_eq!((register.version, register.value.as_deref()), (3, None));
    let early = story.ann().does(set("other", 4, None)).unwrap_err();
    assert_eq!(early, Refusal::VersionMismatch { version: 0, value: None });
}

#[test]
fn registers_have_bounds() {
    let mut story = Story::begin();
    story.checks = false;
    let long = "v".repeat(LONGEST_REGISTER + 1);
    assert_eq!(story.ann().refused(set("", 0, None)), "too_long");
    assert_eq!(story.ann().refused(set(&"n".repeat(LONGEST_REGISTER_NAME + 1), 0, None)), "too_long");
    assert_eq!(story.ann().refused(set("n", 0, Some(&long))), "too_long");
    story.ann().does(set(&"n".repeat(LONGEST_REGISTER_NAME), 0, Some(&long[1..]))).unwrap();
    for n in 1..MOST_REGISTERS {
        story.ann().does(set(&n.to_string(), 0, None)).unwrap();
    }
    assert_eq!(story.ann().refused(set("one more", 0, None)), "too_long");
    story.ann().does(set("1", 1, Some("those there are can change"))).unwrap();
    story.check();
}

#[test]
fn sealed_messages_are_numbered_and_kept_as_they_came() {
    let mut story = Story::sealed();
    for (number, content) in [(1, "{\"c\": \"a==\"}"), (2, " \u{7f} not even JSON")] {
        let events = story.ann().does(seal(content)).unwrap();
        let [Event::SealedAdded { number: given, content: kept, local, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!((*given, kept.as_str(), local.as_deref()), (number, content, Some("local-1")));
    }
    assert_eq!((story.session.sealed, story.session.messages), (2, 2));
}

#[test]
fn sealed_messages_have_bounds() {
    let mut story = Story::sealed();
    let long = Command::Seal { content: "x".into(), local: Some("l".repeat(LONGEST_LABEL + 1)) };
    assert_eq!(story.ann().refused(long), "too_long");
    story.checks = false;
    assert_eq!(story.ann().refused(seal(&"x".repeat(LONGEST_PART + 1))), "too_long");
}

#[test]
fn a_hosted_session_takes_no_sealed_messages() {
    assert_eq!(Story::begin().ann().refused(seal("x")), "session_not_sealed");
}

#[test]
fn a_restored_backup_lifts_what_was_given_since() {
    let mut story = Story::sealed();
    story.ann().does(set("metadata", 0, Some("one"))).unwrap();
    story.gateway(|decider| decider.restored(1000));
    assert_eq!(story.session.registers["metadata"].version, 1001);
    story.ann().does(set("metadata", 1001, Some("two"))).unwrap();
    // None had come by the time of the backup, and some may have come after it.
    let events = story.ann().does(seal("x")).unwrap();
    assert!(matches!(events[0], Event::SealedAdded { number: 1001, .. }), "{events:?}");
}

#[test]
fn a_damaged_lift_breaks_nothing() {
    let mut story = Story::sealed();
    story.ann().does(set("metadata", 0, None)).unwrap();
    story.ann().does(seal("x")).unwrap();
    story.gateway(|decider| decider.restored(u64::MAX));
    assert_eq!(story.session.registers["metadata"].version, u64::MAX);
    assert_eq!(story.session.sealed, u64::MAX);
}

#[test]
fn a_session_may_begin_with_registers() {
    let registers = BTreeMap::from([("a".to_owned(), Some("one".to_owned())), ("b".to_owned(), None)]);
    let mut story = Story::of(NewSession { registers, ..a_new_session() });
    assert!(matches!(story.log[0].event, Event::SessionCreated { .. }));
    assert_eq!(Session::replay(&story.log).unwrap(), story.session);
    let register = |story: &Story, name: &str| {
        let register = &story.session.registers[name];
        (register.version, register.value.clone())
    };
    assert_eq!(register(&story, "a"), (1, Some("one".into())));
    assert_eq!(register(&story, "b"), (1, None));
    story.ann().does(set("b", 1, Some("two"))).unwrap();
    assert_eq!(register(&story, "b"), (2, Some("two".into())));
}

#[test]
fn a_session_begins_with_no_more_registers_than_it_may_have() {
    let begin = |registers: BTreeMap<String, Option<String>>| {
        let new = NewSession { registers, ..a_new_session() };
        new.begin(START, person("ann", None), Vec::new()).map(drop)
    };
    let many = |count: usize| (0..count).map(|n| (n.to_string(), None)).collect::<BTreeMap<_, _>>();
    let one = |name: String, value: Option<String>| BTreeMap::from([(name, value)]);
    assert_eq!(begin(many(MOST_REGISTERS)), Ok(()));
    assert_eq!(begin(many(MOST_REGISTERS + 1)), Err(Refusal::TooLong));
    assert_eq!(begin(one(String::new(), None)), Err(Refusal::TooLong));
    assert_eq!(begin(one("n".repeat(LONGEST_REGISTER_NAME + 1), None)), Err(Refusal::TooLong));
    assert_eq!(begin(one("n".into(), Some("v".repeat(LONGEST_REGISTER + 1)))), Err(Refusal::TooLong));
    assert_eq!(begin(one("n".into(), Some("v".repeat(LONGEST_REGISTER)))), Ok(()));
}

#[test]
fn messages_that_are_sealed_together_are_all_added_or_none() {
    let mut story = Story::sealed();
    let seal = |story: &mut Story, role: Role, messages: Vec<(&str, Option<&str>)>| {
        let sealing = |(content, local): (&str, Option<&str>)| Sealing {
            content: content.to_owned(),
            local: local.map(str::to_owned),
        };
        let messages = messages.into_iter().map(sealing).collect();
        let facts = Facts { role: Some(role), ..Facts::default() };
        story.decide(person("ann", None), facts, |decider| decider.seal(messages))
    };
    let long = "l".repeat(LONGEST_LABEL + 1);
    let spoilt = seal(&mut story, Role::Member, vec![("a", None), ("b", Some(&long))]);
    assert_eq!(spoilt, Err(Refusal::TooLong));
    assert_eq!(seal(&mut story, Role::Member, vec![("a", None), ("b", Some(""))]), Err(Refusal::Empty));
    assert_eq!(seal(&mut story, Role::Viewer, vec![("a", None)]), Err(Refusal::Forbidden));
    assert_eq!(story.session.sealed, 0);
    let events = seal(&mut story, Role::Member, vec![("a", None), ("b", Some("l")), ("", None)]).unwrap();
    let number = |event: &Event| match event {
        Event::SealedAdded { number, .. } => *number,
        other => panic!("{other:?}"),
    };
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn no_client_can_mint_what_a_local_name_is_remembered_by() {
    for local in ["a", "a b", "", "ü"] {
        let kept = CommandId::of_local(local);
        assert!(CommandId::new(kept.as_str()).is_err(), "{kept}");
    }
    assert_ne!(CommandId::of_local("a b"), CommandId::of_local("a"));
}
