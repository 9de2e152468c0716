//! Sealed sessions: what end-to-end encrypted clients keep with us, in the order and the numbers that they rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::part::LONGEST_PART;
use rejoin_core::position::Heard;
use rejoin_core::refusal::Refusal;
use rejoin_core::register::{LONGEST_REGISTER, Register};
use rejoin_core::who::Role;
use rejoin_ports::gateway::{
    Blobs, Caller, Create, Delivery, Failure, FeedLine, Follow, JoinFrom, LARGEST_BLOB, LARGEST_SEALING,
    MOST_SEALED_AT_ONCE, Records, Scope, Sealed, SealedMark, SealedMessage, Sealing, Sessions,
};
use rejoin_ports::store::{Expect, FeedEntry, FeedItem, Owner, RecordWrite, StoreError};
use rejoin_store_sqlite::{Options, SqliteStore};
use rejoin_testkit::{Gateway, person, viewer};

fn sealing(content: &str, local: Option<&str>) -> Sealing {
    Sealing { content: content.to_owned(), local: local.map(str::to_owned) }
}

async fn seal(gateway: &Gateway, session: &SessionId, messages: &[(&str, Option<&str>)]) -> Vec<SealedMark> {
    let messages = messages.iter().map(|(content, local)| sealing(content, *local)).collect();
    gateway.engine.seal(&person("ann"), session, messages).await.expect("they are kept")
}

/// Messages without names, called by their numbers.
async fn seal_many(gateway: &Gateway, session: &SessionId, count: usize) {
    let texts: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    for some in texts.chunks(MOST_SEALED_AT_ONCE) {
        let all: Vec<_> = some.iter().map(|text| (text.as_str(), None)).collect();
        seal(gateway, session, &all).await;
    }
}

async fn set(gateway: &Gateway, session: &SessionId, name: &str, expected: u64, value: Option<&str>) {
    let command = Command::SetRegister { name: name.into(), expected, value: value.map(str::to_owned) };
    gateway.run(&person("ann"), session, command).await.expect("nobody else changes it");
}

async fn after(gateway: &Gateway, session: &SessionId, after: u64, most: usize) -> (Vec<SealedMessage>, bool) {
    let page = gateway.engine.sealed_after(&person("ann").identity, session, after, most).await.expect("a page");
    (page.messages, page.more)
}

async fn before(gateway: &Gateway, session: &SessionId, before: u64, most: usize) -> (Vec<SealedMessage>, bool) {
    let page = gateway.engine.sealed_before(&person("ann").identity, session, before, most).await.expect("a page");
    (page.messages, page.more)
}

fn numbers(messages: &[SealedMessage]) -> Vec<u64> {
    messages.iter().map(|message| message.number).collect()
}

fn marks(marks: &[SealedMark]) -> Vec<(u64, bool)> {
    marks.iter().map(|mark| (mark.number, mark.existed)).collect()
}

/// All messages, by pages of `most`.
async fn all(gateway: &Gateway, session: &SessionId, most: usize) -> Vec<SealedMessage> {
    let mut all: Vec<SealedMessage> = Vec::new();
    loop {
        let (messages, more) = after(gateway, session, all.last().map_or(0, |last| last.number), most).await;
        assert!(!messages.is_empty() || !more, "a page that gets nowhere");
        all.extend(messages);
        if !more {
            return all;
        }
    }
}

async fn feed(gateway: &Gateway, who: &Caller, scope: Scope) -> Vec<FeedLine> {
    let page = gateway.engine.feed(&who.identity, scope, Heard::NOTHING, 1_000).await.expect("the feed is there");
    page.0.expect("nothing is gone")
}

fn member(name: &str) -> Caller {
    let mut caller = person(name);
    caller.identity.role = Role::Member;
    caller
}

fn on_a_disk(folder: &tempfile::TempDir) -> Gateway {
    Gateway::start_over(SqliteStore::open(Options::new(folder.path())).expect("a store"))
}

async fn stop(gateway: Gateway) {
    gateway.engine.stop(Duration::ZERO, Default::default()).await;
    use rejoin_ports::store::Store;
    gateway.store.close().await.expect("it closes");
}

