//! What is kept beside the logs: snapshots, blobs and versions of files.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rejoin_core::event::FileChange;
use rejoin_core::id::{SessionId, TenantId, WorkspaceId};

use super::Home;
use super::making::*;
use crate::store::{BLOB_GRACE_MS, CommitError, FileVersion, MOST_NAMED, Naming, Store, Work};

pub(super) async fn a_snapshot_is_the_newest_of_its_version(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    say(&*store, &id, 1, vec![renamed("a"); 9]).await;
    assert_eq!(store.snapshot(&id, 1).await.unwrap(), None);
    store.keep_snapshot(&id, 1, seq(5), Bytes::from_static(b"five")).await.unwrap();
    store.keep_snapshot(&id, 1, seq(9), Bytes::from_static(b"nine")).await.unwrap();
    let found = store.snapshot(&id, 1).await.unwrap();
    assert_eq!(found, Some((seq(9), Bytes::from_static(b"nine"))));
    assert_eq!(store.snapshot(&id, 2).await.unwrap(), None, "another version of the fold");
    assert_eq!(store.snapshot(&session("other"), 1).await.unwrap(), None);
    // It is a cache: in the next life it is there or not, but never wrong.
    drop(store);
    let store = home.open().await;
    let found = store.snapshot(&id, 1).await.unwrap();
    assert!(found.is_none_or(|found| found == (seq(9), Bytes::from_static(b"nine"))));
}

pub(super) async fn a_snapshot_goes_with_its_session(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    store.keep_snapshot(&id, 1, seq(1), Bytes::from_static(b"old")).await.unwrap();
    store.delete(&id, Vec::new()).await.unwrap();
    create(&*store, "s").await;
    assert_eq!(store.snapshot(&id, 1).await.unwrap(), None);
}

