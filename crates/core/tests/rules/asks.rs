//! Asks: opening, who may answer, what fits, one answer only, expiry.

use rejoin_core::ask::{Answer, AskBody, Authority, LONGEST_ANSWER, MOST_ASKS, Question, Settled, Unanswered};
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::grant::Scope;
use rejoin_core::happening::{Happening, NewAsk};
use rejoin_core::header::{Config, Status};
use rejoin_core::id::AskId;
use serde_json::{Value, json};

use crate::story::{
    Story, allow, ask, call_id, choices, confirm, deny, kinds, mirrored, permission, prompt, reading, yes,
};

fn asking(new: NewAsk) -> Story {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    story.agent().asks(new);
    story
}

fn answer(ask: &str, answer: Answer) -> Command {
    Command::Answer { ask: AskId::new(ask).unwrap(), answer }
}

fn pick(value: &str) -> Answer {
    Answer::Choose { value: value.into() }
}
fn pick_many(values: &[&str]) -> Answer {
    Answer::ChooseMany { values: values.iter().map(|value| (*value).to_owned()).collect() }
}
fn write(text: &str) -> Answer {
    Answer::Write { text: text.into() }
}
fn fill(values: Value) -> Answer {
    Answer::Fill { values: serde_json::from_value(values).unwrap() }
}
fn provide() -> Answer {
    Answer::Provide { result: json!(1) }
}

/// One answer of every kind, but for the dismissal, which fits everything.
fn one_of_each() -> Vec<(&'static str, Answer)> {
    vec![
        ("allow", allow(Scope::Once)),
        ("deny", deny(Scope::Once)),
        ("choose", pick("a")),
        ("chooseMany", pick_many(&["a"])),
        ("write", write("text")),
        ("confirm", yes()),
        ("fill", fill(json!({"name": "x"}))),
        ("provide", provide()),
    ]
}

fn form() -> AskBody {
    let question = |key: &str, required| Question {
        key: key.into(),
        question: key.into(),
        options: choices(&["x", "y"]),
        multiple: false,
        required,
    };
    AskBody::Form { questions: vec![question("name", true), question("more", false)] }
}

#[test]
fn every_kind_of_ask_takes_its_own_kind_of_answer() {
    for (body, fitting) in [
        (AskBody::Permission { tool: "t".into(), input: json!(1), intents: vec![], risk: None }, vec!["allow", "deny"]),
        (AskBody::Single { options: choices(&["a", "b"]) }, vec!["choose"]),
        (AskBody::Multi { options: choices(&["a", "b"]), min: None, max: None }, vec!["chooseMany"]),
        (AskBody::Text { default: None }, vec!["write"]),
        (AskBody::Confirm { default: None }, vec!["confirm"]),
        (form(), vec!["fill"]),
        (AskBody::Capability { capability: "camera".into(), input: json!(1) }, vec!["provide"]),
    ] {
        let mut fits = Vec::new();
        for (kind, given) in one_of_each() {
            let mut story = asking(ask("a", body.clone()));
            match story.ann().answers("a", given) {
                Ok(events) => {
                    assert_eq!(kinds(&events), ["askAnswered"]);
                    fits.push(kind);
                }
                Err(refusal) => assert_eq!(refusal.code(), "wrong_answer", "{body:?} {kind}"),
            }
        }
        assert_eq!(fits, fitting, "{body:?}");
        asking(ask("a", body)).ann().answers("a", Answer::Dismiss).expect("anything can be dismissed");
    }
}

