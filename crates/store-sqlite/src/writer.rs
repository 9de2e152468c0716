//! The one thread that writes. What waits shares a transaction, and with it the wait for the disk.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rejoin_core::id::SessionId;
use rejoin_ports::store::{Durability, Owner, StoreError};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::{Checkpoints, PAGE};
use crate::figures::add;
use crate::options::Options;
use crate::pending::{Fresh, Pending};
use crate::recent::Recent;
use crate::sessions::{Head, Life};
use crate::store::Shared;
use crate::{DATABASE, schema, trouble};

/// Errands that wait for the writer. When it is full, whoever asks waits.
pub(crate) const WAITING: usize = 4096;
/// The most errands, and about the most bytes, in one transaction: a few milliseconds of work, so that nobody waits long
/// for others, and enough to share the disk's latency between all who wait.
const GROUP: usize = 1024;
const GROUP_BYTES: usize = 4 << 20;
/// Half the number of sessions, and of feeds, whose newest numbers the writer remembers: about a megabyte.
const HEADS: usize = 2048;
/// The writer's page cache, in KiB: the ends of a few hundred sessions' index stay in it. It is only taken when needed.
const CACHE_KIB: i64 = 8 << 10;
/// Nobody else writes, so this only spans a checkpoint that restarts the write-ahead log.
pub(crate) const BUSY: Duration = Duration::from_secs(2);

/// Something to be done inside the writer's transaction.
pub(crate) trait Errand: Send {
    /// Changes the database. Called again, alone, when a neighbour broke the transaction that both were in.
    fn run(&mut self, db: &Connection, desk: &mut Desk) -> rusqlite::Result<()>;
    /// Tells whoever asked, when the transaction is kept or lost.
    fn settle(self: Box<Self>, shared: &Shared, outcome: Result<(), StoreError>);
    fn weight(&self) -> usize {
        0
    }
}

pub(crate) enum Job {
    Errand(Box<dyn Errand>),
    Backup(PathBuf, oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// What the writer remembers between transactions. All of it can be read again.
pub(crate) struct Desk {
    pub(crate) life: Life,
    pub(crate) pending: Arc<Pending>,
    pub(crate) fresh: Fresh,
    /// The largest number of a row of the log. Numbers are not given twice: the mark `shelved` goes by them.
    newest_row: i64,
    heads: Recent<SessionId, Head>,
    feeds: Recent<Owner, u64>,
}

impl Desk {
    fn new(shared: &Shared, newest_row: i64) -> Desk {
        Desk {
            life: shared.life,
            pending: shared.pending.clone(),
            fresh: Fresh::default(),
            newest_row,
            heads: Recent::new(HEADS),
            feeds: Recent::new(HEADS),
        }
    }

    pub(crate) fn head(&mut self, db: &Connection, session: &SessionId) -> rusqlite::Result<Option<Head>> {
        if let Some(head) = self.heads.get(session) {
            return Ok(Some(*head));
        }
        let head = Head::load(db, session, self.life)?;
        if let Some(head) = head {
            self.heads.put(session.clone(), head);
        }
        Ok(head)
    }
    pub(crate) fn newest_row(&self) -> i64 {
        self.newest_row
    }
    pub(crate) fn next_row(&mut self) -> i64 {
        self.newest_row += 1;
        self.newest_row
    }
    /// Puts all that waits into the indexes, as part of the transaction.
    pub(crate) fn shelve(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.fresh.shelve(db, &self.pending, self.newest_row)
    }
    pub(crate) fn put_head(&mut self, session: &SessionId, head: Head) {
        match self.heads.get(session) {
            Some(known) => *known = head,
            None => self.heads.put(session.clone(), head),
        }
    }
    pub(crate) fn forget(&mut self, session: &SessionId) {
        self.heads.remove(session);
    }

    /// The next number of a feed.
    pub(crate) fn number(&mut self, db: &Connection, owner: &Owner) -> rusqlite::Result<u64> {
        if let Some(newest) = self.feeds.get(owner) {
            *newest += 1;
            return Ok(*newest);
        }
        let mut find = db.prepare_cached("SELECT MAX(seq) FROM feed WHERE owner = ?")?;
        let newest: Option<i64> = find.query_row([owner.to_string()], |row| row.get(0))?;
        let next = (newest.unwrap_or(0) as u64).max(self.life.floor) + 1;
        self.feeds.put(owner.clone(), next);
        Ok(next)
    }

    /// For a transaction that is lost.
    fn clear(&mut self) {
        self.fresh.forget(&self.pending);
        self.heads.clear();
        self.feeds.clear();
    }
}

/// Opens a connection that writes.
pub(crate) fn connect(options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(options.folder.join(DATABASE), flags)?;
    db.busy_timeout(BUSY)?;
    // Without it, statements are parsed anew whenever a value is bound: the library is built to plan by values.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(64);
    // `auto_vacuum` says how a new file is laid out: so that what trimming frees can be given back to the disk.
    db.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL;
        PRAGMA journal_mode = WAL;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA journal_size_limit = {};
        PRAGMA cache_size = -{CACHE_KIB};
        PRAGMA temp_store = MEMORY;",
        crate::checkpoint::WAL_BYTES
    ))?;
    set_durability(&db, options.durability)?;
    if let Some(most) = options.most_bytes {
        db.query_row(&format!("PRAGMA max_page_count = {}", most / PAGE), [], |_| Ok(()))?;
    }
    Ok(db)
}