pub(super) async fn a_blob_is_named_by_what_is_in_it(home: &dyn Home) {
    let store = home.open().await;
    let hash = store.put_blob(&tenant(), Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let again = store.put_blob(&tenant(), Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(again, hash);
    drop(store);
    let store = home.open().await;
    let found = store.blob(&tenant(), &hash).await.unwrap();
    assert_eq!(found, Some(Bytes::from_static(b"abc")));
    let empty = store.put_blob(&tenant(), Bytes::new()).await.unwrap();
    assert_eq!(store.blob(&tenant(), &empty).await.unwrap(), Some(Bytes::new()));
    for nonsense in ["", "x", "../../rejoin.db", &hash[1..], &hash.to_uppercase()] {
        assert_eq!(store.blob(&tenant(), nonsense).await.unwrap(), None, "{nonsense:?}");
    }
}

pub(super) async fn tenants_do_not_see_each_others_blobs(home: &dyn Home) {
    let store = home.open().await;
    let other = TenantId::new("../acme").expect("a tenant may be called so");
    let hash = store.put_blob(&tenant(), Bytes::from_static(b"secret")).await.unwrap();
    assert_eq!(store.blob(&other, &hash).await.unwrap(), None);
    assert_eq!(store.put_blob(&other, Bytes::from_static(b"secret")).await.unwrap(), hash);
    assert!(store.blob(&other, &hash).await.unwrap().is_some());
}

fn version(path: &str, version: u64, hash: Option<&str>) -> FileVersion {
    FileVersion {
        workspace: WorkspaceId::new("w").expect("a plain name"),
        path: path.to_owned(),
        version,
        change: if version == 1 { FileChange::Created } else { FileChange::Modified },
        hash: hash.map(str::to_owned),
        size: 3,
        at: 9,
        session: Some(session("s")),
    }
}

pub(super) async fn a_blob_stays_while_something_names_it(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let put = async |text: &'static str| store.put_blob(&tenant(), Bytes::from_static(text.as_bytes())).await.unwrap();
    let (in_log, in_file, nowhere) = (put("in log").await, put("in file").await, put("nowhere").await);
    let elsewhere = TenantId::new("elsewhere").expect("a plain name");
    store.put_blob(&elsewhere, Bytes::from_static(b"in log")).await.unwrap();
    let mut naming = append(&*store, &id, Some(1), vec![renamed(&format!("see blob:{in_log}."))]);
    naming.files.push(version("f", 1, Some(&in_file)));
    store.commit(work(naming)).await.unwrap();

    let now = now();
    tidy(&*store, now).await;
    assert!(store.blob(&tenant(), &nowhere).await.unwrap().is_some(), "it may still be named");
    tidy(&*store, now + 2 * BLOB_GRACE_MS).await;
    assert_eq!(store.blob(&tenant(), &nowhere).await.unwrap(), None);
    assert_eq!(store.blob(&elsewhere, &in_log).await.unwrap(), None, "another tenant names it");
    assert!(store.blob(&tenant(), &in_log).await.unwrap().is_some());
    assert!(store.blob(&tenant(), &in_file).await.unwrap().is_some());

    store.delete(&id, Vec::new()).await.unwrap();
    tidy(&*store, now + 2 * BLOB_GRACE_MS).await;
    assert_eq!(store.blob(&tenant(), &in_log).await.unwrap(), None, "its session is gone");
    assert!(store.blob(&tenant(), &in_file).await.unwrap().is_some(), "the workspace is not");
}

async fn name(store: &dyn Store, namings: Vec<Naming>) -> Result<(), CommitError> {
    store.commit(Work { blobs: namings, ..Work::default() }).await.map(drop)
}

pub(super) async fn a_blob_stays_while_a_session_has_a_name_for_it(home: &dyn Home) {
    let store = home.open().await;
    let (id, other) = (create(&*store, "s").await, create(&*store, "other").await);
    let put = async |text: &'static str| store.put_blob(&tenant(), Bytes::from_static(text.as_bytes())).await.unwrap();
    let (one, two, three) = (put("one").await, put("two").await, put("three").await);
    name(&*store, vec![naming(&id, "a", Some(&one)), naming(&id, "b", Some(&two))]).await.unwrap();
    name(&*store, vec![naming(&other, "a", Some(&two)), naming(&id, "c", Some(&three))]).await.unwrap();
    name(&*store, vec![naming(&id, "a", Some(&three)), naming(&id, "c", None), naming(&id, "no", None)]).await.unwrap();
    drop(store);
    let store = home.open().await;
    let named = async |id: &SessionId, name: &str| store.named(id, name).await.unwrap();
    assert_eq!(named(&id, "a").await.as_ref(), Some(&three), "what was named later");
    assert_eq!(named(&id, "b").await.as_ref(), Some(&two));
    assert_eq!(named(&id, "c").await, None);
    assert_eq!(named(&other, "a").await.as_ref(), Some(&two), "names are a session's own");

    let later = now() + 2 * BLOB_GRACE_MS;
    tidy(&*store, later).await;
    let is_there = async |hash: &str| store.blob(&tenant(), hash).await.unwrap().is_some();
    assert!(!is_there(&one).await, "it has lost its name");
    assert!(is_there(&two).await && is_there(&three).await);
    store.delete(&id, Vec::new()).await.unwrap();
    tidy(&*store, later).await;
    assert!(is_there(&two).await, "another session has a name for it");
    assert!(!is_there(&three).await, "its session is gone");
    assert!(matches!(name(&*store, vec![naming(&id, "a", Some(&two))]).await, Err(CommitError::Gone)));
}

pub(super) async fn a_session_has_so_many_named_blobs_and_no_more(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let hash = store.put_blob(&tenant(), Bytes::from_static(b"x")).await.unwrap();
    let all: Vec<_> = (0..MOST_NAMED).map(|n| naming(&id, &n.to_string(), Some(&hash))).collect();
    let surplus = naming(&id, "surplus", Some(&hash));
    let mut too_many = all.clone();
    too_many.push(surplus.clone());
    assert!(matches!(name(&*store, too_many).await, Err(CommitError::TooManyNamed)));
    assert_eq!(store.named(&id, "0").await.unwrap(), None, "all of them or none");
    name(&*store, all).await.unwrap();
    assert!(matches!(name(&*store, vec![surplus.clone()]).await, Err(CommitError::TooManyNamed)));
    name(&*store, vec![naming(&id, "7", Some(&hash))]).await.expect("it has that name already");
    name(&*store, vec![naming(&id, "7", None), surplus]).await.expect("one makes room for another");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as u64
}

pub(super) async fn file_versions_are_numbered_once_in_any_order_and_stay(home: &dyn Home) {
    let store = home.open().await;
    let id = create(&*store, "s").await;
    let mut tip = 1;
    let mut keep = async |files: Vec<FileVersion>| {
        let mut append = append(&*store, &id, Some(tip), vec![renamed("a")]);
        append.files = files;
        let outcome = store.commit(work(append)).await;
        tip += u64::from(outcome.is_ok());
        outcome
    };
    keep(vec![version("src/a", 1, None), version("src/a", 2, None)]).await.unwrap();
    keep(vec![version("src/a", 3, None), version("src/b/c", 1, None)]).await.unwrap();
    keep(vec![version("src-else", 1, None), version("z", 1, None)]).await.unwrap();
    // A number may never be committed, or after a later one.
    keep(vec![version("hole", 7, None)]).await.unwrap();
    keep(vec![version("hole", 5, None), version("hole", 9, None), version("hole", 8, None)]).await.unwrap();
    let taken = [
        (vec![version("src/a", 3, None)], 3),
        (vec![version("src/a", 1, None)], 3),
        (vec![version("hole", 5, None)], 9),
        (vec![version("new", 4, None), version("new", 4, None)], 4),
        (vec![version("new", 0, None)], 0),
    ];
    for (taken, newest) in taken {
        match keep(taken).await {
            Err(CommitError::Record { kind, version, value: None, .. }) => {
                assert_eq!((kind.as_str(), version), ("file", newest));
            }
            other => panic!("{other:?}"),
        }
    }
    let found = async |path: &str, before, most| -> Vec<(String, u64)> {
        let workspace = WorkspaceId::new("w").expect("a plain name");
        let found = store.file_versions(&workspace, path, before, most).await.unwrap();
        found.into_iter().map(|file| (file.path, file.version)).collect()
    };
    let files =
        |files: &[(&str, u64)]| files.iter().map(|(path, version)| ((*path).to_owned(), *version)).collect::<Vec<_>>();
    assert_eq!(found("src", None, 10).await, files(&[("src/a", 3), ("src/b/c", 1)]));
    assert_eq!(found("src/a", None, 10).await, files(&[("src/a", 3)]));
    assert_eq!(found("", None, 10).await.len(), 5);
    assert_eq!(found("", None, 3).await, files(&[("hole", 9), ("src-else", 1), ("src/a", 3)]));
    assert_eq!(found("hole", Some(9), 10).await, files(&[("hole", 8), ("hole", 7), ("hole", 5)]));
    assert_eq!(found("new", Some(u64::MAX), 10).await, files(&[]), "a refused append leaves nothing");
    assert_eq!(found("src/a", Some(u64::MAX), 2).await, files(&[("src/a", 3), ("src/a", 2)]));
    assert_eq!(found("src/a", Some(2), 10).await, files(&[("src/a", 1)]));
    store.delete(&id, Vec::new()).await.unwrap();
    assert_eq!(found("src/a", Some(u64::MAX), 10).await.len(), 3, "they are the workspace's");
    let workspace = WorkspaceId::new("w").expect("a plain name");
    let kept = store.file_versions(&workspace, "src/a", Some(2), 1).await.unwrap();
    assert_eq!(kept, [version("src/a", 1, None)]);
}
