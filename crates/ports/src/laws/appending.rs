//! Commits: all or nothing, in order, by one owner, each command once.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rejoin_core::id::{CommandId, MessageId, SessionId};

use super::Home;
use super::making::*;
use crate::store::{Append, Claim, CommitError, Expect, FeedEntry, Owner, Store, Watcher, Work, receipt_name};

pub(super) async fn what_was_committed_is_read_back_in_its_order(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    say(&*store, &id, 1, vec![renamed("a"), delta("p", "x\n\"ü\" \\")]).await;
    say(&*store, &id, 3, vec![renamed("b")]).await;
    let all = read_all(&*store, &id, 0, 100).await;
    let mut expected = vec![created(&header(&id))];
    expected.extend([renamed("a"), delta("p", "x\n\"ü\" \\"), renamed("b")]);
    assert_eq!(all, logged(None, expected));
    assert_eq!(read_all(&*store, &id, 2, 100).await, all[2..]);
    assert_eq!(read_all(&*store, &id, 4, 100).await, []);
    assert_eq!(read_all(&*store, &session("other"), 0, 100).await, []);

    let stored = store.stored(&id).await.unwrap().expect("it is there");
    assert_eq!(stored.row.tip, Some(seq(4)));
    assert_eq!((stored.term, stored.stale, stored.lifted, stored.lift), (1, false, None, 0));
    assert_eq!(store.stored(&session("other")).await.unwrap(), None);
}

/// A Work with something of everything, of which one thing does not fit.
fn spoilt(store: &dyn Store, id: &SessionId, spoil: impl Fn(&mut Work)) -> Work {
    let mut append = append(store, id, Some(1), vec![renamed("a")]);
    append.receipts.push(receipt("c", 2));
    append.places.push((MessageId::new("m").expect("a plain name"), seq(2), seq(2)));
    let mut work = Work {
        stream: Some(append),
        records: vec![record("own", Expect::Absent, Some("1"))],
        tallies: vec![tally("counted", 7)],
        claims: vec![claim("tag", id)],
        blobs: vec![naming(id, "picture", Some("0f"))],
        feed: vec![news(Owner::Tenant(tenant()), id, 2)],
    };
    spoil(&mut work);
    work
}

fn claim(key: &str, id: &SessionId) -> Claim {
    Claim { space: "tag", key: key.to_owned(), holder: id.to_string() }
}

async fn assert_nothing_kept(store: &dyn Store, id: &SessionId) {
    let owner = Owner::Tenant(tenant());
    assert_eq!(read_all(store, id, 1, 10).await, []);
    assert_eq!(store.record(&owner, "note", "own").await.unwrap(), None);
    assert_eq!(store.record(&owner, "count", "counted").await.unwrap(), None);
    assert_eq!(store.claimed("tag", "tag").await.unwrap(), None);
    assert_eq!(store.feed(&owner, 0, 10).await.unwrap().newest, 0);
    assert_eq!(store.named(id, "picture").await.unwrap(), None);
    let done = receipt("c", 2);
    assert_eq!(store.receipt(id, &done.user, &done.command).await.unwrap(), None);
    let message = MessageId::new("m").expect("a plain name");
    assert_eq!(store.place(id, &message).await.unwrap(), None);
}

pub(super) async fn a_work_is_kept_whole_or_not_at_all(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let other = create(&*store, "other").await;
    let held = Work { claims: vec![claim("held", &other)], ..Work::default() };
    store.commit(held).await.unwrap();

    let stale = spoilt(&*store, &id, |work| {
        work.stream.as_mut().expect("it has one").term = 2;
    });
    assert!(matches!(store.commit(stale).await, Err(CommitError::Conflict { .. })));
    assert_nothing_kept(&*store, &id).await;

    let claimed = spoilt(&*store, &id, |work| work.claims.push(claim("held", &id)));
    assert!(matches!(store.commit(claimed).await, Err(CommitError::Claimed { .. })));
    assert_nothing_kept(&*store, &id).await;

    let unexpected = spoilt(&*store, &id, |work| {
        work.records.push(record("not there", Expect::Version(1), Some("2")));
    });
    assert!(matches!(store.commit(unexpected).await, Err(CommitError::Record { .. })));
    assert_nothing_kept(&*store, &id).await;

    store.commit(spoilt(&*store, &id, |_| {})).await.unwrap();
    assert_eq!(read_all(&*store, &id, 1, 10).await.len(), 1);
    assert_eq!(store.claimed("tag", "tag").await.unwrap(), Some("s".to_owned()));
    let counted = store.record(&Owner::Tenant(tenant()), "count", "counted").await.unwrap().expect("it was counted");
    assert_eq!(counted.value.as_deref(), Some(&b"7"[..]));
}

