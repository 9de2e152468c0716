//! Agents: their life, their children, and what their roles' people may do.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::happening::Happening;
use rejoin_core::header::{AgentStatus, Status};
use rejoin_core::id::SessionId;
use rejoin_core::part::PartBody;
use rejoin_core::turn::Outcome;
use rejoin_core::who::{Kind, Role, Verb};

use crate::story::{Story, call_id, confirm, kinds, mirrored, yes};

fn running() -> Story {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story
}

#[test]
fn an_agents_life_is_told_once_per_change() {
    let mut story = running();
    assert_eq!(kinds(&story.agent().is(AgentStatus::Starting)), ["agentChanged"]);
    assert_eq!(kinds(&story.agent().is(AgentStatus::Ready)), ["agentChanged"]);
    assert_eq!(story.agent().is(AgentStatus::Ready), []);
    assert_eq!(story.session.header.agent_status, AgentStatus::Ready);
}

#[test]
fn an_agent_that_is_gone_fails_its_turn_and_the_queue_goes_on() {
    for status in [AgentStatus::Failed, AgentStatus::Stopped] {
        let mut story = running();
        story.agent().is(AgentStatus::Ready);
        story.ann().prompts("next").unwrap();
        story.agent().asks(confirm("a"));
        let events = story.agent().is(status);
        assert_eq!(kinds(&events), ["agentChanged", "askClosed", "turnEnded", "turnStarted", "messageAdded"]);
        assert_eq!(story.failure(), "agent_failed");
        assert_eq!(story.session.turn.as_ref().unwrap().prompt.text, "next");
    }
}

#[test]
fn an_agent_that_is_gone_fails_its_compaction_and_not_the_turn_behind_it() {
    let mut story = running();
    story.agent().text("hello");
    story.agent().finishes();
    story.ann().does(Command::Compact).unwrap();
    story.ann().prompts("next").unwrap();
    let events = story.agent().is(AgentStatus::Failed);
    assert_eq!(kinds(&events), ["agentChanged", "compactionEnded", "turnStarted", "messageAdded"]);
    assert_eq!(story.session.header.status, Status::Running, "a fresh agent takes it");
}

#[test]
fn an_agent_that_was_closed_in_order_leaves_a_waiting_turn_alone() {
    let mut story = running();
    story.agent().is(AgentStatus::Ready);
    story.agent().asks(confirm("a"));
    assert_eq!(kinds(&story.gateway(|decider| decider.agent_closed("idle"))), ["agentChanged"]);
    assert_eq!(story.gateway(|decider| decider.agent_closed("idle")), []);
    assert_eq!(story.session.header.status, Status::Waiting);
}

fn with_child(call: Option<&str>) -> (Story, SessionId) {
    let mut story = running();
    if let Some(call) = call {
        story.agent().calls(call);
    }
    let task = Happening::Task { name: "helper".into(), text: "dig".into(), call: call.map(call_id) };
    story.agent().does(task);
    let child = story.session.turn.as_ref().unwrap().children[0].clone();
    (story, child)
}

#[test]
fn a_child_works_for_the_call_that_started_it() {
    let (story, child) = with_child(Some("c"));
    let PartBody::Tool(call) = &story.session.turn.as_ref().unwrap().parts[0].body else { panic!() };
    assert_eq!(call.child.as_ref(), Some(&child));
}

#[test]
fn a_childs_end_is_noted_once() {
    let (mut story, child) = with_child(None);
    assert_eq!(kinds(&story.gateway(|decider| decider.child_ended(&child, Outcome::Completed))), ["childEnded"]);
    assert_eq!(story.gateway(|decider| decider.child_ended(&child, Outcome::Completed)), []);
    assert!(story.session.turn.as_ref().unwrap().children.is_empty());
}