#[test]
fn an_answer_stays_within_what_was_asked() {
    let multi = |min, max| AskBody::Multi { options: choices(&["a", "b", "c"]), min, max };
    let single = AskBody::Single { options: choices(&["a", "b"]) };
    for (body, given, fits) in [
        (single.clone(), pick("b"), true),
        (single.clone(), pick("B"), false),
        (single, pick(""), false),
        (multi(None, None), pick_many(&[]), true),
        (multi(None, None), pick_many(&["a", "b", "c"]), true),
        (multi(None, None), pick_many(&["a", "d"]), false),
        (multi(Some(1), None), pick_many(&[]), false),
        (multi(Some(2), None), pick_many(&["a", "c"]), true),
        (multi(Some(2), None), pick_many(&["a", "a"]), false),
        (multi(None, Some(1)), pick_many(&["a"]), true),
        (multi(None, Some(1)), pick_many(&["a", "b"]), false),
        (form(), fill(json!({"name": "x"})), true),
        (form(), fill(json!({"name": ["x", "y"], "more": "z"})), true),
        (form(), fill(json!({})), false),
        (form(), fill(json!({"more": "z"})), false),
        (form(), fill(json!({"name": null})), false),
        (form(), fill(json!({"name": "x", "more": null})), true),
        (form(), fill(json!({"name": "x", "else": "y"})), false),
        (AskBody::Text { default: Some("d".into()) }, write(""), true),
    ] {
        let mut story = asking(ask("a", body.clone()));
        let taken = story.ann().answers("a", given.clone()).map(drop).map_err(|refusal| refusal.code());
        assert_eq!(taken, if fits { Ok(()) } else { Err("wrong_answer") }, "{given:?} to {body:?}");
    }
}

#[test]
fn an_answer_has_an_end_and_a_bottom() {
    let mut story = asking(ask("a", AskBody::Text { default: None }));
    assert_eq!(story.ann().refused(answer("a", write(&"x".repeat(LONGEST_ANSWER)))), "too_long");
    let nested = |depth| (0..depth).fold(Value::Null, |inner, _| json!([inner]));
    let body = AskBody::Capability { capability: "camera".into(), input: json!(1) };
    let mut story = asking(ask("a", body));
    assert_eq!(story.ann().refused(answer("a", Answer::Provide { result: nested(100) })), "too_long");
    story.ann().answers("a", Answer::Provide { result: nested(60) }).unwrap();
    let snapshot = serde_json::to_vec(&story.session).unwrap();
    assert_eq!(serde_json::from_slice::<rejoin_core::session::Session>(&snapshot).unwrap(), story.session);
    let deep = Answer::Allow { scope: Scope::Once, pattern: None, input: Some(nested(100)), duration_ms: None };
    let mut story = asking(permission("a", vec![]));
    assert_eq!(story.ann().refused(answer("a", deep)), "too_long");
    let mut story = asking(ask("a", form()));
    let deep = Answer::Fill { values: [("name".to_owned(), nested(100))].into() };
    assert_eq!(story.ann().refused(answer("a", deep)), "too_long");
}

#[test]
fn the_first_answer_wins_and_the_second_is_told() {
    let mut story = asking(confirm("a"));
    story.ann().answers("a", yes()).unwrap();
    assert_eq!(story.bob().refused(answer("a", Answer::Confirm { confirmed: false })), "not_waiting");
    assert_eq!(story.bob().refused(answer("never-asked", yes())), "not_waiting");
    let answered = story.log.iter().rev().find(|logged| matches!(logged.event, Event::AskAnswered { .. })).unwrap();
    assert_eq!((answered.author.user.as_str(), answered.at), ("ann", story.now));
}

#[test]
fn a_wrong_answer_leaves_the_ask_to_others() {
    let mut story = asking(confirm("a"));
    assert_eq!(story.ann().refused(answer("a", write("yes"))), "wrong_answer");
    story.bob().answers("a", yes()).unwrap();
}

#[test]
fn an_ask_makes_its_turn_wait_and_its_answer_makes_it_run() {
    let mut story = asking(confirm("a"));
    story.agent().asks(confirm("b"));
    assert_eq!(story.session.header.status, Status::Waiting);
    story.ann().answers("a", yes()).unwrap();
    assert_eq!(story.session.header.status, Status::Waiting, "one is still open");
    story.ann().answers("b", yes()).unwrap();
    assert_eq!(story.session.header.status, Status::Running);
}

#[test]
fn an_answer_waits_for_its_agent_to_show_that_it_heard() {
    let mut story = asking(confirm("a"));
    story.ann().answers("a", yes()).unwrap();
    let unheard = story.session.turn.as_ref().unwrap().unheard.clone();
    assert_eq!((unheard.len(), &unheard[0].settled), (1, &Settled::Answered(yes())));
    story.agent().is(rejoin_core::header::AgentStatus::Starting);
    assert_eq!(story.session.turn.as_ref().unwrap().unheard.len(), 1, "to start is not to have heard");
    story.agent().text("thank you");
    assert!(story.session.turn.as_ref().unwrap().unheard.is_empty());
}