#[tokio::test]
async fn a_session_is_born_with_its_registers_and_one_line_in_the_feed() {
    let gateway = Gateway::start().await;
    let registers = BTreeMap::from([("metadata".to_owned(), Some("m".to_owned())), ("state".to_owned(), None)]);
    let wanted = Create { registers, ..Gateway::new_sealed(Some("tag")) };
    let created = gateway.engine.create(&person("ann"), wanted.clone()).await.unwrap();
    let standing = gateway.engine.standing(&person("ann").identity, &created.header.id).await.unwrap();
    let expected = BTreeMap::from([
        ("metadata".to_owned(), Register { version: 1, value: Some("m".into()) }),
        ("state".to_owned(), Register { version: 1, value: None }),
    ]);
    assert_eq!(standing.registers, expected);
    assert_eq!((standing.sealed, standing.position), (0, created.position));
    assert_eq!(standing.header, created.header);

    let again = BTreeMap::from([("metadata".to_owned(), Some("other".to_owned()))]);
    let again = gateway.engine.create(&person("ann"), Create { registers: again, ..wanted }).await.unwrap();
    assert!(again.existed && again.header.id == created.header.id);
    let standing = gateway.engine.standing(&person("ann").identity, &created.header.id).await.unwrap();
    assert_eq!(standing.registers, expected, "what was there is returned unchanged");
    let lines = feed(&gateway, &person("ann"), Scope::Own).await;
    assert_eq!(lines.iter().map(|line| line.change.as_str()).collect::<Vec<_>>(), ["created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_creates_with_one_tag_give_one_session() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on_a_disk(&folder);
    for round in 0..5 {
        let tag = format!("tag-{round}");
        let creates = (0..20).map(|n| {
            let registers = BTreeMap::from([("metadata".to_owned(), Some(n.to_string()))]);
            let (engine, tag) = (gateway.engine.clone(), tag.clone());
            tokio::spawn(async move {
                let create = Create { registers, ..Gateway::new_sealed(Some(&tag)) };
                engine.create(&person("ann"), create).await.expect("it is created or found")
            })
        });
        let created = futures_util::future::join_all(creates).await;
        let ids: BTreeSet<_> = created.iter().map(|made| made.as_ref().unwrap().header.id.clone()).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(created.iter().filter(|made| !made.as_ref().unwrap().existed).count(), 1);
    }
    stop(gateway).await;
}

#[tokio::test]
async fn a_local_name_is_taken_once_whatever_comes_under_it_again() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    let first = seal(&gateway, &session, &[("a", Some("x")), ("b", None), ("c", Some("y")), ("d", Some("x"))]).await;
    assert_eq!(marks(&first), [(1, false), (2, false), (3, false), (1, true)]);
    assert_eq!((&first[3].id, first[3].seq), (&first[0].id, first[0].seq));
    gateway.clock.advance(5_000);
    let again =
        seal(&gateway, &session, &[("new", Some("z")), ("else", Some("y")), ("a", Some("x")), ("e", None)]).await;
    assert_eq!(marks(&again), [(4, false), (3, true), (1, true), (5, false)]);
    for (mark, of) in [(&again[1], &first[2]), (&again[2], &first[0])] {
        assert_eq!(*mark, SealedMark { existed: true, ..of.clone() }, "its place and its time are those of the first");
    }
    let texts: Vec<String> = all(&gateway, &session, 2).await.into_iter().map(|message| message.content).collect();
    assert_eq!(texts, ["a", "b", "c", "new", "e"]);
    // Another session has its own names.
    let other = gateway.create_sealed().await;
    assert_eq!(marks(&seal(&gateway, &other, &[("a", Some("x"))]).await), [(1, false)]);
}

#[tokio::test]
async fn a_command_that_seals_shares_names_with_whoever_seals_many() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    let run = async |id: &str, content: &str, local: &str| {
        let command = Command::Seal { content: content.into(), local: Some(local.into()) };
        let id = CommandId::new(id).unwrap();
        gateway.engine.run(&person("ann"), &session, id, command).await
    };
    let first = run("c1", "a", "x").await.unwrap();
    assert_eq!(marks(&seal(&gateway, &session, &[("b", Some("x")), ("b", Some("y"))]).await), [(1, true), (2, false)]);
    run("c2", "c", "y").await.unwrap();
    assert_eq!(run("c1", "a", "x").await.unwrap(), first, "sent again, it gets the same answer");
    assert!(matches!(run("c1", "other", "x").await, Err(Failure::IdReused)));
    assert_eq!(all(&gateway, &session, 10).await.len(), 2);
}

