//! What stays true whatever people, agents and clocks do.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;
use rejoin_core::ask::{Answer, AskBody, Authority, MOST_ASKS};
use rejoin_core::command::Command;
use rejoin_core::control::Control;
use rejoin_core::event::{Event, FileChange, Logged};
use rejoin_core::grant::{MOST_GRANTS, Scope};
use rejoin_core::happening::{Happening, NewAsk};
use rejoin_core::header::{AgentStatus, Config, Status};
use rejoin_core::id::{AskId, ClientId, MessageId, PartId, QueueId, TurnId};
use rejoin_core::part::PlanItem;
use rejoin_core::position::{Millis, Seq};
use rejoin_core::queue::MOST_QUEUED;
use rejoin_core::register::MOST_REGISTERS;
use rejoin_core::session::{MOST_HIDDEN, Session};
use rejoin_core::trim::{Fading, rest_for};
use rejoin_core::turn::{IfBusy, MOST_OPEN_CALLS, Outcome};
use rejoin_core::usage::Usage;
use serde_json::json;

use crate::story::{Story, ask, call_id, choices, exact, mirrored, permission, reading};

/// One thing that happens. Things are named by an [`Index`] into whatever there is at that moment.
#[derive(Debug, Clone)]
enum Step {
    Wish(Who, Wish),
    Deed(Deed),
    /// An agent that still works on a turn that is over.
    Late(Deed),
    /// Time passes and the alarm rings.
    Wait(Millis),
    /// The alarm rings at the very moment it was set to.
    Wake,
    /// The log takes what was decided.
    Keep,
    Repair(bool),
    Restarted,
    Stopping(bool),
    AgentClosed,
    ChildEnded(Index),
    Mirrored(Index, u8, Option<Millis>),
    MirrorSettled(Index),
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Ann,
    Bob,
    Nobody,
}

#[derive(Debug, Clone)]
enum Wish {
    Prompt(String, IfBusy),
    Enqueue(String),
    Steer(String),
    Interrupt(bool),
    Answer(Index, Option<u8>),
    Edit(Index, String),
    Move(Index, Option<Index>),
    Dequeue(Index),
    Revert(Index, bool),
    RevokeGrant(Index),
    SetRegister(u8, bool),
    Configure(Config),
    Plain(Command),
    Detached,
}

#[derive(Debug, Clone)]
enum Deed {
    Does(Happening),
    Asks(NewAsk),
    Withdraws(Index),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-zé🦀 ]{1,6}", 1 => "[ ]{0,2}"]
}

fn config() -> impl Strategy<Value = Config> {
    let limit = |most: u64| prop::option::weighted(0.2, 1..=most);
    (limit(5), limit(30), limit(200_000), limit(2_000), prop::bool::weighted(0.1), prop::bool::weighted(0.2)).prop_map(
        |(turns, budget_micros, ttl_ms, ask_ms, one_shot, strict_control)| Config {
            max_turns: turns.map(|turns| turns as u32),
            budget_micros,
            ttl_ms,
            ask_ms,
            one_shot,
            strict_control,
            ..Config::default()
        },
    )
}

