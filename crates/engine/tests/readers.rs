//! Readers: exact joins, slow ones, those that come back.

use rejoin_core::event::Event;
use rejoin_core::position::{Epoch, Position};
use rejoin_core::session::Session;
use rejoin_core::turn::Outcome;
use rejoin_ports::gateway::{JoinFrom, Sessions};
use rejoin_testkit::{Gateway, Heard, person};

/// What a turn's text is for somebody who joins with a snapshot and hears the rest.
#[tokio::test]
async fn snapshot_and_tail_meet_without_a_hole_in_the_middle_of_a_word() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut whole = gateway.listen(&session).await;
    gateway.prompt(&session, "!stream 300 1\n").await;
    let mut joined = Vec::new();
    for _ in 0..20 {
        whole.until(|event| matches!(event, Event::PartDelta { .. } | Event::TurnEnded { .. }).then_some(())).await;
        joined.push(gateway.listen_from(&session, JoinFrom::Now).await);
    }
    let mut full = gateway.listen(&session).await;
    full.turns(1).await;
    for mut listener in joined {
        let view = listener.view.clone().expect("asked for");
        let seen = view
            .open_turn
            .as_ref()
            .and_then(|turn| turn.parts.last())
            .and_then(|part| part.body.text().map(str::to_owned));
        let done = view
            .recent
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| part.body.text())
            .next_back()
            .map(str::to_owned);
        if view.open_turn.is_some() {
            listener.turns(1).await;
            assert_eq!(seen.unwrap_or_default() + &listener.text(), full.text());
        } else {
            assert_eq!(done.as_deref(), Some(full.text().as_str()));
        }
        listener.check_numbers();
        let behind = full.notes.iter().skip_while(|logged| logged.seq.get() <= view.position.seq);
        assert!(listener.notes.iter().eq(behind.take(listener.notes.len())));
    }
}

#[tokio::test]
async fn a_reader_that_did_not_read_hears_everything_from_the_log() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut slow = gateway.listen(&session).await;
    let mut quick = gateway.listen(&session).await;
    gateway.prompt(&session, "!flood 20000 300\n").await;
    assert_eq!(quick.turns(1).await, Outcome::Completed);
    assert_eq!(slow.turns(1).await, Outcome::Completed);
    assert!(gateway.engine.figures().ring_misses > 0, "it fell out of the ring");
    assert_eq!(slow.notes, quick.notes);
    slow.check_numbers();
    let results = slow.notes.iter().filter(|logged| matches!(logged.event, Event::PartCompleted { .. })).count();
    assert_eq!(results, 20_000);
}

#[tokio::test]
async fn a_reader_that_comes_back_anywhere_hears_each_event_once() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut whole = gateway.listen(&session).await;
    gateway.prompt(&session, "one\n!think two\n!tool look {\"at\": 1} => three\nfour\n").await;
    whole.turns(1).await;
    for (index, logged) in whole.notes.clone().iter().enumerate() {
        let position = Position { epoch: rejoin_ports::store::Store::epoch(&*gateway.store), seq: logged.seq.get() };
        let mut back = gateway.listen_from(&session, JoinFrom::After(position.into())).await;
        while back.notes.len() + index + 1 < whole.notes.len() {
            back.next().await;
        }
        assert_eq!(back.notes[..], whole.notes[index + 1..]);
    }
}

#[tokio::test]
async fn a_reader_from_another_life_is_told_and_handed_a_snapshot() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "hello").await;
    ann.turns(1).await;
    let strange = Position { epoch: Epoch(1), seq: 2 };
    let mut back = gateway.listen_from(&session, JoinFrom::After(strange.into())).await;
    let Heard::Gap(view) = back.next().await else { panic!("it was not told") };
    assert_eq!(view.recent.len(), 2);
    gateway.prompt(&session, "again").await;
    back.turns(1).await;
    assert_eq!(back.text(), "again");
}

#[tokio::test]
async fn whoever_is_attached_is_told_of_a_deletion() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "hello").await;
    ann.turns(1).await;
    gateway.engine.delete(&person("ann"), &session).await.unwrap();
    loop {
        match ann.next().await {
            Heard::Deleted => break,
            Heard::Event(_) | Heard::CaughtUp => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(gateway.engine.view(&person("ann").identity, &session).await.is_err());
}

#[tokio::test]
async fn replaying_the_log_gives_the_session_as_it_is_shown() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "text\n!plan a | b\n!usage 10 20 0.5\n!title Renamed\n!ask confirm go on?\n").await;
    ann.ask().await;
    let view = gateway.view(&session).await;
    let replayed = Session::replay(&ann.notes).unwrap();
    assert_eq!(replayed.header, view.session);
    assert_eq!(replayed.turn, view.open_turn);
    assert_eq!(view.session.title.as_deref(), Some("Renamed"));
    assert_eq!(view.session.usage.cost_micros, Some(500_000));
}

#[tokio::test]
async fn old_deltas_fade_and_a_reader_from_among_them_gets_exactly_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let store = rejoin_store_sqlite::SqliteStore::open(rejoin_store_sqlite::Options::new(folder.path())).unwrap();
    let gateway = Gateway::forgetful_over(store);
    let session = gateway.create("script").await;
    let mut whole = gateway.listen(&session).await;
    gateway.prompt(&session, "!stream 40 1\n").await;
    whole.turns(1).await;
    let (text, notes) = (whole.text(), whole.notes.clone());
    drop(whole);
    while gateway.engine.figures().sessions > 0 {
        tokio::task::yield_now().await;
    }
    gateway.clock.advance(61_000);
    let deltas = |notes: &[rejoin_core::event::Logged]| {
        notes.iter().filter(|logged| matches!(logged.event, Event::PartDelta { .. })).count()
    };
    assert!(deltas(&notes) > 2, "there is something to fade");
    loop {
        let mut back = gateway.listen(&session).await;
        back.turns(1).await;
        assert_eq!(back.text(), text);
        if deltas(&back.notes) == 1 {
            break;
        }
        drop(back); // while somebody reads, nothing fades; it is tried again later
        gateway.clock.advance(61_000);
        // Upkeep takes its turn while nobody reads.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (index, logged) in notes.iter().enumerate().take(notes.len() - 1) {
        let heard: String = notes[..=index]
            .iter()
            .filter_map(|logged| match &logged.event {
                Event::PartDelta { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let position = Position { epoch: rejoin_ports::store::Store::epoch(&*gateway.store), seq: logged.seq.get() };
        let mut back = gateway.listen_from(&session, JoinFrom::After(position.into())).await;
        back.turns(1).await;
        assert_eq!(heard + &back.text(), text, "from {}", logged.seq);
    }
}