#[test]
fn a_client_needs_what_the_ask_requires() {
    let needs = |needed: &[&str]| NewAsk {
        capabilities: needed.iter().map(|name| (*name).to_owned()).collect(),
        ..confirm("a")
    };
    let mut story = asking(needs(&["camera", "sound"]));
    assert_eq!(story.ann().refused(answer("a", yes())), "not_eligible");
    assert_eq!(story.ann().able_to("camera").refused(answer("a", yes())), "not_eligible");
    story.ann().able_to("sound").able_to("touch").able_to("camera").answers("a", yes()).unwrap();
}

#[test]
fn who_may_answer_depends_on_the_ask_the_client_and_the_session() {
    // Bob has control; Ann answers. Whether the session is strict, what the ask says, whether Ann speaks of control.
    for (strict, authority, speaks, expected) in [
        (false, Authority::Controller, true, Err("not_controller")),
        (false, Authority::Controller, false, Ok(())),
        (false, Authority::Anyone, true, Ok(())),
        (false, Authority::Anyone, false, Ok(())),
        (true, Authority::Controller, true, Err("not_controller")),
        (true, Authority::Controller, false, Err("not_controller")),
        (true, Authority::Anyone, false, Err("not_controller")),
    ] {
        let mut story = Story::with(Config { strict_control: strict, ..Config::default() });
        story.bob().does(Command::Claim { quietly: false }).unwrap();
        story.bob().prompts("go").unwrap();
        story.agent().asks(NewAsk { authority, ..confirm("a") });
        let ann = if speaks { story.ann().speaking() } else { story.ann() };
        let said = ann.answers("a", yes()).map(drop).map_err(|refusal| refusal.code());
        assert_eq!(said, expected, "strict {strict}, {authority:?}, speaks {speaks}");
        let bob = story.bob().speaking().answers("a", yes()).map(drop).map_err(|refusal| refusal.code());
        assert_eq!(bob, if expected.is_ok() { Err("not_waiting") } else { Ok(()) });
    }
}

#[test]
fn an_uncontrolled_session_lets_anybody_answer() {
    let mut story = asking(NewAsk { authority: Authority::Controller, ..confirm("a") });
    story.nobody().speaking().answers("a", yes()).unwrap();
}

#[test]
fn an_ask_expires_when_its_time_has_come() {
    let mut story = asking(NewAsk { expires_ms: Some(1000), ..confirm("a") });
    assert_eq!(story.session.wake_at(), Some(story.now + 1000));
    assert_eq!(story.later(999), []);
    let events = story.later(1);
    assert!(matches!(events.as_slice(), [Event::AskClosed { reason: Unanswered::Expired, .. }]), "{events:?}");
    assert_eq!(story.session.wake_at(), None);
    assert_eq!(story.ann().refused(answer("a", yes())), "not_waiting");
    let unheard = &story.session.turn.as_ref().unwrap().unheard;
    assert_eq!(unheard[0].settled, Settled::Unanswered(Unanswered::Expired));
}

#[test]
fn a_session_says_how_long_its_asks_wait_unless_they_say_so_themselves() {
    let mut story = Story::with(Config { ask_ms: Some(500), ..Config::default() });
    story.ann().prompts("go").unwrap();
    story.agent().asks(confirm("usual"));
    story.agent().asks(NewAsk { expires_ms: Some(10), ..confirm("own") });
    story.agent().asks(NewAsk { expires_ms: Some(u64::MAX), ..confirm("long") });
    story.later(10);
    assert_eq!(story.asks(), ["long", "usual"]);
    story.later(490);
    assert_eq!(story.asks(), ["long"]);
}

#[test]
fn a_copy_of_a_childs_ask_expires_with_the_child_and_wakes_nobody_here() {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    let ask = mirrored(confirm("theirs"), "s-child", story.now, Some(story.now + 10));
    story.gateway(|decider| decider.mirror_ask(ask));
    assert_eq!(story.later(10), []);
    assert!(story.session.wake_at().is_none_or(|at| at > story.now), "or the alarm would ring for ever");
    let closed = Event::AskClosed { ask: AskId::new("theirs").unwrap(), reason: Unanswered::Expired, call: None };
    story.gateway(|decider| decider.mirror_settled(closed));
    assert_eq!(story.asks(), [""; 0]);
}