pub(super) async fn a_refused_work_does_not_harm_its_neighbours(home: &dyn Home) {
    let store = home.open().await;
    let mut ids = Vec::new();
    for number in 0..64 {
        ids.push(create(&*store, &format!("s{number}")).await);
    }
    // All at once, so that a store that merges commits has every reason to.
    let commits = ids.iter().enumerate().map(|(number, id)| {
        let mut append = append(&*store, id, Some(1), vec![renamed("a")]);
        if number % 2 == 1 {
            append.term = 9;
        }
        store.commit(work(append))
    });
    let outcomes = futures_util::future::join_all(commits).await;
    for (number, (id, outcome)) in ids.iter().zip(outcomes).enumerate() {
        let fits = number % 2 == 0;
        assert_eq!(outcome.is_ok(), fits, "{id}: {outcome:?}");
        assert_eq!(read_all(&*store, id, 1, 10).await.len(), usize::from(fits));
    }
}

pub(super) async fn a_stale_writer_is_turned_away(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    say(&*store, &id, 1, vec![renamed("the new owner was here")]).await;
    let stale = append(&*store, &id, Some(1), vec![renamed("the old owner wakes up")]);
    let refused = store.commit(work(stale)).await;
    let expected = seq(2);
    assert!(
        matches!(refused, Err(CommitError::Conflict { tip: Some(tip), term: 1 }) if tip == expected),
        "{refused:?}"
    );
    assert_eq!(read_all(&*store, &id, 0, 10).await.len(), 2);
}

pub(super) async fn whoever_takes_a_session_over_turns_away_the_owner_before(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let taken = store.take(&id).await.unwrap().expect("it is there");
    assert_eq!((taken.term, taken.row.tip), (2, Some(seq(1))));
    let of_before = append(&*store, &id, Some(1), vec![renamed("a")]);
    let refused = store.commit(work(of_before.clone())).await;
    assert!(matches!(refused, Err(CommitError::Conflict { term: 2, .. })), "{refused:?}");
    let mut of_now = of_before;
    of_now.term = 2;
    store.commit(work(of_now)).await.unwrap();
    assert_eq!(store.take(&id).await.unwrap().map(|stored| stored.term), Some(3));
    assert_eq!(store.stored(&id).await.unwrap().map(|stored| stored.term), Some(3));
    assert_eq!(store.take(&session("other")).await.unwrap(), None);
}

pub(super) async fn a_session_is_created_once(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let again = append(&*store, &id, None, vec![created(&header(&id))]);
    let refused = store.commit(work(again)).await;
    assert!(matches!(refused, Err(CommitError::Exists)), "{refused:?}");
    let empty = append(&*store, &session("empty"), None, Vec::new());
    assert!(store.commit(work(empty)).await.is_err(), "a log begins with an event");
    assert_eq!(store.stored(&session("empty")).await.unwrap(), None);
}

pub(super) async fn what_is_not_there_cannot_be_appended_to(home: &dyn Home) {
    let store = home.open().await;
    let nowhere = append(&*store, &session("s"), Some(1), vec![renamed("a")]);
    let refused = store.commit(work(nowhere)).await;
    assert!(matches!(refused, Err(CommitError::Gone)), "{refused:?}");
}

pub(super) async fn numbers_have_no_hole(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let mut late = append(&*store, &id, Some(2), vec![renamed("a")]);
    late.after = Some(seq(1));
    let refused = store.commit(work(late)).await;
    assert!(matches!(refused, Err(CommitError::Conflict { .. })), "{refused:?}");
    for number in 1..20 {
        say(&*store, &id, number, vec![renamed("a")]).await;
    }
    let numbers: Vec<_> = read_all(&*store, &id, 0, 3).await.iter().map(|event| event.seq.get()).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}