#[tokio::test]
async fn many_who_seal_under_one_name_make_one_message() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    gateway.store.hold_writes(true);
    let mut sealers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (engine, session) = (gateway.engine.clone(), session.clone());
        sealers.spawn(async move {
            let own = format!("own-{n}");
            let messages = vec![sealing(&n.to_string(), Some("shared")), sealing("own", Some(&own))];
            engine.seal(&person("ann"), &session, messages).await.expect("kept")
        });
    }
    tokio::task::yield_now().await;
    gateway.store.hold_writes(false);
    let told = sealers.join_all().await;
    let shared: BTreeSet<_> = told.iter().map(|marks| (marks[0].number, marks[0].id.clone(), marks[0].at)).collect();
    assert_eq!(shared.len(), 1, "everybody is told of the same message");
    assert_eq!(told.iter().filter(|marks| !marks[0].existed).count(), 1);
    assert_eq!(all(&gateway, &session, 100).await.len(), 21);
}

#[tokio::test]
async fn a_name_that_was_used_in_another_life_of_the_process_is_not_used_again() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    let first = seal(&gateway, &session, &[("a", Some("x")), ("b", Some("y"))]).await;
    let gateway = gateway.restart().await;
    let again = seal(&gateway, &session, &[("other", Some("y")), ("c", Some("z")), ("a", Some("x"))]).await;
    assert_eq!(marks(&again), [(2, true), (3, false), (1, true)]);
    assert_eq!(again[0], SealedMark { existed: true, ..first[1].clone() });
    let gateway = gateway.crash().await;
    let last = seal(&gateway, &session, &[("other", Some("z")), ("other", Some("y")), ("d", None)]).await;
    assert_eq!(marks(&last), [(3, true), (2, true), (4, false)]);
    assert_eq!(last[0], SealedMark { existed: true, ..again[1].clone() });
}

#[tokio::test]
async fn names_are_known_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on_a_disk(&folder);
    let session = gateway.create_sealed().await;
    let texts: Vec<String> = (0..20_000).map(|n| format!("local-{n}")).collect();
    for some in texts.chunks(MOST_SEALED_AT_ONCE) {
        let all: Vec<_> = some.iter().map(|text| ("x", Some(text.as_str()))).collect();
        seal(&gateway, &session, &all).await;
    }
    for new in [20_001, 20_002] {
        let local = format!("new-{new}");
        let wanted = [("", Some("local-7")), ("", Some(&*local)), ("", Some("local-19999")), ("", Some("local-8"))];
        let told = seal(&gateway, &session, &wanted).await;
        assert_eq!(told.iter().map(|mark| mark.number).collect::<Vec<_>>(), [8, new, 20_000, 9]);
        stop(gateway).await;
        gateway = on_a_disk(&folder);
    }
    stop(gateway).await;
}

#[tokio::test]
async fn pages_end_exactly_where_the_messages_do() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    assert_eq!(after(&gateway, &session, 0, 5).await, (Vec::new(), false));
    assert_eq!(before(&gateway, &session, u64::MAX, 5).await, (Vec::new(), false));
    // Registers stand between messages, at their beginning and at their end.
    for version in 0..30 {
        set(&gateway, &session, "state", version, Some("s")).await;
        seal_many(&gateway, &session, version as usize % 4).await;
    }
    for version in 30..200 {
        set(&gateway, &session, "state", version, None).await;
    }
    let count = 43;
    for from in 0..=count + 2 {
        for most in [1, 2, 7, 42, 43, 44, 1_000] {
            let (messages, more) = after(&gateway, &session, from, most).await;
            let expected: Vec<u64> = (from + 1..=count).take(most).collect();
            assert_eq!((numbers(&messages), more), (expected.clone(), from + (expected.len() as u64) < count));
            let (messages, more) = before(&gateway, &session, from, most).await;
            let expected: Vec<u64> = (1..from.min(count + 1)).rev().take(most).collect();
            let lowest = expected.last().copied().unwrap_or(1);
            assert_eq!((numbers(&messages), more), (expected, lowest > 1), "{most} before {from}");
        }
    }
    let (messages, more) = before(&gateway, &session, u64::MAX, 3).await;
    assert_eq!((numbers(&messages), more), (vec![43, 42, 41], true));
}

