//! The disk in trouble: clear errors, nothing half-kept, and service again when the cause is gone.

mod common;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use common::*;
use rejoin_core::id::SessionId;
use rejoin_ports::store::{CommitError, Store, StoreError};
use rejoin_store_sqlite::{DATABASE, Options, SqliteStore};
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("a folder for a test")
}

/// Says large things until the disk is full, and gives how often that went well.
async fn fill(store: &dyn Store, id: &SessionId) -> usize {
    for count in 0..10_000 {
        match say(store, id, vec![renamed(&"x".repeat(20_000)), renamed("end")]).await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Full { .. })) => return count,
            Err(other) => panic!("a full disk is called full: {other}"),
        }
    }
    panic!("the disk was meant to be small");
}

async fn upkeep(store: &dyn Store) {
    while store.tidy(0).await.expect("upkeep goes well") {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_refuses_whole_works_and_goes_on_when_there_is_room() {
    let folder = folder();
    let options = Options { most_bytes: Some(2 << 20), ..Options::new(folder.path()) };
    let store = SqliteStore::open(options.clone()).unwrap();
    let (id, other) = (create(&*store, "s").await, create(&*store, "other").await);
    let said = fill(&*store, &id).await;
    let all = read_all(&*store, &id).await;
    assert_eq!(all.len(), 1 + 2 * said, "what was refused has left nothing, and the rest is there");
    let known = store.stored(&id).await.unwrap().expect("it is there");
    assert_eq!(known.row.tip.map(|tip| tip.get()), Some(all.len() as u64));
    fill(&*store, &id).await;

    assert!(store.delete(&id, Vec::new()).await.unwrap(), "a full store can be emptied");
    upkeep(&*store).await;
    say(&*store, &other, vec![renamed(&"y".repeat(20_000))]).await.expect("there is room again");
    drop(store);
    let store = SqliteStore::open(options).unwrap();
    assert_eq!(read_all(&*store, &other).await.len(), 2);
}

/// A file system of its own, as large as given. Unmounted when the test is over.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(size: &str) -> SmallDisk {
        let folder = folder();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounting needs to be allowed");
        SmallDisk(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs to be allowed"]
async fn a_full_disk_refuses_whole_works_and_goes_on_when_there_is_room() {
    let disk = SmallDisk::new("16m");
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    let store = SqliteStore::open(Options::new(disk.0.path().join("data"))).unwrap();
    let id = create(&*store, "s").await;
    let mut said = fill(&*store, &id).await;
    assert_eq!(read_all(&*store, &id).await.len(), 1 + 2 * said);
    let blob = store.put_blob(&header(&id).tenant, vec![0; 1 << 20].into()).await;
    assert!(matches!(blob, Err(StoreError::Full { .. })), "{blob:?}");

    fs::remove_file(&ballast).unwrap();
    for _ in 0..20 {
        say(&*store, &id, vec![renamed(&"x".repeat(20_000)), renamed("end")]).await.expect("there is room again");
        said += 1;
    }
    drop(store);
    let store = SqliteStore::open(Options::new(disk.0.path().join("data"))).unwrap();
    assert_eq!(read_all(&*store, &id).await.len(), 1 + 2 * said);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_never_share_a_folder() {
    let folder = folder();
    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    let second = SqliteStore::open(Options::new(folder.path()));
    assert!(matches!(second.as_ref().err(), Some(StoreError::Locked { .. })));
    drop(store);
    SqliteStore::open(Options::new(folder.path())).expect("the first one has let go of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_somebody_locks_is_written_again_when_they_let_go() {
    let folder = folder();
    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    let id = create(&*store, "s").await;
    let meddler = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
    meddler.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = say(&*store, &id, vec![renamed("a")]).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Locked { .. }))), "{refused:?}");
    assert_eq!(read_all(&*store, &id).await.len(), 1, "reading goes on");
    meddler.execute_batch("ROLLBACK").unwrap();
    say(&*store, &id, vec![renamed("a")]).await.expect("the meddler is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_is_called_damaged_and_left_alone() {
    let folder = folder();
    let path = folder.path().join(DATABASE);
    fs::write(&path, "this is somebody's diary, not a database. ".repeat(200)).unwrap();
    let before = fs::read(&path).unwrap();
    let opened = SqliteStore::open(Options::new(folder.path()));
    assert!(matches!(opened.as_ref().err(), Some(StoreError::Corrupt { .. })), "{:?}", opened.err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_harms_only_whoever_needs_it() {
    let folder = folder();
    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    let (id, other) = (create(&*store, "s").await, create(&*store, "other").await);
    for number in 0..200 {
        say(&*store, &id, vec![renamed(&format!("{number} {}", "x".repeat(3_000)))]).await.unwrap();
    }
    say(&*store, &other, vec![renamed("fine")]).await.unwrap();
    store.close().await.unwrap();
    drop(store);

    // The page that holds one of the rows, made unreadable.
    let path = folder.path().join(DATABASE);
    let bytes = fs::read(&path).unwrap();
    let needle = b"\"title\":\"100 xxx";
    let at = bytes.windows(needle.len()).position(|here| here == needle).expect("it is in the file");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4096], at as u64 / 4096 * 4096).unwrap();

    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    let mut after = 0;
    let outcome = loop {
        match store.read(&id, after, 1000).await {
            Ok(page) if page.more => after = page.batch.last().expect("it has events").get(),
            outcome => break outcome,
        }
    };
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
    assert_eq!(read_all(&*store, &other).await.len(), 2);
    say(&*store, &other, vec![renamed("goes on")]).await.expect("its pages are fine");
}

/// Makes a folder and what is in it read-only, for root as well.
fn set_read_only(folder: &Path, read_only: bool) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let mut all = vec![folder.to_owned()];
    all.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    for path in all {
        if rustix::process::geteuid().is_root() {
            let file = fs::File::open(&path).unwrap();
            let mut flags = ioctl_getflags(&file).unwrap();
            flags.set(IFlags::IMMUTABLE, read_only);
            ioctl_setflags(&file, flags).expect("root may forbid itself to write");
        } else {
            let mode = if read_only { 0o500 } else { 0o700 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_folder_is_called_so() {
    let folder = folder();
    set_read_only(folder.path(), true);
    let opened = SqliteStore::open(Options::new(folder.path()));
    let below = SqliteStore::open(Options::new(folder.path().join("below")));
    set_read_only(folder.path(), false);
    assert!(matches!(opened.as_ref().err(), Some(StoreError::ReadOnly { .. })), "{:?}", opened.err());
    assert!(matches!(below.as_ref().err(), Some(StoreError::ReadOnly { .. })), "{:?}", below.err());

    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    create(&*store, "s").await;
    store.close().await.unwrap();
    drop(store);
    set_read_only(folder.path(), true);
    let opened = SqliteStore::open(Options::new(folder.path()));
    set_read_only(folder.path(), false);
    assert!(matches!(opened.as_ref().err(), Some(StoreError::ReadOnly { .. })), "{:?}", opened.err());
    let store = SqliteStore::open(Options::new(folder.path())).expect("it may be written again");
    assert!(store.stored(&session("s")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cache_is_no_trouble() {
    let folder = folder();
    let store = SqliteStore::open(Options::new(folder.path())).unwrap();
    let id = create(&*store, "s").await;
    store.keep_snapshot(&id, 1, seq(1), bytes::Bytes::from_static(b"state")).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let cache = folder.path().join(rejoin_store_sqlite::CACHE);
    assert!(cache.exists());
    for damage in [&b"nonsense"[..], &[0; 8192]] {
        fs::write(&cache, damage).unwrap();
        let store = SqliteStore::open(Options::new(folder.path())).unwrap();
        assert_eq!(store.snapshot(&id, 1).await.unwrap(), None);
        store.keep_snapshot(&id, 1, seq(1), bytes::Bytes::from_static(b"anew")).await.unwrap();
        assert!(store.snapshot(&id, 1).await.unwrap().is_some());
        store.close().await.unwrap();
    }
}

fn seq(number: u64) -> rejoin_core::position::Seq {
    rejoin_core::position::Seq::new(number).expect("a number that exists")
}