pub(crate) fn set_durability(db: &Connection, durability: Durability) -> rusqlite::Result<()> {
    db.execute_batch(match durability {
        Durability::Full => "PRAGMA synchronous = FULL",
        Durability::Normal => "PRAGMA synchronous = NORMAL",
    })
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// `None` after a failure: opened again for the next group.
    db: Option<Rc<Connection>>,
    desk: Desk,
    checkpoints: Checkpoints,
}

impl Writer {
    /// Serves until it is told to close or nobody is left who could ask.
    pub(crate) fn serve(
        shared: Arc<Shared>,
        db: Connection,
        newest_row: i64,
        checkpoints: Checkpoints,
        mut jobs: mpsc::Receiver<Job>,
    ) {
        let mut writer = Writer { desk: Desk::new(&shared, newest_row), shared, db: None, checkpoints };
        writer.adopt(db);
        let mut group = Vec::with_capacity(GROUP);
        while let Some(job) = jobs.blocking_recv() {
            let mut next = writer.gather(job, &mut jobs, &mut group);
            while let Some(job) = next.take() {
                match job {
                    Job::Errand(_) => next = writer.gather(job, &mut jobs, &mut group),
                    Job::Backup(into, reply) => next = writer.back_up(&into, reply, &mut jobs),
                    Job::Close(reply) => {
                        jobs.close();
                        let _ = reply.send(writer.close());
                        return;
                    }
                }
            }
        }
        // Nobody closed us: the next life of the process recovers, as after a crash.
    }