#[tokio::test]
async fn messages_are_found_wherever_they_are_in_a_long_log() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on_a_disk(&folder);
    let session = gateway.create_sealed().await;
    seal_many(&gateway, &session, 1_500).await;
    for version in 0..400 {
        set(&gateway, &session, "state", version, Some(&"s".repeat(100))).await;
    }
    seal_many(&gateway, &session, 1_500).await;
    for from in (0..3_000).step_by(37).chain(1_490..1_510) {
        let (messages, more) = after(&gateway, &session, from, 3).await;
        assert_eq!((numbers(&messages), more), (vec![from + 1, from + 2, from + 3], from + 3 < 3_000));
        let (messages, more) = before(&gateway, &session, from + 4, 3).await;
        assert_eq!((numbers(&messages), more), (vec![from + 3, from + 2, from + 1], from > 0));
    }
    stop(gateway).await;
}

#[tokio::test]
async fn numbers_that_a_restore_left_out_are_no_trouble() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gateway = on_a_disk(&folder);
    let (session, quiet) = (gateway.create_sealed().await, gateway.create_sealed().await);
    seal_many(&gateway, &session, 50).await;
    seal_many(&gateway, &quiet, 3).await;
    use rejoin_ports::store::Store;
    gateway.store.backup(&kept.path().join("backup")).await.unwrap();
    stop(gateway).await;
    let fresh = tempfile::tempdir().unwrap();
    rejoin_store_sqlite::restore(&kept.path().join("backup"), fresh.path()).unwrap();
    let gateway = on_a_disk(&fresh);
    seal_many(&gateway, &session, 50).await;
    let messages = all(&gateway, &session, 7).await;
    assert_eq!(messages.len(), 100);
    assert!(messages.is_sorted_by_key(|message| message.number));
    let hole = messages[50].number;
    assert!(hole > 1_000, "numbers go on where none was ever given: {hole}");
    for from in [10, 49, 50, 51, hole - 2, hole - 1, hole, hole + 20] {
        let expected: Vec<u64> = numbers(&messages).into_iter().filter(|number| *number > from).take(4).collect();
        assert_eq!(numbers(&after(&gateway, &session, from, 4).await.0), expected, "after {from}");
        let expected: Vec<u64> = numbers(&messages).into_iter().rev().filter(|n| *n < from).take(4).collect();
        assert_eq!(numbers(&before(&gateway, &session, from, 4).await.0), expected, "before {from}");
    }
    // Nothing has come yet, but the next number is a high one already.
    set(&gateway, &quiet, "state", 0, None).await;
    let (messages, more) = after(&gateway, &quiet, 0, 3).await;
    assert_eq!((numbers(&messages), more), (vec![1, 2, 3], false));
    assert_eq!(after(&gateway, &quiet, 3, 3).await, (Vec::new(), false));
    stop(gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_what_ten_writers_write_once_and_in_order() {
    const WRITERS: usize = 10;
    const EACH: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let gateway = on_a_disk(&folder);
    let session = gateway.create_sealed().await;
    let write = |gateway: &Gateway, half: usize| {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (engine, session) = (gateway.engine.clone(), session.clone());
            writers.spawn(async move {
                let mut n = half * EACH / 2;
                while n < (half + 1) * EACH / 2 {
                    // Some send one by one, some by the handful, some twice.
                    let many = (1 + writer % 4).min((half + 1) * EACH / 2 - n);
                    let message = |n: usize| sealing(&format!("{writer}.{n}"), Some(&format!("{writer}.{n}")));
                    let messages: Vec<_> = (n..n + many).map(message).collect();
                    for _ in 0..1 + writer % 2 {
                        engine.seal(&person("ann"), &session, messages.clone()).await.expect("kept");
                    }
                    n += many;
                }
            });
        }
        writers
    };
    let read = async |gateway: &Gateway, seen: &mut Vec<SealedMessage>, upto: usize| {
        while seen.len() < upto {
            let (messages, _) = after(gateway, &session, seen.last().map_or(0, |last| last.number), 33).await;
            seen.extend(messages);
            tokio::task::yield_now().await;
        }
    };
    let mut seen = Vec::new();
    let writers = write(&gateway, 0);
    read(&gateway, &mut seen, WRITERS * EACH / 2).await;
    writers.join_all().await;
    stop(gateway).await;
    let gateway = on_a_disk(&folder);
    let writers = write(&gateway, 1);
    read(&gateway, &mut seen, WRITERS * EACH).await;
    writers.join_all().await;
    assert_eq!(numbers(&seen), (1..=(WRITERS * EACH) as u64).collect::<Vec<_>>());
    let texts: BTreeSet<&str> = seen.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(texts.len(), WRITERS * EACH);
    for writer in 0..WRITERS {
        let own = seen.iter().filter(|message| message.content.starts_with(&format!("{writer}.")));
        let order: Vec<usize> = own.map(|message| message.content[2..].parse().unwrap()).collect();
        assert!(order.is_sorted(), "in the order in which it was sent");
    }
    stop(gateway).await;
}

