//! Grants: what an answer is remembered as, and when it answers the next ask.

use rejoin_core::ask::{Answer, Intent};
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::grant::{Grant, MOST_GRANTS, Scope};
use rejoin_core::id::{GrantId, UserId, WorkspaceId};
use rejoin_core::pattern::{Matcher, Pattern};

use crate::story::{Story, allow, deny, exact, kinds, permission, reading};

/// A turn in which one permission ask was answered.
fn answered(intents: Vec<Intent>, answer: Answer) -> (Story, Vec<Event>) {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().asks(permission("first", intents));
    let events = story.ann().answers("first", answer).unwrap();
    (story, events)
}

/// What becomes of an ask: remembered as allowed or denied, or asked.
fn asked_again(story: &mut Story, intents: Vec<Intent>) -> &'static str {
    let id = format!("again-{}", story.tip());
    match story.agent().asks(permission(&id, intents)).as_slice() {
        [Event::AskRemembered { allowed: true, .. }] => "allowed",
        [Event::AskRemembered { allowed: false, .. }] => "denied",
        [Event::AskOpened { .. }] => "asked",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_yes_for_the_session_is_not_asked_for_again() {
    let (mut story, events) = answered(vec![reading(&["a", "b"])], allow(Scope::Session));
    assert_eq!(kinds(&events), ["askAnswered", "grantAdded", "grantAdded"], "one for every target");
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "allowed");
    assert_eq!(asked_again(&mut story, vec![reading(&["b", "a"])]), "allowed");
    assert_eq!(asked_again(&mut story, vec![reading(&["a"]), reading(&["b"])]), "allowed");
    let grant = story.session.grants.values().next().unwrap();
    assert_eq!((grant.granted_by.as_str(), grant.granted_at, grant.expires_at), ("ann", story.now, None));
    assert_eq!((grant.tool.as_str(), grant.description.as_deref()), ("cat", Some("May I?")));
}

#[test]
fn all_targets_must_be_granted() {
    let (mut story, _) = answered(vec![reading(&["a"])], allow(Scope::Session));
    assert_eq!(asked_again(&mut story, vec![reading(&["a", "b"])]), "asked");
    assert_eq!(asked_again(&mut story, vec![reading(&["a"]), reading(&["b"])]), "asked");
    assert_eq!(asked_again(&mut story, vec![reading(&["b"])]), "asked");
}

#[test]
fn an_intent_without_targets_is_never_granted_by_what_stands_beside_it() {
    let (mut story, _) = answered(vec![reading(&["a"])], allow(Scope::Session));
    let anything = Intent { resource: "network".into(), ..reading(&[]) };
    assert_eq!(asked_again(&mut story, vec![]), "asked");
    assert_eq!(asked_again(&mut story, vec![reading(&[])]), "asked");
    assert_eq!(asked_again(&mut story, vec![reading(&["a"]), anything]), "asked");
}

#[test]
fn a_grant_is_about_one_tool_one_resource_and_one_action() {
    let (mut story, _) = answered(vec![reading(&["a"])], allow(Scope::Session));
    let writing = Intent { action: "write".into(), ..reading(&["a"]) };
    let elsewhere = Intent { resource: "network".into(), ..reading(&["a"]) };
    assert_eq!(asked_again(&mut story, vec![writing]), "asked");
    assert_eq!(asked_again(&mut story, vec![elsewhere]), "asked");
    let mut other_tool = permission("other", vec![reading(&["a"])]);
    if let rejoin_core::ask::AskBody::Permission { tool, .. } = &mut other_tool.body {
        *tool = "rm".into();
    }
    assert_eq!(kinds(&story.agent().asks(other_tool)), ["askOpened"]);
}

#[test]
fn a_yes_to_one_thing_is_no_yes_to_all_that_begins_like_it() {
    let (mut story, _) = answered(vec![reading(&["/a"])], allow(Scope::Session));
    let wider = |matcher| Intent { targets: vec![Pattern { matcher, text: "/a".into() }], ..reading(&[]) };
    assert_eq!(asked_again(&mut story, vec![wider(Matcher::Prefix)]), "asked");
    assert_eq!(asked_again(&mut story, vec![wider(Matcher::Glob)]), "asked");
    assert_eq!(asked_again(&mut story, vec![wider(Matcher::Exact)]), "allowed");
    let (mut story, _) = answered(vec![wider(Matcher::Prefix)], allow(Scope::Session));
    assert_eq!(asked_again(&mut story, vec![wider(Matcher::Prefix)]), "allowed");
    assert_eq!(asked_again(&mut story, vec![wider(Matcher::Exact)]), "allowed");
}

#[test]
fn a_no_to_one_thing_is_a_no_to_all_that_would_include_it() {
    let (mut story, _) = answered(vec![reading(&["/etc/passwd"])], deny(Scope::Session));
    let below = Pattern { matcher: Matcher::Prefix, text: "/etc/".into() };
    let intent = Intent { targets: vec![below], ..reading(&[]) };
    assert_eq!(asked_again(&mut story, vec![intent]), "denied");
}

