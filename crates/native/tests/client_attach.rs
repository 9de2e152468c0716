//! A subscription against a gateway that breaks off wherever a script says: nothing is lost, repeated or reordered.

mod scripted;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::{ClientId, CommandId, SessionId};
use rejoin_native::client::{Attached, Client, CommandError, Error, Item, JoinFrom};
use rejoin_ports::clock::HandClock;
use scripted::{Connection, Cut, Fate, Scripted};

/// Every test ends, also when what it waits for does not come.
const PATIENCE: Duration = Duration::from_secs(120);

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

struct Story {
    gateway: Scripted,
    clock: HandClock,
    client: Client,
}

impl Story {
    async fn begin(events: usize, commands: usize, script: Vec<Connection>) -> Story {
        let gateway = Scripted::start(events, commands, script).await;
        let clock = HandClock::at(1_000);
        let client = Client::builder(&gateway.url)
            .key("rjn_secret")
            .client_id(ClientId::new("laptop").unwrap())
            .capabilities(["camera", "clipboard"])
            .control(true)
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        Story { gateway, clock, client }
    }

    /// The next item. A wait between two attempts passes at once.
    async fn next(&self, attached: &mut Attached) -> Option<Result<Item, Error>> {
        let item = tokio::time::timeout(PATIENCE, attached.next()).await.expect("the subscription says something");
        if let Some(Ok(Item::Reconnecting { wait, .. })) = &item {
            self.clock.advance(wait.as_millis() as u64);
        }
        item
    }

    /// Follows until the given position, and notes every event's number and every gap.
    async fn notes_until(&self, attached: &mut Attached, end: impl Fn() -> bool) -> Vec<Note> {
        let mut notes = Vec::new();
        while !end() || !self.is_at_tip(attached) {
            match self.next(attached).await.expect("it goes on").unwrap() {
                Item::Event(event) => {
                    let Event::Steered { text, .. } = &event.logged.event else { panic!("another event") };
                    let (epoch, seq) = (event.epoch.0, event.logged.seq.get());
                    notes.push(Note::Event(epoch, seq, text.clone()));
                }
                Item::Gap(view) | Item::Joined(view) => {
                    notes.push(Note::Snapshot(view.position.epoch.0, view.position.seq));
                }
                _ => {}
            }
        }
        notes
    }

    fn is_at_tip(&self, attached: &Attached) -> bool {
        let tip = self.gateway.with(|state| (state.epoch, state.tip()));
        attached.heard().is_some_and(|heard| (heard.epoch.map_or(0, |epoch| epoch.0), heard.seq) == tip)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Note {
    Event(u64, u64, String),
    Snapshot(u64, u64),
}

/// Every number once, in order, and only a snapshot jumps.
fn is_whole(notes: &[Note]) {
    let mut at = (0xa, 0);
    for note in notes {
        match note {
            Note::Event(epoch, seq, _) => {
                assert_eq!((*epoch, *seq), (at.0, at.1 + 1), "{notes:?}");
                at.1 += 1;
            }
            Note::Snapshot(epoch, seq) => {
                assert!(*epoch > at.0, "a gap without a reason: {notes:?}");
                at = (*epoch, *seq);
            }
        }
    }
}

fn steer(text: impl ToString) -> Command {
    Command::Steer { text: text.to_string() }
}

fn connections() -> impl Strategy<Value = Vec<Connection>> {
    let fate = prop_oneof![Just(Fate::Answered), Just(Fate::LostBefore), Just(Fate::LostAfter), Just(Fate::Postponed)];
    let cut = prop_oneof![Just(Cut::Dropped), Just(Cut::MidFrame), Just(Cut::Close(1012))];
    let status = prop_oneof![4 => Just(None), 1 => Just(Some(503))];
    let one = (status, prop::bool::weighted(0.1), 0..4u64, 0..9usize, 0..3usize, fate, cut);
    let one = one.prop_map(|(status, new_life, repeat, tell, take, fate, cut)| Connection {
        status,
        new_life,
        repeat,
        tell,
        take,
        fate,
        cut,
    });
    prop::collection::vec(one, 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_time: 20_000, ..ProptestConfig::default() })]