#[tokio::test]
async fn messages_that_were_sent_together_are_kept_together_or_not_at_all() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    let mut reader = gateway.engine.join(&person("ann").identity, &session, JoinFrom::Now).await.unwrap().reader;
    // Each request is more than an append takes otherwise, and they wait for the same one.
    let large = "x".repeat(10 << 10);
    gateway.store.hold_writes(true);
    let mut sealers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (engine, session, large) = (gateway.engine.clone(), session.clone(), large.clone());
        sealers.spawn(async move {
            let messages = (0..30).map(|_| sealing(&large, None)).collect();
            engine.seal(&person("ann"), &session, messages).await.expect("kept")
        });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gateway.store.hold_writes(false);
    for marks in sealers.join_all().await {
        assert!(marks.windows(2).all(|pair| pair[1].number == pair[0].number + 1), "numbered without a hole");
    }
    let mut kept = 0;
    while kept < 90 {
        if let Delivery::Events { batch, first } = reader.next().await.unwrap() {
            assert_eq!((batch.len() % 30, first), (0, 0), "{batch:?}");
            kept += batch.len();
        }
    }
}

#[tokio::test]
async fn large_messages_pass_and_come_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on_a_disk(&folder);
    let session = gateway.create_sealed().await;
    let texts: Vec<String> = [0, 1, 2, 3, 4, 5 << 20, (5 << 20) + 1, LONGEST_PART]
        .into_iter()
        .map(|length| "Az09+/=".chars().cycle().take(length).collect())
        .collect();
    for text in &texts {
        seal(&gateway, &session, &[(text, None)]).await;
    }
    let together: Vec<_> =
        texts[..7].iter().map(|text| (text.as_str(), Some(text.get(..9).unwrap_or("short")))).collect();
    let told = seal(&gateway, &session, &together[5..]).await;
    assert_eq!(marks(&told), [(9, false), (9, true)], "their names begin alike");
    let messages = all(&gateway, &session, 100).await;
    assert!(messages[..8].iter().zip(&texts).all(|(message, text)| message.content == *text));
    let (messages, more) = after(&gateway, &session, 5, 100).await;
    assert_eq!((numbers(&messages), more), (vec![6], true), "a page has bounds, but one message is in it");
    let (messages, more) = before(&gateway, &session, 6, 100).await;
    assert_eq!((messages.len(), more), (5, false));
    stop(gateway).await;
}