#[test]
fn once_is_not_remembered() {
    let (mut story, events) = answered(vec![reading(&["a"])], allow(Scope::Once));
    assert_eq!(kinds(&events), ["askAnswered"]);
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "asked");
}

#[test]
fn a_scope_that_was_not_offered_is_not_remembered() {
    let narrow = Intent { scopes: vec![Scope::Once, Scope::Session], ..reading(&["a"]) };
    let (_, events) = answered(vec![narrow.clone()], allow(Scope::Workspace));
    assert_eq!(kinds(&events), ["askAnswered"], "it still holds this once");
    let (mut story, events) = answered(vec![narrow, reading(&["b"])], allow(Scope::Workspace));
    assert_eq!(kinds(&events), ["askAnswered", "grantAdded"], "each intent offers its own");
    assert!(story.session.grants.is_empty(), "the workspace keeps it");
    assert_eq!(asked_again(&mut story, vec![reading(&["b"])]), "asked", "until the workspace says that it has it");
}

#[test]
fn a_grant_of_the_workspace_names_it_and_holds_where_it_is_looked_up() {
    let (mut story, events) = answered(vec![reading(&["a"])], allow(Scope::Workspace));
    let Some(Event::GrantAdded { grant }) = events.last() else { panic!("{events:?}") };
    assert_eq!(grant.workspace, Some(WorkspaceId::new("w-1").unwrap()));
    let mut agent = story.agent();
    agent.facts.workspace_grants.push(grant.clone());
    assert_eq!(kinds(&agent.asks(permission("again", vec![reading(&["a"])]))), ["askRemembered"]);
}

#[test]
fn a_pattern_stands_for_the_targets() {
    let answer = Answer::Allow { scope: Scope::Session, pattern: Some(exact("c")), input: None, duration_ms: None };
    let (mut story, events) = answered(vec![reading(&["a", "b"])], answer);
    assert_eq!(kinds(&events), ["askAnswered", "grantAdded"]);
    assert_eq!(asked_again(&mut story, vec![reading(&["c"])]), "allowed");
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "asked");
}

#[test]
fn a_grant_can_be_for_a_while() {
    let answer = Answer::Allow { scope: Scope::Session, pattern: None, input: None, duration_ms: Some(100) };
    let (mut story, _) = answered(vec![reading(&["a"])], answer);
    story.now += 99;
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "allowed");
    story.now += 1;
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "asked");
}

#[test]
fn a_no_can_be_remembered_and_wins_over_any_yes() {
    let (mut story, events) = answered(vec![reading(&["a"])], deny(Scope::Session));
    assert_eq!(kinds(&events), ["askAnswered", "grantAdded"]);
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "denied");
    story.agent().asks(permission("more", vec![reading(&["b"])]));
    story.ann().answers("more", allow(Scope::Session)).unwrap();
    assert_eq!(asked_again(&mut story, vec![reading(&["b"])]), "allowed");
    assert_eq!(asked_again(&mut story, vec![reading(&["b", "a"])]), "denied", "one is enough");
    assert_eq!(asked_again(&mut story, vec![reading(&["a", "never seen"])]), "denied");
}

#[test]
fn a_grant_can_be_revoked_once() {
    let (mut story, _) = answered(vec![reading(&["a"])], allow(Scope::Session));
    let id = story.session.grants.keys().next().unwrap().clone();
    story.bob().does(Command::RevokeGrant { grant: id.clone() }).unwrap();
    assert_eq!(asked_again(&mut story, vec![reading(&["a"])]), "asked");
    assert_eq!(story.bob().refused(Command::RevokeGrant { grant: id }), "no_such_grant");
}

#[test]
fn a_grant_of_the_workspace_can_be_revoked_from_any_of_its_sessions() {
    let mut story = Story::begin();
    let held = Grant {
        id: GrantId::new("g-1").unwrap(),
        allowed: true,
        scope: Scope::Workspace,
        workspace: None,
        tool: "cat".into(),
        resource: "file".into(),
        action: None,
        pattern: exact("a"),
        granted_at: 0,
        granted_by: UserId::new("ann").unwrap(),
        expires_at: None,
        ask: None,
        description: None,
    };
    let mut person = story.ann();
    person.facts.workspace_grants.push(held.clone());
    assert_eq!(kinds(&person.does(Command::RevokeGrant { grant: held.id }).unwrap()), ["grantRevoked"]);
}

#[test]
fn the_oldest_grant_goes_when_there_are_too_many() {
    let mut story = Story::begin();
    story.checks = false;
    story.ann().prompts("go").unwrap();
    for n in 0..=MOST_GRANTS {
        let id = format!("ask-{n}");
        story.agent().asks(permission(&id, vec![reading(&[&format!("file-{n}")])]));
        story.ann().answers(&id, allow(Scope::Session)).unwrap();
    }
    assert_eq!(story.session.grants.len(), MOST_GRANTS);
    assert_eq!(asked_again(&mut story, vec![reading(&["file-0"])]), "asked");
    assert_eq!(asked_again(&mut story, vec![reading(&["file-1"])]), "allowed");
    story.check();
}