pub(super) async fn a_command_is_done_once(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let other = create(&*store, "other").await;
    let with = |id: &SessionId, after, receipts| {
        let mut append = append(&*store, id, Some(after), vec![renamed("a")]);
        append.receipts = receipts;
        work(append)
    };
    store.commit(with(&id, 1, vec![receipt("c", 2)])).await.unwrap();
    let kept = store.receipt(&id, &user("ann"), &receipt("c", 2).command).await.unwrap();
    assert_eq!(kept, Some(receipt("c", 2)));

    let again = store.commit(with(&id, 2, vec![receipt("new", 3), receipt("c", 3)])).await;
    let expected = CommandId::new("c").expect("a plain name");
    assert!(matches!(&again, Err(CommitError::Repeated { command, .. }) if *command == expected), "{again:?}");
    assert_eq!(read_all(&*store, &id, 2, 10).await, [], "a repeated command leaves nothing");
    assert_eq!(store.receipt(&id, &user("ann"), &receipt("new", 3).command).await.unwrap(), None);
    // And whoever asks again hears of the command before anything else that has changed since.
    let mut changed = with(&id, 2, vec![receipt("c", 3)]);
    changed.records.push(record("not there", Expect::Version(3), None));
    assert!(matches!(store.commit(changed).await, Err(CommitError::Repeated { .. })));

    let mut of_bob = receipt("c", 3);
    of_bob.user = user("bob");
    store.commit(with(&id, 2, vec![of_bob])).await.expect("another user's command");
    store.commit(with(&other, 1, vec![receipt("c", 2)])).await.expect("another session's command");
    let twice = store.commit(with(&id, 3, vec![receipt("d", 4), receipt("d", 4)])).await;
    assert!(matches!(twice, Err(CommitError::Repeated { .. })), "{twice:?}");
}

pub(super) async fn whoever_asks_is_told_all_receipts_by_name(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let mut silent = append(&*store, &id, Some(1), Vec::new());
    silent.receipts.push(receipt("silent", 1));
    store.commit(work(silent)).await.unwrap();
    let mut expected = vec![receipt("silent", 1)];
    for number in 1..30 {
        let mut append = append(&*store, &id, Some(number), vec![renamed("a")]);
        append.receipts.push(receipt(&format!("c{number}"), number));
        expected.extend(append.receipts.iter().cloned());
        store.commit(work(append)).await.unwrap();
    }
    let mut names: Vec<_> = expected.iter().map(|done| receipt_name(&done.user, &done.command)).collect();
    let mut told = store.receipts(&id, 1000).await.unwrap();
    names.sort();
    told.sort();
    assert_eq!(told, names);
    assert_eq!(store.receipts(&id, 7).await.unwrap().len(), 7);
    assert_eq!(store.receipts(&session("other"), 7).await.unwrap().len(), 0);
}

pub(super) async fn receipts_are_found_by_their_names(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    create(&*store, "other").await;
    let name = |command: &str| receipt_name(&user("ann"), &receipt(command, 1).command);
    let mut tip = 1;
    for number in 0..40 {
        let mut append = append(&*store, &id, Some(tip), vec![renamed("a"); 3]);
        append.receipts = (0..3).map(|at| receipt(&format!("c{number}.{at}"), tip + 1 + at)).collect();
        store.commit(work(append)).await.unwrap();
        tip += 3;
    }
    let names = [name("c39.2"), name("none"), name("c0.1"), name("c7.0"), name("c0.1")];
    let expected = [Some(121), None, Some(3), Some(23), Some(3)];
    assert_eq!(store.receipts_named(&id, &names).await.unwrap(), expected);
    assert_eq!(store.receipts_named(&session("other"), &names).await.unwrap(), [None; 5]);
    assert_eq!(store.receipts_named(&session("nowhere"), &names).await.unwrap(), [None; 5]);
    assert_eq!(store.receipts_named(&id, &[]).await.unwrap(), []);
    drop(store);
    let store = home.open().await;
    assert_eq!(store.receipts_named(&id, &names).await.unwrap(), expected);
}

pub(super) async fn a_receipt_needs_no_event(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let mut silent = append(&*store, &id, Some(1), Vec::new());
    silent.receipts.push(receipt("c", 1));
    store.commit(work(silent.clone())).await.unwrap();
    assert!(store.receipt(&id, &user("ann"), &receipt("c", 1).command).await.unwrap().is_some());
    assert!(matches!(store.commit(work(silent)).await, Err(CommitError::Repeated { .. })));
    assert_eq!(store.stored(&id).await.unwrap().and_then(|stored| stored.row.tip), Some(seq(1)));
    say(&*store, &id, 1, vec![renamed("a")]).await;
}

pub(super) async fn a_name_is_held_by_one(home: &dyn Home) {
    let store = home.open().await;
    let claiming = |holder: &str| Work {
        claims: vec![Claim { space: "carrier", key: "k".to_owned(), holder: holder.to_owned() }],
        ..Work::default()
    };
    store.commit(claiming("first")).await.unwrap();
    store.commit(claiming("first")).await.expect("it holds it already");
    let refused = store.commit(claiming("second")).await;
    assert!(matches!(&refused, Err(CommitError::Claimed { holder, .. }) if holder == "first"), "{refused:?}");
    assert_eq!(store.claimed("carrier", "k").await.unwrap(), Some("first".to_owned()));
    assert_eq!(store.claimed("tag", "k").await.unwrap(), None);
}

