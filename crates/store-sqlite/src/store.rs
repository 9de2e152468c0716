//! The store itself: opening, and each question given to whoever answers it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::id::{CommandId, MessageId, SessionId, TenantId, UserId, WorkspaceId};
use rejoin_core::position::{Epoch, Millis, Seq};
use rejoin_ports::store::{
    Append, CommitError, Committed, FeedEntry, FeedPage, FileVersion, ListFilter, LogPage, Owner, Receipt, Record,
    Store, StoreError, StoreFigures, Stored, Watcher, Work, receipt_name,
};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{mpsc, oneshot};

use crate::applying::{self, Commit, Delete};
use crate::blobs::Blobs;
use crate::checkpoint::Checkpoints;
use crate::figures::Figures;
use crate::options::Options;
use crate::pending::{self, Pending, Proof};
use crate::prepared::Prepared;
use crate::readers::Readers;
use crate::schema::{self, meta};
use crate::sessions::{self, Life};
use crate::snapshots::Snapshots;
use crate::tidy::{self, Round, Unswept};
use crate::writer::{self, Desk, Job, Plain, WAITING, Writer};
use crate::{DATABASE, backup, fading, lists, lock, naming, pages, records, trouble};

/// What the store and its threads share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) life: Life,
    pub(crate) figures: Figures,
    pub(crate) blobs: Blobs,
    pub(crate) pending: Arc<Pending>,
    watcher: RwLock<Option<Arc<dyn Watcher>>>,
    /// While a backup copies blobs, none is removed.
    copying: AtomicBool,
    /// Held for as long as anybody uses the folder.
    lock: Mutex<Option<File>>,
}

impl Shared {
    /// Tells the watcher what was just kept. Called by the writer's thread alone, in the order of the commits.
    pub(crate) fn tell(&self, append: Option<&Append>, feed: &[FeedEntry], numbers: &[u64]) {
        let watcher = self.watcher.read().expect("a watcher is only put in");
        let Some(watcher) = watcher.as_ref() else { return };
        if let Some(append) = append {
            watcher.committed(append);
        }
        for (at, (entry, number)) in feed.iter().zip(numbers).enumerate() {
            // Of several in a row the last one is news enough.
            if feed.get(at + 1).is_none_or(|next| next.owner != entry.owner) {
                watcher.fed(&entry.owner, *number);
            }
        }
    }
}

/// Everything in one folder: a database, a cache and the blobs.
pub struct SqliteStore {
    shared: Arc<Shared>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    readers: Readers,
    snapshots: Arc<Snapshots>,
    round: tokio::sync::Mutex<Round>,
    /// One backup at a time.
    backups: tokio::sync::Mutex<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens what is there, or begins anew. Does not wait for anything that grows with what is stored, but for what a crash
    /// left in the write-ahead log, which is bounded.
    pub fn open(options: Options) -> Result<Arc<SqliteStore>, StoreError> {
        const DOING: &str = "opening";
        let folder = options.folder.clone();
        fs::create_dir_all(&folder).map_err(|error| trouble::file(DOING, &error))?;
        let lock = lock::lock(&folder)?;
        let (db, start) = begin(&options).map_err(|error| trouble::database(DOING, &folder, &error))??;
        let shared = Arc::new(Shared {
            blobs: Blobs::new(&folder),
            life: start.life,
            pending: Arc::new(start.pending),
            figures: Figures::default(),
            watcher: RwLock::default(),
            copying: AtomicBool::new(false),
            lock: Mutex::new(Some(lock)),
            options,
        });
        let (checkpoints, passes) = Checkpoints::new();
        let (jobs, waiting) = mpsc::channel(WAITING);
        let for_writer = shared.clone();
        let for_passes = shared.clone();
        let threads = vec![
            spawn("store-writer", move || Writer::serve(for_writer, db, start.newest_row, checkpoints, waiting))?,
            spawn("store-checkpoint", move || passes.serve(&for_passes))?,
        ];
        Ok(Arc::new(SqliteStore {
            readers: Readers::new(&folder, shared.options.readers),
            snapshots: Arc::new(Snapshots::new(&folder, shared.life.epoch, start.clean)),
            jobs: Mutex::new(Some(jobs)),
            round: tokio::sync::Mutex::default(),
            backups: tokio::sync::Mutex::default(),
            threads: Mutex::new(threads),
            shared,
        }))
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().expect("no holder of this lock panics").clone();
        let jobs = jobs.ok_or(StoreError::Closed)?;
        let is_errand = matches!(job, Job::Errand(_));
        if is_errand {
            self.shared.figures.waiting.fetch_add(1, Relaxed);
        }
        jobs.send(job).await.map_err(|_| StoreError::Closed)
    }