    /// However often and wherever the connection is lost, every event is heard once and in order, and every command is
    /// done once and in the order in which it was given.
    #[test]
    fn a_bad_line_neither_loses_nor_repeats_nor_reorders(
        events in 0..40usize,
        commands in 0..8usize,
        script in connections(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let story = Story::begin(events, commands, script).await;
            let mut attached = story.client.attach(&session(), JoinFrom::Start);
            let ids: Vec<_> = (0..commands).map(|n| format!("command-{n}")).collect();
            let sent: Vec<_> = ids
                .iter()
                .map(|id| attached.commands().send_as(CommandId::new(id).unwrap(), steer(id)))
                .collect();
            let answers = tokio::spawn(futures_util::future::join_all(sent));
            let gateway = story.gateway.clone();
            let all_done = || gateway.with(|state| state.done.len() == commands);
            let notes = story.notes_until(&mut attached, all_done).await;
            is_whole(&notes);
            let answers = async { answers.await.unwrap() };
            tokio::pin!(answers);
            // The last answer may still be on its way, behind another broken connection.
            let answers = loop {
                tokio::select! {
                    answers = &mut answers => break answers,
                    item = story.next(&mut attached) => { item.unwrap().unwrap(); }
                }
            };
            prop_assert_eq!(gateway.with(|state| state.done.clone()), ids.clone());
            for (id, answer) in ids.iter().zip(answers) {
                let done = answer.unwrap();
                prop_assert_eq!(done.id.as_str(), id.as_str());
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn who_joins_now_gets_the_session_and_only_what_follows() {
    let story = Story::begin(5, 1, vec![]).await;
    let mut attached = story.client.attach(&session(), JoinFrom::Now);
    let item = story.next(&mut attached).await.unwrap().unwrap();
    let Item::Joined(view) = item else { panic!("{item:?}") };
    assert_eq!(view.position.to_string(), "a.5");
    let sent = attached.send(steer("on"));
    let done = tokio::spawn(sent);
    let notes = story.notes_until(&mut attached, || story.gateway.with(|s| s.done.len() == 1)).await;
    assert!(matches!(&notes[..], [Note::Event(0xa, 6, _)]), "{notes:?}");
    assert_eq!(done.await.unwrap().unwrap().position.to_string(), "a.6");
    let query = story.gateway.with(|state| state.queries[0].clone());
    assert_eq!(query, "after=a.5");
}

#[tokio::test]
async fn of_an_empty_log_one_hears_where_it_is() {
    let story = Story::begin(0, 0, vec![]).await;
    let mut attached = story.client.attach(&session(), JoinFrom::Start);
    story.notes_until(&mut attached, || true).await;
    assert_eq!(attached.heard().map(|heard| (heard.epoch.map(|epoch| epoch.0), heard.seq)), Some((Some(0xa), 0)));
}

#[tokio::test]
async fn the_handshake_says_who_is_there_and_what_they_can_do() {
    let story = Story::begin(1, 0, vec![]).await;
    let mut attached = story.client.attach(&session(), JoinFrom::Start);
    story.notes_until(&mut attached, || true).await;
    let head = story.gateway.with(|state| state.heads[0].clone());
    for (name, value) in [
        ("authorization", "Bearer rjn_secret"),
        ("x-rejoin-client", "laptop"),
        ("x-rejoin-capabilities", "camera,clipboard"),
        ("x-rejoin-control", "1"),
    ] {
        let found = head.iter().find(|(known, _)| known == name);
        assert_eq!(found.map(|(_, value)| value.as_str()), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_revoked_key_ends_it_and_is_not_tried_again() {
    let script = vec![Connection { tell: 2, cut: Cut::Close(4401), ..Connection::default() }];
    let story = Story::begin(3, 0, script).await;
    let mut attached = story.client.attach(&session(), JoinFrom::Start);
    let error = last_error(&story, &mut attached).await;
    assert_eq!(error.problem().map(|problem| problem.status), Some(401));
    assert_eq!(story.gateway.with(|state| state.connections), 1);
}

#[tokio::test]
async fn an_unknown_key_ends_it_and_whoever_waits_is_told() {
    let script = vec![Connection { status: Some(401), ..Connection::default() }];
    let story = Story::begin(3, 1, script).await;
    let mut attached = story.client.attach(&session(), JoinFrom::Start);
    let sent = attached.send(steer("never"));
    let error = last_error(&story, &mut attached).await;
    assert_eq!(error.code(), Some("said_401"));
    let CommandError::Closed(Some(why)) = sent.await.unwrap_err() else { panic!("another error") };
    assert_eq!(why.code(), Some("said_401"));
    let late = attached.send(steer("too late")).await;
    assert!(matches!(late, Err(CommandError::Closed(_))), "{late:?}");
}

async fn last_error(story: &Story, attached: &mut Attached) -> Error {
    loop {
        match story.next(attached).await.expect("an error comes first") {
            Ok(_) => {}
            Err(error) => {
                assert!(story.next(attached).await.is_none(), "an error is the end");
                return error;
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_session_is_told_of_and_ends_it() {
    // Once the socket says so, and once nobody was there when it happened.
    let gone = Connection { status: Some(404), ..Connection::default() };
    let told = Connection { tell: 1, cut: Cut::Deleted, ..Connection::default() };
    for script in [vec![told], vec![Connection::default(), gone]] {
        let story = Story::begin(3, 0, script).await;
        let mut attached = story.client.attach(&session(), JoinFrom::Start);
        let mut last = None;
        while let Some(item) = story.next(&mut attached).await {
            last = Some(item.unwrap());
        }
        assert_eq!(last, Some(Item::Deleted));
    }
}

#[tokio::test]
async fn a_full_outbox_says_so_at_once() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let client = Client::builder(url).clock(Arc::new(HandClock::at(0))).build().unwrap();
    let attached = client.attach(&session(), JoinFrom::Start);
    let sent: Vec<_> = (0..200).map(|n| attached.send(steer(n))).collect();
    drop(attached);
    let mut full = 0;
    for answer in futures_util::future::join_all(sent).await {
        match answer {
            Err(CommandError::Full(128)) => full += 1,
            Err(CommandError::Closed(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(full, 200 - 128);
}

#[tokio::test]
async fn a_follower_who_reads_late_misses_nothing() {
    // Far more than the items that wait for a follower.
    let story = Story::begin(60_000, 0, vec![]).await;
    let mut attached = story.client.attach(&session(), JoinFrom::Start);
    let first = story.next(&mut attached).await.unwrap().unwrap();
    assert_eq!(first, Item::Connected);
    let notes = story.notes_until(&mut attached, || true).await;
    is_whole(&notes);
    assert_eq!(notes.len(), 60_000);
}

/// A panic of the encryption, for want of something it was not given, would end the subscription instead.
#[tokio::test]
async fn who_does_not_speak_tls_is_tried_again() {
    let plain = Scripted::start(1, 0, vec![]).await;
    let client =
        Client::builder(plain.url.replace("http:", "https:")).clock(Arc::new(HandClock::at(0))).build().unwrap();
    let mut attached = client.attach(&session(), JoinFrom::Start);
    let item = tokio::time::timeout(PATIENCE, attached.next()).await.unwrap();
    assert!(matches!(item, Some(Ok(Item::Reconnecting { attempt: 1, .. }))), "{item:?}");
}
