//! Control: who holds the wheel, among the clients that speak of it.

use rejoin_core::command::Command;
use rejoin_core::control::{Control, GRACE_MS, TAKEOVER_MS};
use rejoin_core::event::Event;
use rejoin_core::header::Config;
use rejoin_core::id::ClientId;
use rejoin_core::turn::IfBusy;
use rejoin_core::who::Role;

use crate::story::{Decided, Story, prompt};

/// The states of control, as Ann, who has a client, sees them.
const STATES: [&str; 5] = ["free", "mine", "asked of me", "theirs", "asked of them"];

fn in_state(state: &str) -> Story {
    let mut story = Story::begin();
    let claim = || Command::Claim { quietly: false };
    let gone = |client: &str| Command::Detached { client: ClientId::new(client).unwrap() };
    match state {
        "free" => {}
        "mine" => drop(story.ann().does(claim()).unwrap()),
        "asked of me" => {
            story.ann().does(claim()).unwrap();
            story.bob().does(Command::Takeover).unwrap();
        }
        "my grace" => {
            story.ann().does(claim()).unwrap();
            story.ann().does(gone("laptop")).unwrap();
        }
        "theirs" => drop(story.bob().does(claim()).unwrap()),
        "asked of them" => {
            story.bob().does(claim()).unwrap();
            story.person("dee", Some("desk")).does(Command::Takeover).unwrap();
        }
        "their grace" => {
            story.bob().does(claim()).unwrap();
            story.bob().does(gone("phone")).unwrap();
        }
        other => panic!("no such state: {other}"),
    }
    story
}

/// The reason that was given, nothing where nothing changed, or the refusal's code.
fn said(decided: Decided) -> String {
    match decided {
        Err(refusal) => refusal.code().to_owned(),
        Ok(events) => match events.as_slice() {
            [] => "nothing".to_owned(),
            [Event::ControlChanged { reason, .. }] => {
                serde_json::to_value(reason).unwrap().as_str().unwrap().to_owned()
            }
            other => panic!("more than control changed: {other:?}"),
        },
    }
}

fn approve(approve: bool, requester: Option<&str>) -> Command {
    Command::RespondTakeover { approve, requester: requester.map(|client| ClientId::new(client).unwrap()) }
}

#[test]
fn every_wish_about_control_has_its_answer_in_every_state() {
    let claim = Command::Claim { quietly: false };
    let quietly = Command::Claim { quietly: true };
    let table: &[(&str, [(&Command, &str); 6])] = &[
        (
            "free",
            [
                (&claim, "claimed"),
                (&quietly, "autoClaimed"),
                (&Command::Release, "uncontrolled"),
                (&Command::Takeover, "uncontrolled"),
                (&approve(true, None), "uncontrolled"),
                (&approve(false, None), "uncontrolled"),
            ],
        ),
        (
            "mine",
            [
                (&claim, "nothing"),
                (&quietly, "nothing"),
                (&Command::Release, "released"),
                (&Command::Takeover, "already_controller"),
                (&approve(true, None), "no_takeover_pending"),
                (&approve(false, None), "no_takeover_pending"),
            ],
        ),
        (
            "asked of me",
            [
                (&claim, "nothing"),
                (&quietly, "nothing"),
                (&Command::Release, "takeover_pending"),
                (&Command::Takeover, "already_controller"),
                (&approve(true, Some("phone")), "takeoverApproved"),
                (&approve(false, None), "takeoverDenied"),
            ],
        ),
        (
            "my grace",
            [
                (&claim, "graceReattached"),
                (&quietly, "graceReattached"),
                (&Command::Release, "control_in_grace"),
                (&Command::Takeover, "control_in_grace"),
                (&approve(true, None), "no_takeover_pending"),
                (&approve(false, None), "no_takeover_pending"),
            ],
        ),
        (
            "theirs",
            [
                (&claim, "already_controlled"),
                (&quietly, "nothing"),
                (&Command::Release, "not_controller"),
                (&Command::Takeover, "takeoverRequested"),
                (&approve(true, None), "not_controller"),
                (&approve(false, None), "not_controller"),
            ],
        ),
        (
            "asked of them",
            [
                (&claim, "already_controlled"),
                (&quietly, "nothing"),
                (&Command::Release, "not_controller"),
                (&Command::Takeover, "takeover_pending"),
                (&approve(true, None), "not_controller"),
                (&approve(false, None), "not_controller"),
            ],
        ),
        (
            "their grace",
            [
                (&claim, "already_controlled"),
                (&quietly, "nothing"),
                (&Command::Release, "not_controller"),
                (&Command::Takeover, "control_in_grace"),
                (&approve(true, None), "not_controller"),
                (&approve(false, None), "not_controller"),
            ],
        ),
    ];
    for (state, answers) in table {
        for (command, expected) in answers {
            let mut story = in_state(state);
            assert_eq!(said(story.ann().does((*command).clone())), *expected, "{state}: {command:?}");
        }
    }
}