#[test]
fn a_copys_answer_is_checked_here_and_given_there() {
    let mut story = Story::begin();
    story.bob().does(Command::Claim { quietly: false }).unwrap();
    let ask = mirrored(
        NewAsk { authority: Authority::Controller, ..permission("theirs", vec![reading(&["a"])]) },
        "s-child",
        story.now,
        None,
    );
    story.gateway(|decider| decider.mirror_ask(ask));
    assert_eq!(story.ann().speaking().refused(answer("theirs", allow(Scope::Session))), "not_controller");
    story.bob().speaking().answers("theirs", allow(Scope::Session)).unwrap();
    assert!(story.session.grants.is_empty(), "its grants belong to the child");
}

#[test]
fn an_answer_can_be_tried_before_it_is_given() {
    let mut story = asking(NewAsk { capabilities: vec!["camera".into()], ..confirm("a") });
    let person = story.ann();
    let facts = person.facts.clone();
    let author = person.author.clone();
    let id = |id: &str| AskId::new(id).unwrap();
    let mut tried = |capability: &str, asked: &str, given: &Answer| {
        let mut facts = facts.clone();
        facts.capabilities.push(capability.to_owned());
        let mut code = None;
        let decided = story.decide(author.clone(), facts, |decider| {
            code = decider.check_answer(&id(asked), given).err().map(|refusal| refusal.code());
            Ok(())
        });
        assert_eq!(decided.unwrap(), []);
        code
    };
    assert_eq!(tried("camera", "a", &yes()), None);
    assert_eq!(tried("sound", "a", &yes()), Some("not_eligible"));
    assert_eq!(tried("camera", "b", &yes()), Some("not_waiting"));
    assert_eq!(tried("camera", "a", &write("yes")), Some("wrong_answer"));
    assert_eq!(tried("camera", "a", &write(&"x".repeat(LONGEST_ANSWER))), Some("too_long"));
}

#[test]
fn an_ask_that_is_said_twice_is_one_ask() {
    let mut story = asking(confirm("a"));
    assert_eq!(story.agent().asks(confirm("a")), []);
}

#[test]
fn an_agent_can_take_an_ask_back() {
    let mut story = asking(confirm("a"));
    let events = story.agent().does(Happening::AskWithdrawn(AskId::new("a").unwrap()));
    assert!(matches!(events.as_slice(), [Event::AskClosed { reason: Unanswered::Withdrawn, .. }]));
    assert_eq!(story.agent().does(Happening::AskWithdrawn(AskId::new("a").unwrap())), []);
    assert_eq!(story.session.header.status, Status::Running);
}

#[test]
fn the_end_of_a_turn_closes_its_asks() {
    let mut story = asking(NewAsk { call: Some(call_id("c")), ..confirm("a") });
    let events = story.ann().interrupts().unwrap();
    assert_eq!(kinds(&events), ["askClosed", "turnEnded"]);
    assert!(matches!(&events[0], Event::AskClosed { reason: Unanswered::Interrupted, call: Some(_), .. }));
    let mut story = asking(confirm("a"));
    story.ann().does(prompt("instead", rejoin_core::turn::IfBusy::Interrupt)).unwrap();
    assert_eq!(story.asks(), [""; 0]);
}

#[test]
fn too_many_asks_end_the_turn() {
    let mut story = asking(confirm("first"));
    for n in 1..MOST_ASKS {
        story.agent().asks(confirm(&n.to_string()));
    }
    let copy = mirrored(confirm("theirs"), "s-child", story.now, None);
    assert_eq!(story.gateway(|decider| decider.mirror_ask(copy)), [], "there is no room to show it");
    assert_eq!(story.session.asks.len(), MOST_ASKS);
    story.agent().asks(confirm("one-more"));
    assert_eq!(story.failure(), "too_many_asks");
    assert_eq!(story.asks(), [""; 0]);
}