#[tokio::test]
async fn whoever_may_not_seal_is_told_why() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    let shared = Create { private: false, ..Gateway::new_sealed(None) };
    let shared = gateway.engine.create(&person("ann"), shared).await.unwrap().header.id;
    let hosted = gateway.create("echo").await;
    let try_to = async |who: &Caller, session: &SessionId, messages: Vec<Sealing>| {
        gateway.engine.seal(who, session, messages).await.map(|marks| marks.len())
    };
    let one = || vec![sealing("x", None)];
    let ann = person("ann");
    let refused = |refusal: Refusal, tried: Result<usize, Failure>| match tried {
        Err(Failure::Refused(why)) => assert_eq!(why, refusal),
        other => panic!("{other:?}"),
    };
    refused(Refusal::NotSealed, try_to(&ann, &hosted, one()).await);
    refused(Refusal::Forbidden, try_to(&viewer("bob"), &shared, one()).await);
    refused(Refusal::Forbidden, try_to(&viewer("bob"), &shared, Vec::new()).await);
    refused(Refusal::TooLong, try_to(&ann, &session, vec![sealing("x", None); MOST_SEALED_AT_ONCE + 1]).await);
    refused(Refusal::TooLong, try_to(&ann, &session, vec![sealing(&"x".repeat(LONGEST_PART + 1), None)]).await);
    let most = "x".repeat(LARGEST_SEALING / 4 + 1);
    refused(Refusal::TooLong, try_to(&ann, &session, vec![sealing(&most, None); 4]).await);
    refused(Refusal::Empty, try_to(&ann, &session, vec![sealing("x", None), sealing("x", Some(""))]).await);
    refused(Refusal::TooLong, try_to(&ann, &session, vec![sealing("x", Some(&"l".repeat(300)))]).await);
    assert!(matches!(try_to(&person("bob"), &session, one()).await, Err(Failure::NotFound(_))), "it is Ann's own");
    let nowhere = SessionId::new("nowhere").unwrap();
    assert!(matches!(try_to(&ann, &nowhere, one()).await, Err(Failure::NotFound(_))));
    assert_eq!(try_to(&ann, &session, Vec::new()).await.unwrap(), 0);
    assert_eq!(try_to(&member("bob"), &shared, one()).await.unwrap(), 1);

    let bob = person("bob").identity;
    assert!(matches!(gateway.engine.standing(&bob, &session).await, Err(Failure::NotFound(_))));
    gateway.engine.standing(&ann.identity, &session).await.unwrap();
    assert!(
        matches!(gateway.engine.standing(&bob, &session).await, Err(Failure::NotFound(_))),
        "also when it is known"
    );
    assert!(matches!(gateway.engine.sealed_after(&bob, &session, 0, 1).await, Err(Failure::NotFound(_))));
    let hosted = gateway.engine.sealed_before(&ann.identity, &hosted, 1, 1).await;
    assert!(matches!(hosted, Err(Failure::Refused(Refusal::NotSealed))));
    assert_eq!(gateway.engine.standing(&ann.identity, &session).await.unwrap().sealed, 0, "nothing of it was kept");
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_and_tells_everybody() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    seal(&gateway, &session, &[("a", Some("x"))]).await;
    gateway.store.fail_writes(Some(StoreError::Full { doing: "committing" }));
    let failed = gateway.engine.seal(&person("ann"), &session, vec![sealing("b", Some("y"))]).await;
    assert!(matches!(failed, Err(Failure::Store(StoreError::Full { .. }))), "{failed:?}");
    gateway.store.fail_writes(None);
    let told = seal(&gateway, &session, &[("b", Some("y")), ("a", Some("x"))]).await;
    assert_eq!(marks(&told), [(2, false), (1, true)]);
}