#[test]
fn whoever_has_no_client_id_can_hold_nothing() {
    for state in STATES {
        for command in [
            Command::Claim { quietly: false },
            Command::Claim { quietly: true },
            Command::Release,
            Command::Takeover,
            approve(true, None),
        ] {
            let mut story = in_state(state);
            assert_eq!(said(story.nobody().does(command.clone())), "client_required", "{state}: {command:?}");
        }
    }
}

#[test]
fn a_takeover_is_answered_to_the_one_who_asked() {
    let mut story = in_state("asked of me");
    assert_eq!(story.ann().refused(approve(true, Some("desk"))), "takeover_mismatch");
    story.ann().does(approve(true, Some("phone"))).unwrap();
    assert_eq!(story.session.control.holder().unwrap().client.as_str(), "phone");
}

#[test]
fn the_same_user_at_another_client_is_somebody_else() {
    let mut story = in_state("mine");
    let mut at_tablet = |command| said(story.person("ann", Some("tablet")).does(command));
    assert_eq!(at_tablet(Command::Claim { quietly: false }), "already_controlled");
    assert_eq!(at_tablet(Command::Release), "not_controller");
    assert_eq!(at_tablet(Command::Takeover), "takeoverRequested");
}

#[test]
fn the_gate_lets_through_who_holds_control_and_who_does_not_speak_of_it() {
    // Who prompts, in which state: what comes of it.
    for (state, mine, theirs, none, silent) in [
        ("free", "ok", "ok", "ok", "ok"),
        ("mine", "ok", "not_controller", "client_required", "ok"),
        ("asked of me", "ok", "not_controller", "client_required", "ok"),
        ("my grace", "ok", "not_controller", "client_required", "ok"),
        ("theirs", "not_controller", "ok", "client_required", "ok"),
    ] {
        let said = |decided: Decided| decided.map_or_else(|refusal| refusal.code(), |_| "ok");
        assert_eq!(said(in_state(state).ann().speaking().prompts("go")), mine, "ann, {state}");
        assert_eq!(said(in_state(state).bob().speaking().prompts("go")), theirs, "bob, {state}");
        assert_eq!(said(in_state(state).nobody().speaking().prompts("go")), none, "no client, {state}");
        assert_eq!(said(in_state(state).nobody().prompts("go")), silent, "another door, {state}");
    }
}

#[test]
fn a_strict_session_binds_every_door() {
    let mut story = Story::with(Config { strict_control: true, ..Config::default() });
    story.nobody().prompts("nobody holds it yet").unwrap();
    story.ann().does(Command::Claim { quietly: false }).unwrap();
    assert_eq!(story.bob().refused(prompt("go", IfBusy::Queue)), "not_controller");
    assert_eq!(story.nobody().refused(prompt("go", IfBusy::Queue)), "client_required");
    story.ann().prompts("the controller may").unwrap();
    story.gateway(|decider| {
        let interrupt = Command::Interrupt { reason: Some("cascade".into()), clear_queue: true };
        decider.command(interrupt).expect("the gateway itself is not bound");
    });
}