#[test]
fn a_childs_ask_is_shown_and_settled_here_with_it() {
    let (mut story, child) = with_child(None);
    let ask = mirrored(confirm("theirs"), child.as_str(), story.now, None);
    story.gateway(|decider| decider.mirror_ask(ask.clone()));
    assert_eq!(story.gateway(|decider| decider.mirror_ask(ask.clone())), [], "it is shown already");
    assert_eq!(story.session.header.status, Status::Waiting);
    let answered = Event::AskAnswered { ask: ask.id.clone(), answer: yes(), call: None };
    assert_eq!(kinds(&story.gateway(|decider| decider.mirror_settled(answered.clone()))), ["askAnswered"]);
    assert_eq!(story.gateway(|decider| decider.mirror_settled(answered.clone())), []);
    assert_eq!(story.session.header.status, Status::Running);
    assert!(story.session.turn.as_ref().unwrap().unheard.is_empty(), "the child's agent hears it, not ours");
}

#[test]
fn what_settles_a_copy_cannot_settle_an_ask_of_ones_own() {
    let mut story = running();
    story.agent().asks(confirm("ours"));
    let id = story.session.asks.keys().next().unwrap().clone();
    let answered = Event::AskAnswered { ask: id, answer: yes(), call: None };
    assert_eq!(story.gateway(|decider| decider.mirror_settled(answered)), []);
    assert_eq!(story.asks(), ["ours"]);
}

#[test]
fn a_childs_end_takes_its_asks_with_it_whether_or_not_its_turn_is_still_ours() {
    let (mut story, child) = with_child(None);
    let ask = mirrored(confirm("theirs"), child.as_str(), story.now, None);
    story.gateway(|decider| decider.mirror_ask(ask));
    story.agent().finishes();
    assert_eq!(story.asks(), ["theirs"]);
    let events = story.gateway(|decider| decider.child_ended(&child, Outcome::Completed));
    assert_eq!(kinds(&events), ["askClosed"]);
}

#[test]
fn an_agent_cannot_withdraw_a_childs_ask() {
    let (mut story, child) = with_child(None);
    let ask = mirrored(confirm("theirs"), child.as_str(), story.now, None);
    story.gateway(|decider| decider.mirror_ask(ask.clone()));
    assert_eq!(story.agent().does(Happening::AskWithdrawn(ask.id)), []);
}

#[test]
fn viewers_change_nothing() {
    let mut story = running();
    for command in crate::commands::every_command() {
        let shown = format!("{command:?}");
        let refused = story.ann().in_role(Role::Viewer).does(command).expect_err(&shown);
        assert_eq!(refused.code(), "forbidden", "{shown}");
    }
    for role in [Role::Member, Role::BillingAdmin, Role::Admin, Role::Owner] {
        story.ann().in_role(role).steers("on").unwrap();
    }
}

#[test]
fn rights_are_one_table() {
    use Kind::{Agent, Billing, File, Key, Member, Secret, Session, Workspace};
    use Verb::{Archive, Create, Delete, Read, Steer, Write};
    // Columns: viewer, member, billing admin, admin, owner.
    let rows: &[(&[Kind], &[Verb], &str)] = &[
        (&[Session, File, Workspace, Agent], &[Read], "vmbao"),
        (&[Session], &[Create, Write, Archive, Steer], "-mbao"),
        (&[Session], &[Delete], "---ao"),
        (&[File], &[Create, Write, Delete, Archive, Steer], "-mbao"),
        (&[Workspace], &[Create, Write, Archive, Steer], "-mbao"),
        (&[Workspace], &[Delete], "---ao"),
        (&[Member], &[Read, Create, Write, Archive, Steer], "---ao"),
        (&[Member], &[Delete], "----o"),
        (&[Key, Secret], &[Read, Create, Write, Delete, Archive, Steer], "---ao"),
        (&[Billing], &[Read], "--bao"),
        (&[Billing], &[Create, Write, Delete, Archive, Steer], "--b-o"),
        (&[Agent], &[Create, Write, Delete, Archive, Steer], "----o"),
    ];
    let roles = [Role::Viewer, Role::Member, Role::BillingAdmin, Role::Admin, Role::Owner];
    let mut cells = 0;
    for (kinds, verbs, who) in rows {
        for (kind, verb) in kinds.iter().flat_map(|kind| verbs.iter().map(move |verb| (*kind, *verb))) {
            for (role, letter) in roles.iter().zip(who.chars()) {
                assert_eq!(role.may(verb, kind), letter != '-', "{role:?} {verb:?} {kind:?}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 8 * 6 * 5, "every kind, verb and role");
}