/// Notes what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Watcher for Ear {
    fn committed(&self, append: &Append) {
        let last = append.batch.last().map_or(0, |seq| seq.get());
        let note = format!("{} {last}", append.session);
        self.0.lock().expect("no holder of this lock panics").push(note);
    }
    fn fed(&self, owner: &Owner, seq: u64) {
        let note = format!("{owner} fed {seq}");
        self.0.lock().expect("no holder of this lock panics").push(note);
    }
}

pub(super) async fn the_watcher_hears_each_commit_before_the_committer_and_in_order(home: &dyn Home) {
    let store = home.open().await;
    let ear = Arc::new(Ear::default());
    store.watch(ear.clone());
    let id = create(&*store, "s").await;
    let other = create(&*store, "other").await;
    let owner = Owner::Tenant(tenant());
    for number in 1..50 {
        let mut here = work(append(&*store, &id, Some(number), vec![renamed("a")]));
        here.feed.push(news(owner.clone(), &id, number));
        let there = work(append(&*store, &other, Some(number), vec![renamed("a")]));
        let (here, there) = futures_util::future::join(store.commit(here), store.commit(there)).await;
        here.and(there).unwrap();
        let heard = ear.0.lock().expect("no holder of this lock panics");
        for expected in [format!("s {}", number + 1), format!("other {}", number + 1), format!("{owner} fed {number}")]
        {
            assert!(heard.contains(&expected), "{expected} is not in {heard:?}");
        }
    }
    let refused = append(&*store, &id, Some(1), vec![renamed("never kept")]);
    assert!(store.commit(work(refused)).await.is_err());
    let heard = std::mem::take(&mut *ear.0.lock().expect("no holder of this lock panics"));
    for of in ["s ", "other "] {
        let numbers: Vec<u64> = heard.iter().filter_map(|note| note.strip_prefix(of)?.parse().ok()).collect();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    }
    let feed: Vec<FeedEntry> = vec![news(owner, &id, 51)];
    assert!(store.delete(&id, feed).await.unwrap());
    let heard = std::mem::take(&mut *ear.0.lock().expect("no holder of this lock panics"));
    assert_eq!(heard, ["t acme fed 50"]);
}

pub(super) async fn a_deleted_session_is_gone_with_all_that_was_its_own(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let other = create(&*store, "other").await;
    let mut full = append(&*store, &id, Some(1), vec![renamed("a")]);
    full.receipts.push(receipt("c", 2));
    full.places.push((MessageId::new("m").expect("a plain name"), seq(2), seq(2)));
    let mut row = row(header(&id));
    (row.wake_at, row.unsettled) = (Some(5), true);
    full.row = Arc::new(row);
    let mut full = work(full);
    full.claims.push(claim("mine", &id));
    full.claims.push(claim("theirs", &other));
    full.blobs.push(naming(&id, "picture", Some("0f")));
    store.commit(full).await.unwrap();
    store.keep_snapshot(&id, 1, seq(2), Bytes::from_static(b"state")).await.unwrap();

    let owner = Owner::Tenant(tenant());
    assert!(store.delete(&id, vec![news(owner.clone(), &id, 2)]).await.unwrap());
    assert!(!store.delete(&id, vec![news(owner.clone(), &id, 2)]).await.unwrap());
    assert_eq!(store.feed(&owner, 0, 10).await.unwrap().newest, 1, "only what is done is news");
    assert_eq!(store.stored(&id).await.unwrap(), None);
    assert_eq!(store.take(&id).await.unwrap(), None);
    assert_eq!(store.claimed("tag", "mine").await.unwrap(), None);
    assert_eq!(store.claimed("tag", "theirs").await.unwrap(), Some("other".to_owned()));
    assert_eq!(store.due(100, 10).await.unwrap(), (Vec::new(), None));
    assert_eq!(store.list(everything()).await.unwrap().len(), 1);
    let late = append(&*store, &id, Some(2), vec![renamed("a")]);
    assert!(matches!(store.commit(work(late)).await, Err(CommitError::Gone)));
    tidy(&*store, 0).await;

    // A new one of the same name is a new one.
    create(&*store, "s").await;
    assert_eq!(read_all(&*store, &id, 0, 10).await.len(), 1);
    assert_eq!(store.receipt(&id, &user("ann"), &receipt("c", 2).command).await.unwrap(), None);
    assert_eq!(store.place(&id, &MessageId::new("m").expect("a plain name")).await.unwrap(), None);
    assert_eq!(store.snapshot(&id, 1).await.unwrap(), None);
    assert_eq!(store.named(&id, "picture").await.unwrap(), None);
    assert_eq!(read_all(&*store, &other, 0, 10).await.len(), 1);
}