fn if_busy() -> impl Strategy<Value = IfBusy> {
    prop_oneof![
        1 => Just(IfBusy::Refuse),
        4 => Just(IfBusy::Queue),
        1 => Just(IfBusy::Steer),
        1 => Just(IfBusy::Interrupt),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let plain = prop_oneof![
        any::<bool>().prop_map(|quietly| Command::Claim { quietly }),
        Just(Command::Release),
        Just(Command::Takeover),
        any::<bool>().prop_map(|approve| Command::RespondTakeover { approve, requester: None }),
        Just(Command::Fork { message: None, title: None, into: None }),
        Just(Command::Compact),
        Just(Command::Close),
        Just(Command::Reopen),
        Just(Command::Archive),
        Just(Command::Unarchive),
        Just(Command::Reopen),
        Just(Command::Unarchive),
        prop::option::of(text()).prop_map(|title| Command::Rename { title }),
        text().prop_map(|model| Command::SetModel { model, provider: None, variant: None }),
        text().prop_map(|content| Command::Seal { content, local: None }),
    ];
    let end = Command::End { reason: "over".into(), exit_code: None, error: None };
    prop_oneof![
        12 => (text(), if_busy()).prop_map(|(text, if_busy)| Wish::Prompt(text, if_busy)),
        2 => text().prop_map(Wish::Enqueue),
        2 => text().prop_map(Wish::Steer),
        3 => any::<bool>().prop_map(Wish::Interrupt),
        10 => (any::<Index>(), prop::option::weighted(0.2, 0..9_u8)).prop_map(|(ask, odd)| Wish::Answer(ask, odd)),
        2 => (any::<Index>(), text()).prop_map(|(item, text)| Wish::Edit(item, text)),
        2 => (any::<Index>(), any::<Option<Index>>()).prop_map(|(item, before)| Wish::Move(item, before)),
        2 => any::<Index>().prop_map(Wish::Dequeue),
        3 => (any::<Index>(), any::<bool>()).prop_map(|(message, inclusive)| Wish::Revert(message, inclusive)),
        1 => any::<Index>().prop_map(Wish::RevokeGrant),
        2 => (0..3_u8, prop::bool::weighted(0.8)).prop_map(|(name, known)| Wish::SetRegister(name, known)),
        1 => config().prop_map(Wish::Configure),
        10 => plain.prop_map(Wish::Plain),
        1 => prop::option::weighted(0.1, Just(end)).prop_map(|end| Wish::Plain(end.unwrap_or(Command::Reopen))),
        2 => Just(Wish::Detached),
    ]
}

fn new_ask() -> impl Strategy<Value = NewAsk> {
    let targets = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..3);
    let body = prop_oneof![
        Just(AskBody::Confirm { default: None }),
        Just(AskBody::Text { default: None }),
        Just(AskBody::Single { options: choices(&["a", "b"]) }),
        Just(AskBody::Multi { options: choices(&["a", "b"]), min: Some(1), max: None }),
        prop::collection::vec(targets, 0..3)
            .prop_map(|intents| { permission("x", intents.iter().map(|targets| reading(targets)).collect()).body }),
    ];
    (any::<u16>(), body, any::<bool>(), prop::option::weighted(0.3, 0..3_000_u64), prop::bool::weighted(0.8)).prop_map(
        |(id, body, bound, expires_ms, marked)| NewAsk {
            authority: if bound { Authority::Controller } else { Authority::Anyone },
            expires_ms,
            bookmark: marked.then(|| "here".to_owned()),
            ..ask(&format!("ask-{id}"), body)
        },
    )
}