#[test]
fn control_binds_what_drives_the_session_and_nothing_else() {
    let mut story = in_state("theirs");
    story.bob().prompts("go").unwrap();
    story.bob().prompts("next").unwrap();
    let item = story.session.queue[0].id.clone();
    for command in [
        Command::Steer { text: "x".into() },
        Command::Interrupt { reason: None, clear_queue: false },
        Command::Enqueue { text: "x".into(), attachments: Vec::new(), reference: None },
        Command::Edit { item: item.clone(), text: "x".into() },
        Command::Move { item: item.clone(), before: None },
        Command::Dequeue { item },
        Command::SetModel { model: "m".into(), provider: None, variant: None },
        Command::Configure { config: Box::default() },
    ] {
        assert_eq!(story.ann().speaking().refused(command), "not_controller");
    }
    story.ann().speaking().does(Command::Rename { title: Some("a name".into()) }).unwrap();
    story.ann().speaking().does(Command::Close).unwrap();
}

#[test]
fn a_lost_connection_leaves_a_moment_to_come_back() {
    let mut story = in_state("my grace");
    assert_eq!(story.session.wake_at(), Some(story.now + GRACE_MS));
    assert_eq!(story.later(GRACE_MS - 1), []);
    let events = story.later(1);
    assert_eq!(said(Ok(events)), "graceExpired");
    assert_eq!(story.session.control, Control::Free);
    assert_eq!(story.session.wake_at(), None);
}

#[test]
fn an_ended_session_is_let_go_of_too() {
    let mut story = in_state("my grace");
    story.bob().does(Command::End { reason: "over".into(), exit_code: None, error: None }).unwrap();
    let wait = story.session.wake_at().expect("an alarm") - story.now;
    let events = story.later(wait);
    assert_eq!(said(Ok(events)), "graceExpired");
}

#[test]
fn a_lost_connection_gives_control_to_whoever_asked_for_it() {
    let mut story = in_state("asked of me");
    let gone = Command::Detached { client: ClientId::new("laptop").unwrap() };
    assert_eq!(said(story.ann().does(gone)), "takeoverAutoApproved");
    assert_eq!(story.session.control.holder().unwrap().user.as_str(), "bob");
}

#[test]
fn only_the_holders_own_lost_connection_matters() {
    let gone = |client: &str| Command::Detached { client: ClientId::new(client).unwrap() };
    assert_eq!(said(in_state("mine").bob().does(gone("phone"))), "nothing", "another client");
    assert_eq!(said(in_state("mine").bob().does(gone("laptop"))), "nothing", "another user's client of that name");
    assert_eq!(said(in_state("my grace").ann().does(gone("laptop"))), "nothing", "it was gone already");
    assert_eq!(said(in_state("free").ann().does(gone("laptop"))), "nothing");
}

#[test]
fn a_connection_is_lost_whatever_its_user_may_still_do() {
    let mut story = in_state("mine");
    let gone = Command::Detached { client: ClientId::new("laptop").unwrap() };
    assert_eq!(said(story.ann().in_role(Role::Viewer).does(gone)), "graceEntered");
}

#[test]
fn silence_denies_a_takeover_while_the_holder_is_there() {
    let mut story = in_state("asked of me");
    assert_eq!(story.session.wake_at(), Some(story.now + TAKEOVER_MS));
    assert_eq!(story.later(TAKEOVER_MS - 1), []);
    let events = story.later(1);
    assert_eq!(said(Ok(events)), "takeoverDenied");
    assert_eq!(story.session.control.holder().unwrap().user.as_str(), "ann");
    assert_eq!(said(story.bob().does(Command::Takeover)), "takeoverRequested", "it can be asked for again");
}

#[test]
fn after_a_restart_whoever_held_control_has_a_moment_anew() {
    for state in ["mine", "asked of me", "my grace"] {
        let mut story = in_state(state);
        story.now += GRACE_MS * 10; // the gateway was down
        let events = story.gateway(|decider| {
            decider.restarted();
            decider.alarm();
        });
        assert_eq!(said(Ok(events)), "graceEntered", "{state}");
        assert_eq!(said(story.ann().does(Command::Claim { quietly: true })), "graceReattached", "{state}");
    }
    assert_eq!(in_state("free").gateway(|decider| decider.restarted()), []);
}
