//! Moving the write-ahead log into the database, often enough that a restart after a crash finds little of it.
//!
//! A thread of its own does most of it while the writer goes on. What it cannot do is begin the log anew under a busy
//! writer; when the log has grown too large, the writer itself waits for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::DATABASE;
use crate::store::Shared;
use crate::writer::BUSY;

/// The log is begun anew when it is larger than this: about what recovery reads in twenty milliseconds.
pub(crate) const WAL_BYTES: u64 = 16 << 20;
/// How much is written between two passes of the thread.
const STEP_BYTES: u64 = 4 << 20;
/// How long the writer waits for readers of the old log to finish: they read a page at a time.
const READERS_FINISH: Duration = Duration::from_millis(50);
/// SQLite's own choice, and the disk's.
pub(crate) const PAGE: u64 = 4096;

pub(crate) struct Checkpoints {
    /// Pages in the write-ahead log, as of the newest commit.
    wal_pages: Arc<AtomicU64>,
    /// Where the log ended when the last pass began.
    passed: u64,
    /// From where on a restart is tried again.
    retry: u64,
    wake: SyncSender<()>,
    under_way: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Also gives what the thread waits for.
    pub(crate) fn new() -> (Checkpoints, Passes) {
        let (wake, woken) = sync_channel(1);
        let under_way = Arc::new(AtomicBool::new(false));
        let passes = Passes { woken, under_way: under_way.clone() };
        let checkpoints = Checkpoints { wal_pages: Arc::default(), passed: 0, retry: 0, wake, under_way };
        (checkpoints, passes)
    }

    /// Learns of the log's length from each commit.
    pub(crate) fn listen(&self, db: &mut Connection) -> rusqlite::Result<()> {
        let wal_pages = self.wal_pages.clone();
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            wal_pages.store(pages as u64, Relaxed);
            Ok(())
        }))
    }

    pub(crate) fn after_group(&mut self, db: &Connection, shared: &Shared) {
        let bytes = self.wal_pages.load(Relaxed) * PAGE;
        shared.figures.wal_bytes.store(bytes, Relaxed);
        if bytes < self.passed {
            (self.passed, self.retry) = (0, 0); // begun anew
        }
        if self.under_way.load(Relaxed) {
            return;
        }
        if bytes >= WAL_BYTES.max(self.retry) {
            let begun_anew = begin_anew(db);
            self.retry = if begun_anew { 0 } else { bytes + STEP_BYTES / 4 };
            self.passed = bytes;
        } else if bytes >= self.passed + STEP_BYTES {
            self.passed = bytes;
            self.under_way.store(true, Relaxed);
            let _ = self.wake.try_send(()); // full: it is about to look anyway
        }
    }

    /// Empties the log. If that fails, the next start does it.
    pub(crate) fn finish(&self, db: &Connection) {
        if let Err(error) = checkpoint(db, "TRUNCATE") {
            tracing::warn!(%error, "store: the last checkpoint failed");
        }
    }
}

/// Copies the rest, waits for readers of the old log, and lets the next commit begin it anew.
fn begin_anew(db: &Connection) -> bool {
    let waiting = db.busy_timeout(READERS_FINISH);
    let done = waiting.and_then(|()| checkpoint(db, "RESTART"));
    let _ = db.busy_timeout(BUSY);
    done.inspect_err(|error| tracing::warn!(%error, "store: a checkpoint failed")).unwrap_or(false)
}

/// Whether all of the log is in the database now.
fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<bool> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}

/// The thread's side.
pub(crate) struct Passes {
    woken: Receiver<()>,
    under_way: Arc<AtomicBool>,
}

impl Passes {
    /// Works until the writer is gone.
    pub(crate) fn serve(self, shared: &Shared) {
        let path = shared.options.folder.join(DATABASE);
        if let Err(error) = count_sessions(&path, shared) {
            tracing::debug!(%error, "store: sessions could not be counted");
        }
        let mut db = None;
        while self.woken.recv().is_ok() {
            let pass = || -> rusqlite::Result<()> {
                if db.is_none() {
                    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                    let fresh = Connection::open_with_flags(&path, flags)?;
                    fresh.execute_batch("PRAGMA cache_size = -64; PRAGMA wal_autocheckpoint = 0;")?;
                    db = Some(fresh);
                }
                let db = db.as_ref().expect("just opened");
                checkpoint(db, "PASSIVE").map(drop)
            };
            let mut pass = pass;
            if let Err(error) = pass() {
                tracing::warn!(%error, "store: a checkpoint failed");
                db = None;
            }
            self.under_way.store(false, Relaxed);
        }
    }
}

/// Counts what is stored, beside the start: a start takes as long with ten thousand sessions as with none.
fn count_sessions(path: &std::path::Path, shared: &Shared) -> rusqlite::Result<()> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    let known = &shared.figures.sessions;
    loop {
        let before = known.load(Relaxed);
        let count = db.query_row("SELECT COUNT(*) FROM sessions", [], |row| row.get(0))?;
        // Sessions that came or went meanwhile are counted by whoever wrote them: then it is looked at once more.
        if known.compare_exchange(before, count, Relaxed, Relaxed).is_ok() {
            return Ok(());
        }
    }
}