#[tokio::test]
async fn two_who_change_a_register_both_get_on() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    set(&gateway, &session, "metadata", 0, Some("0")).await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (engine, session) = (gateway.engine.clone(), session.clone());
        writers.spawn(async move {
            let (mut version, mut value) = (1, "0".to_owned());
            for _ in 0..100 {
                loop {
                    let next = (value.parse::<u64>().unwrap() + 1).to_string();
                    let command =
                        Command::SetRegister { name: "metadata".into(), expected: version, value: Some(next.clone()) };
                    match engine.run(&person("ann"), &session, CommandId::from(uuid()), command).await {
                        Ok(_) => {
                            (version, value) = (version + 1, next);
                            break;
                        }
                        Err(Failure::Refused(Refusal::VersionMismatch { version: now, value: fresh })) => {
                            assert!(now > version, "it is fresh");
                            (version, value) = (now, fresh.expect("it has a value"));
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let standing = gateway.engine.standing(&person("ann").identity, &session).await.unwrap();
    assert_eq!(standing.registers["metadata"], Register { version: 201, value: Some("200".into()) });
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

#[tokio::test]
async fn large_registers_and_empty_ones_are_there_in_the_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on_a_disk(&folder);
    let large = "v".repeat(LONGEST_REGISTER);
    let registers = BTreeMap::from([("a".to_owned(), Some(large.clone())), ("b".to_owned(), Some("x".to_owned()))]);
    let create = Create { registers, ..Gateway::new_sealed(None) };
    let session = gateway.engine.create(&person("ann"), create).await.unwrap().header.id;
    set(&gateway, &session, "b", 1, None).await;
    seal_many(&gateway, &session, 300).await;
    let before = gateway.engine.standing(&person("ann").identity, &session).await.unwrap();
    stop(gateway).await;
    let gateway = on_a_disk(&folder);
    let standing = gateway.engine.standing(&person("ann").identity, &session).await.unwrap();
    assert_eq!(standing, before);
    assert_eq!(standing.registers["a"], Register { version: 1, value: Some(large) });
    assert_eq!(standing.registers["b"], Register { version: 2, value: None });
    assert_eq!(standing.sealed, 300);
    stop(gateway).await;
}

#[tokio::test]
async fn how_a_session_stands_is_current_whoever_lives() {
    let gateway = Gateway::forgetful().await;
    let session = gateway.create_sealed().await;
    for round in 0..20_u64 {
        seal_many(&gateway, &session, 3).await;
        let standing = gateway.engine.standing(&person("ann").identity, &session).await.unwrap();
        assert_eq!(standing.sealed, 3 * (round + 1));
        assert_eq!(standing.header, gateway.engine.header(&person("ann").identity, &session).await.unwrap().0);
        if round == 10 {
            for _ in 0..300 {
                let other = gateway.create_sealed().await; // so many that some are forgotten
                assert_eq!(gateway.engine.standing(&person("ann").identity, &other).await.unwrap().sealed, 0);
            }
        }
    }
}

#[tokio::test]
async fn whoever_joins_a_sealed_session_is_shown_no_transcript_and_hears_its_messages() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    seal_many(&gateway, &session, 10).await;
    let mut ann = gateway.listen_from(&session, JoinFrom::Now).await;
    let view = ann.view.clone().expect("asked for");
    assert_eq!((view.recent.len(), view.more), (0, false));
    seal(&gateway, &session, &[("news", Some("x"))]).await;
    let heard = ann
        .until(|event| match event {
            Event::SealedAdded { number, local, content, .. } => Some((*number, local.clone(), content.clone())),
            _ => None,
        })
        .await;
    assert_eq!(heard, (11, Some("x".into()), "news".into()));
    assert_eq!(gateway.engine.figures().agents, 0);
}

#[tokio::test]
async fn blobs_are_a_sessions_own_and_go_with_it() {
    let gateway = Gateway::start().await;
    let session = gateway.create_sealed().await;
    let other = gateway.create_sealed().await;
    let (ann, bob) = (person("ann"), person("bob"));
    let engine = &gateway.engine;
    let bytes = Bytes::from(vec![7; (10 << 20) + 40]);
    engine.put(&ann, &session, "picture", bytes.clone()).await.unwrap();
    assert_eq!(Blobs::get(engine, &ann.identity, &session, "picture").await.unwrap(), Some(bytes));
    assert_eq!(Blobs::get(engine, &ann.identity, &session, "none").await.unwrap(), None);
    assert_eq!(Blobs::get(engine, &ann.identity, &other, "picture").await.unwrap(), None);
    assert!(matches!(Blobs::get(engine, &bob.identity, &session, "picture").await, Err(Failure::NotFound(_))));
    assert!(matches!(engine.put(&bob, &session, "x", Bytes::new()).await, Err(Failure::NotFound(_))));
    engine.put(&ann, &session, "picture", Bytes::from_static(b"another")).await.unwrap();
    let found = Blobs::get(engine, &ann.identity, &session, "picture").await.unwrap();
    assert_eq!(found, Some(Bytes::from_static(b"another")));
    for (name, bytes) in [("", Bytes::new()), (&"n".repeat(300), Bytes::new()), ("n", vec![0; LARGEST_BLOB + 1].into())]
    {
        let refused = engine.put(&ann, &session, name, bytes).await;
        assert!(matches!(refused, Err(Failure::Refused(Refusal::TooLong))), "{refused:?}");
    }
    let mut viewer = viewer("ann");
    viewer.identity.user = ann.identity.user.clone();
    assert!(matches!(
        engine.put(&viewer, &session, "x", Bytes::new()).await,
        Err(Failure::Refused(Refusal::Forbidden))
    ));
    engine.put(&ann, &session, "x", Bytes::new()).await.unwrap();
    assert!(engine.remove(&ann, &session, "x").await.unwrap());
    assert!(!engine.remove(&ann, &session, "x").await.unwrap());
    engine.delete(&ann, &session).await.unwrap();
    assert!(matches!(Blobs::get(engine, &ann.identity, &session, "picture").await, Err(Failure::NotFound(_))));
}

#[tokio::test]
async fn what_is_private_its_own_user_deletes_and_its_tag_is_free_again() {
    let gateway = Gateway::start().await;
    let (ann, bob) = (member("ann"), member("bob"));
    let create = || Gateway::new_sealed(Some("tag"));
    let first = gateway.engine.create(&ann, create()).await.unwrap().header.id;
    seal(&gateway, &first, &[("a", Some("x"))]).await;
    assert_eq!(all(&gateway, &first, 10).await.len(), 1);
    assert!(matches!(gateway.engine.delete(&bob, &first).await, Err(Failure::NotFound(_))));
    let shared = Create { private: false, ..Gateway::new_sealed(None) };
    let shared = gateway.engine.create(&ann, shared).await.unwrap().header.id;
    assert!(matches!(gateway.engine.delete(&ann, &shared).await, Err(Failure::Refused(Refusal::Forbidden))));
    gateway.engine.delete(&ann, &first).await.unwrap();
    assert!(matches!(gateway.engine.standing(&ann.identity, &first).await, Err(Failure::NotFound(_))));
    let again = gateway.engine.create(&ann, Create { id: Some(first.clone()), ..create() }).await.unwrap();
    assert!(!again.existed);
    assert_eq!(all(&gateway, &first, 10).await, [], "of the one before nothing is left");
    let told = seal(&gateway, &first, &[("b", Some("x")), ("c", None)]).await;
    assert_eq!(marks(&told), [(1, false), (2, false)]);
    assert_eq!(numbers(&all(&gateway, &first, 1).await), [1, 2]);
}

#[tokio::test]
async fn private_things_stand_in_the_feed_of_their_user_alone_and_in_their_order() {
    let gateway = Gateway::start().await;
    let (ann, bob) = (person("ann"), person("bob"));
    let session = gateway.create_sealed().await;
    let tenant_before = feed(&gateway, &ann, Scope::Tenant).await.len();
    let waiting = {
        let (engine, ann) = (gateway.engine.clone(), ann.clone());
        tokio::spawn(async move { engine.fed(&ann.identity, Scope::Own, 1).await })
    };
    seal(&gateway, &session, &[("a", None), ("b", None)]).await;
    waiting.await.unwrap().unwrap();
    set(&gateway, &session, "state", 0, Some("x")).await;
    seal(&gateway, &session, &[("c", None)]).await;
    let lines = feed(&gateway, &ann, Scope::Own).await;
    let told: Vec<_> = lines.iter().map(|line| (line.seq, line.change.as_str(), line.session_seq)).collect();
    let expected = [(1, "created", 1), (2, "sealed", 2), (3, "sealed", 3), (4, "register", 4), (5, "sealed", 5)];
    assert_eq!(told, expected.map(|(seq, change, at)| (seq, change, Some(at))));
    assert_eq!(feed(&gateway, &ann, Scope::Tenant).await.len(), tenant_before);
    assert_eq!(feed(&gateway, &bob, Scope::Own).await, []);
}

#[tokio::test]
async fn a_batch_of_records_says_itself_what_stands_in_the_feed() {
    let gateway = Gateway::start().await;
    let ann = person("ann").identity;
    let owner = Owner::User(ann.tenant.clone(), ann.user.clone());
    let write = |n: usize, expect: Expect| RecordWrite {
        owner: owner.clone(),
        kind: "note".into(),
        key: n.to_string(),
        expect,
        value: Some(Bytes::from_static(b"v")),
        at: 7,
    };
    let line = |key: String| {
        let what = FeedItem::Record { kind: "notes".into(), key, version: 0 };
        FeedEntry { owner: owner.clone(), what, at: 7 }
    };
    let batch = || (0..100).map(|n| write(n, Expect::Absent)).collect::<Vec<_>>();
    let long: String = "k".repeat(60 << 10);
    let versions = gateway.engine.write_as(batch(), vec![line(long.clone())]).await.unwrap();
    assert_eq!(versions, [1; 100]);
    assert!(matches!(gateway.engine.write_as(batch(), vec![line("no".into())]).await, Err(Failure::Conflict { .. })));
    gateway.engine.write_as(vec![write(0, Expect::Version(1))], Vec::new()).await.unwrap();
    gateway.engine.write(vec![write(0, Expect::Version(2)), write(1, Expect::Version(1))]).await.unwrap();
    let too_long = gateway.engine.write_as(Vec::new(), vec![line("k".repeat(64 << 10))]).await;
    assert!(matches!(too_long, Err(Failure::Invalid { field: "feed", .. })), "{too_long:?}");
    let lines = feed(&gateway, &person("ann"), Scope::Own).await;
    let keys: Vec<_> = lines.iter().map(|line| line.key.clone().unwrap()).collect();
    assert_eq!(keys, [long, "0".into(), "1".into()]);
}

#[tokio::test]
async fn sealing_goes_on_while_a_crowd_reads() {
    let gateway = Arc::new(Gateway::start().await);
    let session = gateway.create_sealed().await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (gateway, session) = (gateway.clone(), session.clone());
        readers.spawn(async move {
            let mut reader = gateway.listen(&session).await;
            reader.until(|event| matches!(event, Event::SealedAdded { number: 3_000, .. }).then_some(())).await;
            reader.check_numbers();
        });
    }
    seal_many(&gateway, &session, 3_000).await;
    readers.join_all().await;
}