    /// Changes the database on the writer's thread.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection, &mut Desk) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (errand, outcome) = Plain::new(change);
        self.send(Job::Errand(errand)).await?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn session_key(&self, session: &SessionId) -> Result<Option<i64>, StoreError> {
        let session = session.clone();
        self.readers.read("finding a session", move |db| sessions::session_key(db, &session)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Shared) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        let done = done.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)));
        done.map_err(|error| trouble::file(doing, &error))
    }
}

impl Drop for SqliteStore {
    /// The folder is free when this returns, so that it can be opened again.
    fn drop(&mut self) {
        self.jobs.lock().expect("no holder of this lock panics").take();
        let threads = self.threads.get_mut().expect("no holder of this lock panics");
        for thread in threads.drain(..) {
            // The last one to let go may be the writer itself, through the watcher.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join(); // a thread that panicked has said so
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| trouble::file("starting a thread", &error))
}

struct Start {
    life: Life,
    pending: Pending,
    /// The largest number of a row of the log.
    newest_row: i64,
    clean: bool,
}

/// Opens the database and begins a new life of the process in it.
fn begin(options: &Options) -> rusqlite::Result<Result<(Connection, Start), StoreError>> {
    let db = writer::connect(options)?;
    if let Err(too_new) = schema::migrate(&db)? {
        return Ok(Err(StoreError::Io { doing: "opening", why: too_new.to_string() }));
    }
    // Not synced by itself: whatever is kept in this life comes behind it, and takes it along.
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN IMMEDIATE")?;
    let epoch = match schema::get(&db, meta::EPOCH)? {
        Some(epoch) => Epoch(epoch),
        None => {
            let epoch = new_epoch();
            schema::set(&db, meta::EPOCH, epoch.0)?;
            epoch
        }
    };
    let life = Life {
        epoch,
        floor: schema::get(&db, meta::FLOOR)?.unwrap_or(0),
        number: schema::get(&db, meta::LIFE)?.unwrap_or(0) + 1,
    };
    let clean = schema::get(&db, meta::CLEAN)? == Some(1);
    schema::set(&db, meta::LIFE, life.number)?;
    schema::set(&db, meta::CLEAN, 0)?;
    db.execute_batch("COMMIT")?;
    writer::set_durability(&db, options.durability)?;
    let (pending, newest_row) = Pending::load(&db)?;
    tracing::debug!(%epoch, life = life.number, clean, "store: open");
    let start = Start { life, pending, newest_row, clean };
    Ok(Ok((db, start)))
}

/// 48 random bits: short in every position, and never met twice.
pub(crate) fn new_epoch() -> Epoch {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's source of randomness answers");
    Epoch(u64::from_be_bytes(bytes) >> 16)
}

#[async_trait]
impl Store for SqliteStore {
    fn epoch(&self) -> Epoch {
        self.shared.life.epoch
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        *self.shared.watcher.write().expect("a watcher is only put in") = Some(watcher);
    }