    /// Does one group of errands: this job and what waits behind it. Gives back a job that is none.
    pub(crate) fn gather(
        &mut self,
        first: Job,
        jobs: &mut mpsc::Receiver<Job>,
        group: &mut Vec<Box<dyn Errand>>,
    ) -> Option<Job> {
        let mut other = None;
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Errand(errand) => {
                    bytes += errand.weight();
                    group.push(errand);
                }
                job => {
                    other = Some(job);
                    break;
                }
            }
            if group.len() < GROUP && bytes < GROUP_BYTES {
                next = jobs.try_recv().ok();
            }
        }
        if !group.is_empty() {
            self.do_group(group);
        }
        other
    }

    fn do_group(&mut self, group: &mut Vec<Box<dyn Errand>>) {
        self.shared.figures.waiting.fetch_sub(group.len() as i64, Relaxed);
        let outcome = self.transact(group);
        match outcome {
            // One of them may be at fault; the others must not suffer for it.
            Err(error) if group.len() > 1 && !trouble::is_of_the_disk(&error) => {
                for errand in group.drain(..) {
                    let mut alone = [errand];
                    let outcome = self.transact(&mut alone);
                    let [errand] = alone;
                    self.settle(errand, &outcome);
                }
            }
            outcome => {
                for errand in group.drain(..) {
                    self.settle(errand, &outcome);
                }
            }
        }
        if let Some(db) = &self.db {
            self.checkpoints.after_group(db, &self.shared);
        }
    }

    fn settle(&self, errand: Box<dyn Errand>, outcome: &rusqlite::Result<()>) {
        let told = match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(trouble::database("committing", &self.shared.options.folder, error)),
        };
        errand.settle(&self.shared, told);
    }

    fn transact(&mut self, errands: &mut [Box<dyn Errand>]) -> rusqlite::Result<()> {
        let started = Instant::now();
        let outcome = self.try_transact(errands);
        match &outcome {
            Ok(()) => {
                let figures = &self.shared.figures;
                add(&figures.commits, 1);
                add(&figures.works, errands.len() as u64);
                add(&figures.commit_micros, started.elapsed().as_micros() as u64);
            }
            Err(error) => {
                tracing::error!(%error, "store: committing failed");
                self.desk.clear();
                self.undo();
            }
        }
        outcome
    }

    fn try_transact(&mut self, errands: &mut [Box<dyn Errand>]) -> rusqlite::Result<()> {
        let db = self.connection()?;
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for errand in errands {
            errand.run(&db, &mut self.desk)?;
        }
        if self.desk.fresh.is_due(&self.desk.pending, self.shared.options.pending) {
            self.desk.shelve(&db)?;
        }
        self.desk.fresh.offer(&self.desk.pending);
        db.prepare_cached("COMMIT")?.execute([])?;
        self.desk.fresh.settle(&self.desk.pending);
        Ok(())
    }

    /// Leaves nothing of a failed transaction. A connection that has seen the disk fail is not trusted any more.
    fn undo(&mut self) {
        if let Some(db) = self.db.take() {
            let undone = db.is_autocommit() || db.execute_batch("ROLLBACK").is_ok();
            let integrity = db.query_row("SELECT COUNT(*) FROM meta", [], |row| row.get::<_, i64>(0));
            if undone && integrity.is_ok() {
                self.db = Some(db);
            }
        }
    }

    pub(crate) fn connection(&mut self) -> rusqlite::Result<Rc<Connection>> {
        if let Some(db) = &self.db {
            return Ok(db.clone());
        }
        let db = connect(&self.shared.options)?;
        let (pending, newest_row) = Pending::load(&db)?;
        self.shared.pending.replace(pending);
        self.desk.newest_row = self.desk.newest_row.max(newest_row);
        Ok(self.adopt(db))
    }

    fn adopt(&mut self, mut db: Connection) -> Rc<Connection> {
        if let Err(error) = self.checkpoints.listen(&mut db) {
            tracing::warn!(%error, "store: the write-ahead log is not measured");
        }
        let db = Rc::new(db);
        self.db = Some(db.clone());
        db
    }

    /// Everything into the one file, and a mark that it is in order.
    fn close(&mut self) -> Result<(), StoreError> {
        let closing = || -> rusqlite::Result<()> {
            let db = self.connection()?;
            db.execute_batch("BEGIN IMMEDIATE")?;
            self.desk.shelve(&db)?;
            schema::set(&db, schema::meta::CLEAN, 1)?;
            db.execute_batch("COMMIT")?;
            self.checkpoints.finish(&db);
            Ok(())
        };
        let mut closing = closing;
        let outcome = closing();
        self.db = None;
        outcome.map_err(|error| trouble::database("closing", &self.shared.options.folder, &error))
    }
}

/// An errand made of a function.
pub(crate) struct Plain<T, F> {
    run: F,
    found: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Plain<T, F>
where
    T: Send,
    F: FnMut(&Connection, &mut Desk) -> rusqlite::Result<T> + Send,
{
    pub(crate) fn new(run: F) -> (Box<Self>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, outcome) = oneshot::channel();
        let errand = Plain { run, found: None, reply };
        (Box::new(errand), outcome)
    }
}

impl<T, F> Errand for Plain<T, F>
where
    T: Send,
    F: FnMut(&Connection, &mut Desk) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection, desk: &mut Desk) -> rusqlite::Result<()> {
        self.found = Some((self.run)(db, desk)?);
        Ok(())
    }
    fn settle(self: Box<Self>, _: &Shared, outcome: Result<(), StoreError>) {
        let found = self.found;
        let outcome = outcome.and_then(|()| found.ok_or(StoreError::Closed));
        let _ = self.reply.send(outcome); // an asker may have hung up; what happened has happened
    }
}