fn deed() -> impl Strategy<Value = Deed> {
    let call = || (0..4_u8).prop_map(|call| call_id(&format!("c-{call}")));
    let status = prop::sample::select(vec![
        AgentStatus::Starting,
        AgentStatus::Ready,
        AgentStatus::Ready,
        AgentStatus::Stopping,
        AgentStatus::Stopped,
        AgentStatus::Failed,
    ]);
    let tools = prop_oneof![
        2 => call().prop_map(|call| Happening::ToolCalled { call, name: "t".into(), input: json!({"x": 0.1}) }),
        4 => (call(), "[{}a-z]{0,4}")
            .prop_map(|(call, delta)| Happening::ToolArguments { call, name: "t".into(), delta }),
        2 => (call(), prop::option::of(Just(json!(1)))).prop_map(|(call, input)| Happening::ToolStarted { call, input }),
        1 => (call(), text(), any::<bool>())
            .prop_map(|(call, text, error)| Happening::ToolOutput { call, text, error }),
        2 => (call(), any::<bool>()).prop_map(|(call, works)| Happening::ToolEnded {
            call,
            result: if works { Ok(json!("out")) } else { Err("no".into()) },
        }),
        1 => call().prop_map(|call| Happening::ToolDone {
            call,
            name: "t".into(),
            input: json!(null),
            output: json!([1]),
        }),
    ];
    let others = prop_oneof![
        Just(Happening::Pause),
        Just(Happening::Plan(Vec::<PlanItem>::new())),
        Just(Happening::Image { mime: "image/png".into(), url: "blob:0".into() }),
        Just(Happening::Step { number: 1, finish: None, usage: None }),
        (0..4_u64).prop_map(|cost| Happening::Usage(Usage { cost_micros: Some(cost), input: 1, ..Usage::default() })),
        text().prop_map(Happening::Title),
        Just(Happening::FileChanged {
            path: "a".into(),
            change: FileChange::Modified,
            version: None,
            hash: None,
            size: None,
        }),
        prop::option::of(call()).prop_map(|call| Happening::Task { name: "n".into(), text: "t".into(), call }),
        text().prop_map(|summary| Happening::Compacted { summary }),
        text().prop_map(|error| Happening::CompactionFailed { error }),
        Just(Happening::Failed { code: "oops".into(), message: "oops".into(), retry_ms: None }),
        status.prop_map(|status| Happening::Life { status, detail: None }),
    ];
    prop_oneof![
        14 => text().prop_map(|text| Deed::Does(Happening::Text(text))),
        5 => text().prop_map(|text| Deed::Does(Happening::Thinking(text))),
        12 => tools.prop_map(Deed::Does),
        8 => others.prop_map(Deed::Does),
        3 => Just(Deed::Does(Happening::Done)),
        8 => new_ask().prop_map(Deed::Asks),
        1 => any::<Index>().prop_map(Deed::Withdraws),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop::sample::select(vec![Who::Ann, Who::Ann, Who::Bob, Who::Nobody]);
    prop_oneof![
        40 => (who, wish()).prop_map(|(who, wish)| Step::Wish(who, wish)),
        60 => deed().prop_map(Step::Deed),
        2 => deed().prop_map(Step::Late),
        8 => (0..40_000_u64).prop_map(Step::Wait),
        4 => Just(Step::Wake),
        20 => Just(Step::Keep),
        2 => any::<bool>().prop_map(Step::Repair),
        1 => Just(Step::Restarted),
        1 => any::<bool>().prop_map(Step::Stopping),
        1 => Just(Step::AgentClosed),
        2 => any::<Index>().prop_map(Step::ChildEnded),
        2 => (any::<Index>(), any::<u8>(), any::<Option<u16>>())
            .prop_map(|(child, ask, wait)| Step::Mirrored(child, ask, wait.map(Millis::from))),
        2 => any::<Index>().prop_map(Step::MirrorSettled),
    ]
}

fn life() -> impl Strategy<Value = (Config, Vec<Step>)> {
    (config(), prop::collection::vec(step(), 1..160))
}

/// The element that is meant, if there is any.
fn chosen<T: Clone>(index: &Index, all: impl IntoIterator<Item = T>) -> Option<T> {
    let all: Vec<T> = all.into_iter().collect();
    (!all.is_empty()).then(|| all[index.index(all.len())].clone())
}

fn fitting(body: &AskBody) -> Answer {
    match body {
        AskBody::Permission { .. } => {
            Answer::Allow { scope: Scope::Session, pattern: None, input: None, duration_ms: None }
        }
        AskBody::Single { .. } => Answer::Choose { value: "a".into() },
        AskBody::Multi { .. } => Answer::ChooseMany { values: vec!["a".into()] },
        AskBody::Text { .. } => Answer::Write { text: "x".into() },
        AskBody::Confirm { .. } => Answer::Confirm { confirmed: true },
        AskBody::Form { .. } | AskBody::Capability { .. } => Answer::Dismiss,
    }
}

fn odd(kind: u8) -> Answer {
    match kind {
        0 => Answer::Allow { scope: Scope::Once, pattern: None, input: Some(json!({})), duration_ms: None },
        1 => Answer::Deny { message: None, scope: Scope::Session, pattern: None },
        2 => Answer::Allow { scope: Scope::Session, pattern: Some(exact("c")), input: None, duration_ms: Some(500) },
        3 => Answer::Deny { message: None, scope: Scope::Workspace, pattern: Some(exact("b")) },
        4 => Answer::Choose { value: "z".into() },
        5 => Answer::ChooseMany { values: vec![] },
        6 => Answer::Fill { values: BTreeMap::new() },
        7 => Answer::Provide { result: json!(null) },
        _ => Answer::Dismiss,
    }
}

/// Where messages begin and end, as far as they are whole.
fn places(story: &Story) -> Vec<(MessageId, Seq, Seq)> {
    let mut begun: HashMap<&MessageId, Seq> = HashMap::new();
    let mut places = Vec::new();
    for logged in story.whole_log() {
        match &logged.event {
            Event::MessageAdded { message, .. } => places.push((message.id.clone(), logged.seq, logged.seq)),
            Event::MessageStarted { message } => drop(begun.insert(&message.id, logged.seq)),
            Event::MessageCompleted { message } => {
                places.push((message.id.clone(), begun[&message.id], logged.seq));
            }
            _ => {}
        }
    }
    places
}

fn command(story: &Story, who: Who, wish: Wish) -> Option<(Command, Option<(Seq, Seq)>)> {
    let item = |index: &Index| chosen(index, story.session.queue.iter().map(|item| item.id.clone()));
    let gone = || QueueId::new("gone").expect("an id");
    let command = match wish {
        Wish::Prompt(text, if_busy) => {
            Command::Prompt { text, attachments: Vec::new(), if_busy, reference: Some("r".into()) }
        }
        Wish::Enqueue(text) => Command::Enqueue { text, attachments: Vec::new(), reference: None },
        Wish::Steer(text) => Command::Steer { text },
        Wish::Interrupt(clear_queue) => Command::Interrupt { reason: None, clear_queue },
        Wish::Answer(index, kind) => {
            let ask = chosen(&index, story.session.asks.values().cloned())?;
            Command::Answer { answer: kind.map_or_else(|| fitting(&ask.body), odd), ask: ask.id }
        }
        Wish::Edit(index, text) => Command::Edit { item: item(&index).unwrap_or_else(gone), text },
        Wish::Move(index, before) => Command::Move {
            item: item(&index).unwrap_or_else(gone),
            before: before.map(|index| item(&index).unwrap_or_else(gone)),
        },
        Wish::Dequeue(index) => Command::Dequeue { item: item(&index).unwrap_or_else(gone) },
        Wish::Revert(index, inclusive) => {
            let (message, first, last) = chosen(&index, places(story))?;
            return Some((Command::Revert { message, inclusive }, Some((first, last))));
        }
        Wish::RevokeGrant(index) => {
            Command::RevokeGrant { grant: chosen(&index, story.session.grants.keys().cloned())? }
        }
        Wish::SetRegister(name, known) => {
            let name = format!("r-{name}");
            let version = story.session.registers.get(&name).map_or(0, |register| register.version);
            let expected = if known { version } else { version + 1 };
            Command::SetRegister { name, expected, value: Some("v".into()) }
        }
        Wish::Configure(config) => Command::Configure { config: Box::new(config) },
        Wish::Plain(command) => command,
        Wish::Detached => {
            let client = match who {
                Who::Ann | Who::Nobody => "laptop",
                Who::Bob => "phone",
            };
            Command::Detached { client: ClientId::new(client).expect("an id") }
        }
    };
    Some((command, None))
}

/// What one life was like: the story at its end, and snapshots that were taken on the way, where the log was kept.
struct Lived {
    story: Story,
    snapshots: Vec<String>,
}

fn live(config: Config, steps: Vec<Step>) -> Lived {
    let mut story = Story::with(config);
    (story.gathers, story.checks) = (true, false);
    let mut snapshots = Vec::new();
    let mut over: Option<TurnId> = None;
    for step in steps {
        let before = story.session.turn.as_ref().map(|turn| turn.id.clone());
        take(&mut story, step, &over, &mut snapshots);
        if before != story.session.turn.as_ref().map(|turn| turn.id.clone()) {
            over = before.or(over);
        }
        holds_now(&story);
    }
    Lived { story, snapshots }
}

fn take(story: &mut Story, step: Step, over: &Option<TurnId>, snapshots: &mut Vec<String>) {
    let child = |story: &Story, index: &Index| {
        let turn = story.session.turn.as_ref()?;
        chosen(index, turn.children.iter().cloned())
    };
    match step {
        Step::Wish(who, wish) => {
            let Some((command, place)) = command(story, who, wish) else { return };
            let mut person = match who {
                Who::Ann => story.ann().speaking(),
                Who::Bob => story.bob().speaking(),
                Who::Nobody => story.nobody(),
            };
            person.facts.place = place;
            let _ = person.does(command); // a refusal leaves nothing behind; the story looks after that
        }
        Step::Late(deed) => {
            let Some(turn) = over.clone() else { return };
            if story.session.turn.as_ref().is_some_and(|open| open.id == turn) {
                return;
            }
            let before = story.whole_log().count();
            let about_a_turn = match &deed {
                Deed::Does(happening) => !matches!(
                    happening,
                    Happening::Life { .. } | Happening::Compacted { .. } | Happening::CompactionFailed { .. }
                ),
                _ => true,
            };
            act(story, deed, Some(&turn));
            if about_a_turn {
                assert_eq!(story.whole_log().count(), before, "what belongs to a turn that is over is dropped");
            }
        }
        Step::Deed(deed) => act(story, deed, None),
        Step::Wait(millis) => {
            story.now += millis;
            ring(story);
        }
        Step::Wake => {
            if let Some(at) = story.session.wake_at() {
                story.now = story.now.max(at);
                ring(story);
            }
        }
        Step::Keep => {
            story.keep();
            snapshots.push(serde_json::to_string(&story.session).expect("a session is JSON"));
        }
        Step::Repair(resumable) => {
            let open = story.session.turn.as_ref().map(|turn| turn.id.clone());
            story.gateway(|decider| decider.repair(resumable, "restart"));
            let still = story.session.turn.as_ref().map(|turn| turn.id.clone());
            assert!(resumable || open.is_none() || open != still, "without its agent no turn goes on");
            assert!(!story.session.compacting);
        }
        Step::Restarted => drop(story.gateway(|decider| decider.restarted())),
        Step::Stopping(stopping) => story.stopping = stopping,
        Step::AgentClosed => drop(story.gateway(|decider| decider.agent_closed("idle"))),
        Step::ChildEnded(index) => {
            if let Some(child) = child(story, &index) {
                story.gateway(|decider| decider.child_ended(&child, Outcome::Completed));
            }
        }
        Step::Mirrored(index, id, wait) => {
            if let Some(child) = child(story, &index) {
                let new = ask(&format!("theirs-{id}"), AskBody::Confirm { default: None });
                let copy = mirrored(new, child.as_str(), story.now, wait.map(|wait| story.now + wait));
                story.gateway(|decider| decider.mirror_ask(copy));
            }
        }
        Step::MirrorSettled(index) => {
            if let Some(ask) = chosen(&index, story.session.asks.keys().cloned()) {
                let event = Event::AskAnswered { ask, answer: Answer::Dismiss, call: None };
                story.gateway(|decider| decider.mirror_settled(event));
            }
        }
    }
}

fn act(story: &mut Story, deed: Deed, turn: Option<&TurnId>) {
    let happening = match deed {
        Deed::Does(happening) => happening,
        Deed::Asks(ask) => Happening::Asked(ask),
        Deed::Withdraws(index) => match chosen(&index, story.session.asks.keys().cloned()) {
            Some(ask) => Happening::AskWithdrawn(ask),
            None => return,
        },
    };
    match turn {
        Some(turn) => story.agent_at(turn).does(happening),
        None => story.agent().does(happening),
    };
}

/// An alarm that rings early finds nothing to do; one that rings in time leaves nothing that is due.
fn ring(story: &mut Story) {
    let due = story.session.wake_at().is_some_and(|at| at <= story.now);
    let events = story.gateway(|decider| decider.alarm());
    assert_eq!(!events.is_empty(), due, "{events:?}");
    let next = story.session.wake_at();
    assert!(next.is_none_or(|at| at > story.now), "it would ring for ever: {next:?} at {}", story.now);
}

/// What holds after every step.
fn holds_now(story: &Story) {
    let session = &story.session;
    assert!(session.queue.len() <= MOST_QUEUED && session.asks.len() <= MOST_ASKS);
    assert!(session.grants.len() <= MOST_GRANTS && session.registers.len() <= MOST_REGISTERS);
    assert!(session.hidden.len() <= MOST_HIDDEN);
    assert!(session.hidden.iter().all(|(first, last)| first <= last && *last <= story.tip()));
    assert!(session.hidden.windows(2).all(|pair| pair[0].1.next() < pair[1].0), "apart and in order");
    let open = session.turn.as_ref();
    if let Some(turn) = open {
        assert!(turn.parts.len() <= MOST_OPEN_CALLS + 1);
        assert!(turn.unheard.len() <= MOST_ASKS);
        assert!(!session.compacting, "one thing at a time");
        assert!(!session.header.archived && session.header.end.is_none(), "neither runs anything");
    }
    for ask in session.asks.values().filter(|ask| ask.origin.is_none()) {
        assert_eq!(Some(&ask.turn), open.map(|turn| &turn.id), "no ask without its turn");
    }
    let expected = match (&session.header.end, open) {
        (Some(_), _) => Status::Ended,
        _ if session.header.status == Status::Closed => Status::Closed,
        (None, None) => Status::Idle,
        (None, Some(_)) if session.asks.is_empty() => Status::Running,
        (None, Some(_)) => Status::Waiting,
    };
    assert_eq!(session.header.status, expected);
    if let Control::Held { takeover: Some(takeover), holder, .. } = &session.control {
        assert_ne!(takeover.by, *holder);
    }
    let streams = open.map_or(0, |turn| {
        let streaming = |part: &&rejoin_core::part::Part| {
            matches!(
                part.body,
                rejoin_core::part::PartBody::Text { .. } | rejoin_core::part::PartBody::Reasoning { .. }
            )
        };
        turn.parts.iter().filter(streaming).count()
    });
    assert!(streams <= 1, "text or reasoning, one at a time");
}

/// Where the texts of parts stand, as a reader who adds up deltas has them.
fn texts<'a>(log: impl IntoIterator<Item = &'a Logged>) -> HashMap<PartId, String> {
    let mut texts: HashMap<PartId, String> = HashMap::new();
    for logged in log {
        if let Event::PartDelta { part, text, .. } = &logged.event {
            texts.entry(part.clone()).or_default().push_str(text);
        }
    }
    texts
}