    async fn commit(&self, work: Work) -> Result<Committed, CommitError> {
        let (errand, outcome) = Commit::new(Prepared::new(work)?);
        self.send(Job::Errand(errand)).await?;
        outcome.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    async fn take(&self, session: &SessionId) -> Result<Option<Stored>, StoreError> {
        let session = session.clone();
        self.write(move |db, desk| {
            let Some(mut head) = desk.head(db, &session)? else {
                return Ok(None);
            };
            head.term += 1;
            db.prepare_cached("UPDATE sessions SET term = ? WHERE key = ?")?
                .execute((sessions::int(head.term), head.key))?;
            desk.put_head(&session, head);
            sessions::find(db, &session, desk.life)
        })
        .await
    }

    async fn stored(&self, session: &SessionId) -> Result<Option<Stored>, StoreError> {
        let (session, life) = (session.clone(), self.shared.life);
        self.readers.read("finding a session", move |db| sessions::find(db, &session, life)).await
    }

    async fn read(&self, session: &SessionId, after: u64, most: usize) -> Result<LogPage, StoreError> {
        let (session, epoch, pending) = (session.clone(), self.epoch(), self.shared.pending.clone());
        self.readers.read("reading a log", move |db| pages::read(db, &pending, &session, epoch, after, most)).await
    }

    async fn read_back(&self, session: &SessionId, upto: u64) -> Result<LogPage, StoreError> {
        let (session, epoch, pending) = (session.clone(), self.epoch(), self.shared.pending.clone());
        self.readers.read("reading a log", move |db| pages::read_back(db, &pending, &session, epoch, upto)).await
    }

    async fn receipt(
        &self,
        session: &SessionId,
        user: &UserId,
        command: &CommandId,
    ) -> Result<Option<Receipt>, StoreError> {
        let (session, user, command) = (session.clone(), user.clone(), command.clone());
        let pending = self.shared.pending.clone();
        let find = move |db: &Connection| {
            let key = match sessions::session_key(db, &session)? {
                Some(session) => (session, receipt_name(&user, &command)),
                None => return Ok(None),
            };
            let proof = pending::proof(db, &pending, &key)?;
            Ok(proof.map(|Proof { seq, body }| Receipt { user, command, body, seq }))
        };
        self.readers.read("finding a receipt", find).await
    }

    async fn receipts(&self, session: &SessionId, most: usize) -> Result<Vec<[u8; 16]>, StoreError> {
        let (session, pending) = (session.clone(), self.shared.pending.clone());
        let find = move |db: &Connection| {
            let Some(session) = sessions::session_key(db, &session)? else { return Ok(Vec::new()) };
            let waiting = pending.receipts(session); // first these: what is shelved meanwhile is in both
            let newest = pending::newest_row(db)?;
            let waiting = waiting.into_iter().filter(|(_, row)| *row <= newest);
            let mut names: HashSet<[u8; 16]> = waiting.map(|(name, _)| name).collect();
            let mut shelved = db.prepare_cached("SELECT name FROM receipts WHERE session = ? LIMIT ?")?;
            for name in shelved.query_map((session, sessions::int(most as u64)), |row| row.get(0))? {
                names.insert(name?);
            }
            Ok(names.into_iter().take(most).collect())
        };
        self.readers.read("finding receipts", find).await
    }

    async fn receipts_named(&self, session: &SessionId, names: &[[u8; 16]]) -> Result<Vec<Option<u64>>, StoreError> {
        let (session, names, pending) = (session.clone(), names.to_vec(), self.shared.pending.clone());
        let find = move |db: &Connection| {
            let Some(session) = sessions::session_key(db, &session)? else { return Ok(vec![None; names.len()]) };
            pending::find_named(db, &pending, session, &names)
        };
        self.readers.read("finding receipts", find).await
    }

    async fn place(&self, session: &SessionId, message: &MessageId) -> Result<Option<(Seq, Seq)>, StoreError> {
        let (session, message) = (session.clone(), message.clone());
        let find = move |db: &Connection| {
            let sql = "SELECT first, last FROM sessions JOIN places ON places.session = sessions.key
                WHERE sessions.id = ? AND message = ?";
            let seq = |raw: i64| Seq::new(raw as u64).ok_or_else(|| trouble::unreadable("a place is out of range"));
            db.prepare_cached(sql)?
                .query_row((session.as_str(), message.as_str()), |row| Ok((seq(row.get(0)?)?, seq(row.get(1)?)?)))
                .optional()
        };
        self.readers.read("finding a message", find).await
    }

    async fn list(&self, filter: ListFilter) -> Result<Vec<Stored>, StoreError> {
        let life = self.shared.life;
        self.readers.read("listing sessions", move |db| lists::list(db, &filter, life)).await
    }

    async fn delete(&self, session: &SessionId, feed: Vec<FeedEntry>) -> Result<bool, StoreError> {
        let key = self.session_key(session).await?;
        let (reply, outcome) = oneshot::channel();
        let errand = Delete { session: session.clone(), feed, done: false, fed: Vec::new(), reply };
        self.send(Job::Errand(Box::new(errand))).await?;
        let done = outcome.await.unwrap_or(Err(StoreError::Closed))?;
        if let Some(key) = key.filter(|_| done) {
            let snapshots = self.snapshots.clone();
            self.blocking("forgetting a snapshot", move |_| {
                snapshots.forget(key);
                Ok(())
            })
            .await?;
        }
        Ok(done)
    }

    async fn due(&self, now: Millis, most: usize) -> Result<(Vec<SessionId>, Option<Millis>), StoreError> {
        self.readers.read("finding what is due", move |db| lists::due(db, now, most)).await
    }

    async fn unsettled(&self, after: Option<&SessionId>, most: usize) -> Result<Vec<SessionId>, StoreError> {
        let after = after.map_or(String::new(), |id| id.as_str().to_owned());
        let life = self.shared.life;
        self.readers.read("finding what is unsettled", move |db| lists::unsettled(db, life, &after, most)).await
    }

    async fn record(&self, owner: &Owner, kind: &str, key: &str) -> Result<Option<Record>, StoreError> {
        let (owner, kind, key) = (owner.clone(), kind.to_owned(), key.to_owned());
        self.readers.read("finding a record", move |db| records::find(db, &owner, &kind, &key)).await
    }

    async fn records(
        &self,
        owner: &Owner,
        kind: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (owner, kind) = (owner.clone(), kind.to_owned());
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.readers.read("listing records", move |db| records::list(db, &owner, &kind, &prefix, &after, most)).await
    }

    async fn claimed(&self, space: &'static str, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        self.readers.read("finding a claim", move |db| applying::holder(db, space, &key)).await
    }

    async fn feed(&self, owner: &Owner, after: u64, most: usize) -> Result<FeedPage, StoreError> {
        let (owner, floor) = (owner.clone(), self.shared.life.floor);
        self.readers.read("reading a feed", move |db| lists::feed(db, &owner, floor, after, most)).await
    }

    async fn file_versions(
        &self,
        workspace: &WorkspaceId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, StoreError> {
        let (workspace, path) = (workspace.clone(), path.to_owned());
        self.readers
            .read("listing file versions", move |db| lists::file_versions(db, &workspace, &path, before, most))
            .await
    }

    async fn put_blob(&self, tenant: &TenantId, bytes: Bytes) -> Result<String, StoreError> {
        let tenant = tenant.clone();
        self.blocking("keeping a blob", move |shared| shared.blobs.put(&tenant, &bytes)).await
    }

    async fn blob(&self, tenant: &TenantId, hash: &str) -> Result<Option<Bytes>, StoreError> {
        let (tenant, hash) = (tenant.clone(), hash.to_owned());
        self.blocking("reading a blob", move |shared| Ok(shared.blobs.get(&tenant, &hash)?.map(Bytes::from))).await
    }

    async fn named(&self, session: &SessionId, name: &str) -> Result<Option<String>, StoreError> {
        let (session, name) = (session.clone(), name.to_owned());
        let find = move |db: &Connection| match sessions::session_key(db, &session)? {
            Some(key) => naming::find(db, key, &name),
            None => Ok(None),
        };
        self.readers.read("finding a named blob", find).await
    }

    async fn snapshot(&self, session: &SessionId, fold: u32) -> Result<Option<(Seq, Bytes)>, StoreError> {
        let Some(key) = self.session_key(session).await? else {
            return Ok(None);
        };
        let snapshots = self.snapshots.clone();
        self.blocking("finding a snapshot", move |_| Ok(snapshots.get(key, fold))).await
    }

    async fn keep_snapshot(&self, session: &SessionId, fold: u32, at: Seq, state: Bytes) -> Result<(), StoreError> {
        let Some(key) = self.session_key(session).await? else {
            return Ok(());
        };
        let snapshots = self.snapshots.clone();
        self.blocking("keeping a snapshot", move |_| {
            snapshots.put(key, fold, at, &state);
            Ok(())
        })
        .await
    }

    async fn trim(&self, session: &SessionId, upto: Seq) -> Result<bool, StoreError> {
        if let Some(key) = self.session_key(session).await?.filter(|key| self.shared.pending.has(*key)) {
            self.write(move |db, desk| if desk.pending.has(key) { desk.shelve(db) } else { Ok(()) }).await?;
        }
        let session = session.clone();
        let pack = move |db: &Connection| fading::pack(db, &session, upto.get());
        let Some(stretch) = self.readers.read("trimming", pack).await? else {
            return Ok(false);
        };
        let more = stretch.more;
        let put = self.write(move |db, desk| fading::put(db, desk, &stretch)).await?;
        Ok(more && put)
    }

    async fn tidy(&self, now: Millis) -> Result<bool, StoreError> {
        let mut round = self.round.lock().await;
        match &mut *round {
            Round::Graves => {
                if !self.write(tidy::dig).await? {
                    *round = Round::Feeds(String::new());
                }
            }
            Round::Feeds(owner) => {
                let behind = owner.clone();
                let next = self.write(move |db, _| tidy::shorten_feed(db, &behind)).await?;
                *round = match next {
                    Some(owner) => Round::Feeds(owner),
                    None => Round::Blobs(self.blocking("tidying blobs", |shared| tidy::shelves(&shared.blobs)).await?),
                };
            }
            Round::Blobs(shelves) => match shelves.pop() {
                Some(shelf) if !self.shared.copying.load(Relaxed) => {
                    let shared = self.shared.clone();
                    let swept = self.readers.read("tidying blobs", move |db| {
                        match tidy::sweep(db, &shared.blobs, &shelf, now) {
                            Err(Unswept::Database(error)) => Err(error),
                            Err(Unswept::Files(error)) => Ok(Err(error)),
                            Ok(()) => Ok(Ok(())),
                        }
                    });
                    swept.await?.map_err(|error| trouble::file("tidying blobs", &error))?;
                }
                _ => *round = Round::Space,
            },
            Round::Space => {
                if !self.write(|db, _| tidy::give_back(db)).await? {
                    *round = Round::Graves;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn backup(&self, into: &Path) -> Result<(), StoreError> {
        let _one = self.backups.lock().await;
        self.shared.copying.store(true, Relaxed);
        let outcome = async {
            let into = into.to_owned();
            let place = into.clone();
            let shared = self.shared.clone();
            let stopped = |_| StoreError::Closed;
            tokio::task::spawn_blocking(move || backup::prepare(&place)).await.map_err(stopped)??;
            let (reply, copied) = oneshot::channel();
            self.send(Job::Backup(into.clone(), reply)).await?;
            copied.await.unwrap_or(Err(StoreError::Closed))?;
            tokio::task::spawn_blocking(move || backup::finish(&shared, &into)).await.map_err(stopped)?
        };
        let outcome = outcome.await;
        self.shared.copying.store(false, Relaxed);
        outcome
    }

    async fn close(&self) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().expect("no holder of this lock panics").take();
        let Some(jobs) = jobs else { return Ok(()) };
        self.readers.close().await;
        let (reply, closed) = oneshot::channel();
        jobs.send(Job::Close(reply)).await.map_err(|_| StoreError::Closed)?;
        let outcome = closed.await.unwrap_or(Err(StoreError::Closed));
        let snapshots = self.snapshots.clone();
        self.blocking("closing", move |shared| {
            snapshots.close();
            shared.lock.lock().expect("no holder of this lock panics").take();
            Ok(())
        })
        .await?;
        outcome
    }

    fn figures(&self) -> StoreFigures {
        if let Ok(file) = fs::metadata(self.shared.options.folder.join(DATABASE)) {
            self.shared.figures.database_bytes.store(file.len(), Relaxed);
        }
        self.shared.figures.now()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rejoin_ports::store::{Claim, CommitError, Store, StoreError, Work};
    use rusqlite::ffi;

    use super::*;

    fn claim(key: &str) -> Work {
        let claim = Claim { space: "test", key: key.to_owned(), holder: "me".to_owned() };
        Work { claims: vec![claim], ..Work::default() }
    }

    /// Keeps the writer busy until told otherwise, so that what comes meanwhile is one group.
    async fn hold(store: &Arc<SqliteStore>) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let mut begun = Some(begun);
        let store = store.clone();
        tokio::spawn(async move {
            let wait = move |_: &Connection, _: &mut Desk| {
                begun.take().map(|begun| begun.send(()));
                Ok(released.recv().is_ok())
            };
            store.write(wait).await
        });
        has_begun.await.expect("the writer takes it");
        release
    }

    /// One commit before and one behind an errand that fails in a certain way, all in one group.
    async fn around_a_failure(code: i32) -> [Result<Committed, CommitError>; 2] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = SqliteStore::open(Options::new(folder.path())).expect("a store");
        let release = hold(&store).await;
        let spawn = |work| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(work).await })
        };
        let first = spawn(claim("first"));
        while store.figures().waiting < 1 {
            tokio::task::yield_now().await;
        }
        let failing = tokio::spawn({
            let store = store.clone();
            async move {
                let fail = move |_: &Connection, _: &mut Desk| -> rusqlite::Result<()> {
                    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
                };
                store.write(fail).await
            }
        });
        while store.figures().waiting < 2 {
            tokio::task::yield_now().await;
        }
        let last = spawn(claim("last"));
        while store.figures().waiting < 3 {
            tokio::task::yield_now().await;
        }
        release.send(()).expect("the writer waits for it");
        assert!(failing.await.expect("no panic").is_err());
        let outcomes = [first.await.expect("no panic"), last.await.expect("no panic")];
        for (outcome, key) in outcomes.iter().zip(["first", "last"]) {
            let kept = store.claimed("test", key).await.expect("reading goes on").is_some();
            assert_eq!(kept, outcome.is_ok(), "kept, and told so, or neither");
        }
        store.commit(claim("later")).await.expect("service goes on");
        outcomes
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_fails_to_sync_fails_the_whole_group_and_leaves_nothing_of_it() {
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_FULL] {
            for outcome in around_a_failure(code).await {
                let expected =
                    matches!(outcome, Err(CommitError::Store(StoreError::Io { .. } | StoreError::Full { .. })));
                assert!(expected, "{outcome:?}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_errand_that_cannot_work_fails_alone() {
        for code in [ffi::SQLITE_CONSTRAINT, ffi::SQLITE_TOOBIG, ffi::SQLITE_CORRUPT] {
            for outcome in around_a_failure(code).await {
                outcome.expect("its neighbours are fine");
            }
        }
    }
}