/// A log whose events from `from` to `to` went through the trimming.
fn trimmed(log: &[Logged], from: usize, to: usize) -> Vec<Logged> {
    let mut fading = Fading::default();
    log[from..to].iter().for_each(|logged| fading.see(logged));
    let faded: Vec<Logged> = log[from..to].iter().cloned().filter_map(|logged| fading.fade(logged)).collect();
    assert_eq!(fading.is_worth_it(), faded != log[from..to]);
    // It is written and read like any other.
    let faded = faded.iter().map(|logged| Logged::read(&logged.to_json()).expect("what we write we read"));
    log[..from].iter().cloned().chain(faded).chain(log[to..].iter().cloned()).collect()
}

/// A life is worth a few hundred cases of other tests. `PROPTEST_CASES` asks for more.
fn lives() -> u32 {
    (ProptestConfig::default().cases / 4).max(1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: lives(), ..ProptestConfig::default() })]

    #[test]
    fn replaying_a_log_equals_living_through_it((config, steps) in life()) {
        let Lived { story, .. } = live(config, steps);
        story.check();
    }

    #[test]
    fn any_snapshot_and_the_rest_equal_all((config, steps) in life(), cut in any::<Index>()) {
        let Lived { mut story, snapshots } = live(config, steps);
        story.keep();
        let anywhere = cut.index(story.log.len()) + 1;
        let replayed = Session::replay(&story.log[..anywhere]).expect("a log");
        let taken = snapshots.into_iter().chain([serde_json::to_string(&replayed).expect("JSON")]);
        for snapshot in taken {
            let mut session: Session = serde_json::from_str(&snapshot).expect("a snapshot");
            let tip = session.tip;
            story.log.iter().filter(|logged| Some(logged.seq) > tip).for_each(|logged| session.apply(logged));
            prop_assert_eq!(&session, &story.session);
        }
    }

    #[test]
    fn a_trimmed_log_folds_to_the_same_and_tells_every_reader_what_it_misses(
        (config, steps) in life(), a in any::<Index>(), b in any::<Index>(), c in any::<Index>(), whole in any::<bool>(),
    ) {
        let Lived { mut story, .. } = live(config, steps);
        story.keep();
        let log = &story.log;
        // Twice, as time goes by: first one stretch, then one that reaches further and meets what has faded before.
        let (from, to) = if whole { (0, log.len()) } else {
            let (a, b) = (a.index(log.len()), b.index(log.len()));
            (a.min(b), a.max(b))
        };
        let once = trimmed(log, from, to);
        let twice = trimmed(&once, 0, c.index(once.len()).max(to.min(once.len())));
        let full = texts(log);
        for shorter in [once, twice] {
            prop_assert_eq!(&Session::replay(&shorter).expect("a log"), &story.session);
            for after in 0..=story.tip().get() {
                let mut heard = texts(log.iter().filter(|logged| logged.seq.get() <= after));
                let rest = shorter.iter().filter(|logged| logged.seq.get() > after);
                let rest: Vec<Logged> = rest.map(|logged| rest_for(logged.clone(), after)).collect();
                for (part, text) in texts(&rest) {
                    heard.entry(part).or_default().push_str(&text);
                }
                prop_assert_eq!(&heard, &full, "a reader who had heard up to {}", after);
            }
        }
    }

    #[test]
    fn merging_neighbouring_deltas_changes_nothing((config, steps) in life(), which in any::<u64>()) {
        let Lived { mut story, .. } = live(config, steps);
        story.keep();
        let mut merged: Vec<Logged> = Vec::new();
        for (n, logged) in story.log.iter().enumerate() {
            if let Event::PartDelta { part, text, .. } = &logged.event
                && which.rotate_left(n as u32) & 1 == 1
                && let Some(Logged { event: Event::PartDelta { part: open, text: joined, .. }, .. }) = merged.last_mut()
                && open == part
            {
                joined.push_str(text);
                continue;
            }
            merged.push(logged.clone());
        }
        let mut session = Session::replay(&merged).expect("a log");
        session.tip = story.session.tip; // the last event may have been a delta
        prop_assert_eq!(session, story.session);
    }

    #[test]
    fn what_gathers_before_it_is_kept_is_merged((config, steps) in life()) {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Keep)).collect();
        let Lived { story, .. } = live(config, steps);
        for pair in story.pending.windows(2) {
            if let [Logged { event: Event::PartDelta { part: a, .. }, .. }, Logged { event: Event::PartDelta { part: b, .. }, .. }] = pair {
                prop_assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn every_turn_ends_and_ends_once_and_there_is_one_at_a_time((config, steps) in life()) {
        let Lived { mut story, .. } = live(config, steps);
        story.stopping = true; // so that nothing starts behind it
        story.gateway(|decider| decider.repair(false, "restart"));
        story.keep();
        prop_assert!(story.session.turn.is_none() && !story.session.compacting);
        let (mut open, mut over) = (None, HashSet::new());
        let mut parts: HashSet<&PartId> = HashSet::new();
        for logged in &story.log {
            match &logged.event {
                Event::TurnStarted { turn, .. } => {
                    prop_assert_eq!(open, None);
                    open = Some(turn);
                }
                Event::TurnEnded { turn, .. } => {
                    prop_assert_eq!(open.take(), Some(turn));
                    prop_assert!(over.insert(turn.clone()));
                    prop_assert!(parts.is_empty(), "its parts are complete");
                }
                Event::PartStarted { part } => prop_assert!(parts.insert(&part.id)),
                Event::PartCompleted { part, .. } => drop(parts.remove(&part.id)),
                Event::PartDelta { part, .. } => prop_assert!(parts.contains(part), "a delta of an open part"),
                Event::PartUpdated { part } => prop_assert!(parts.contains(&part.id)),
                _ => {}
            }
        }
        prop_assert_eq!(open, None);
        prop_assert_eq!(over.len() as u64, story.session.header.turns);
    }

    #[test]
    fn every_ask_is_settled_once((config, steps) in life()) {
        let Lived { mut story, .. } = live(config, steps);
        story.keep();
        let mut open: HashSet<&AskId> = HashSet::new();
        for logged in &story.log {
            match &logged.event {
                Event::AskOpened { ask } => prop_assert!(open.insert(&ask.id)),
                Event::AskAnswered { ask, .. } | Event::AskClosed { ask, .. } => prop_assert!(open.remove(ask)),
                _ => {}
            }
        }
        let still: HashSet<&AskId> = story.session.asks.keys().collect();
        prop_assert_eq!(open, still);
    }

    #[test]
    fn a_completed_part_is_what_its_deltas_add_up_to((config, steps) in life()) {
        let Lived { mut story, .. } = live(config, steps);
        story.keep();
        let added = texts(&story.log);
        for logged in &story.log {
            if let Event::PartCompleted { part, .. } = &logged.event
                && let Some(text) = part.body.text()
            {
                prop_assert_eq!(Some(text), added.get(&part.id).map(String::as_str).or(Some("")));
            }
        }
    }
}
