//! Cached folds, in a file of their own that may vanish at any time: it is never synced, and begun anew when in doubt.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use aws_lc_rs::digest;
use bytes::Bytes;
use rejoin_core::position::{Epoch, Seq};
use rusqlite::{Connection, OptionalExtension};

use crate::CACHE;
use crate::sessions::int;

/// Raised when the table below changes.
const VERSION: i64 = 1;

pub(crate) struct Snapshots {
    path: PathBuf,
    epoch: Epoch,
    /// Whether the last process left everything in order.
    clean: bool,
    db: Mutex<Option<Connection>>,
}

impl Snapshots {
    /// Opens nothing yet: a start does not wait for a cache.
    pub(crate) fn new(folder: &Path, epoch: Epoch, clean: bool) -> Snapshots {
        Snapshots { path: folder.join(CACHE), epoch, clean, db: Mutex::default() }
    }

    pub(crate) fn get(&self, session: i64, fold: u32) -> Option<(Seq, Bytes)> {
        let sql = "SELECT at, state, sum FROM snapshots WHERE session = ? AND fold = ?";
        let found = self.with(|db| {
            db.prepare_cached(sql)?
                .query_row((session, fold), |row| {
                    let at = row.get::<_, i64>(0)? as u64;
                    Ok((at, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
                })
                .optional()
        });
        let (at, state, sum) = found??;
        // Without syncs the file may lie after a power cut, and a wrong fold is worse than none.
        let intact = sum == sum_of(at, &state);
        Some((Seq::new(at).filter(|_| intact)?, state.into()))
    }

    pub(crate) fn put(&self, session: i64, fold: u32, at: Seq, state: &[u8]) {
        let sql = "INSERT OR REPLACE INTO snapshots (session, fold, at, state, sum) VALUES (?, ?, ?, ?, ?)";
        let sum = sum_of(at.get(), state);
        self.with(|db| db.prepare_cached(sql)?.execute((session, fold, int(at.get()), state, sum)));
    }

    pub(crate) fn forget(&self, session: i64) {
        self.with(|db| db.execute("DELETE FROM snapshots WHERE session = ?", [session]));
    }

    pub(crate) fn close(&self) {
        if let Some(db) = self.lock().take() {
            let _ = db.close(); // it is a cache
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.db.lock().expect("no holder of this lock panics")
    }

    /// Whatever goes wrong: the file is removed, and there was no snapshot.
    fn with<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let mut db = self.lock();
        if db.is_none() {
            *db = self.open();
        }
        match ask(db.as_ref()?) {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%error, "store: the cache of folds is begun anew");
                *db = None;
                remove(&self.path);
                None
            }
        }
    }

    fn open(&self) -> Option<Connection> {
        let opened = self.try_open().or_else(|_| {
            remove(&self.path);
            self.try_open()
        });
        opened.inspect_err(|error| tracing::warn!(%error, "store: there is no cache of folds")).ok()
    }

    fn try_open(&self) -> rusqlite::Result<Connection> {
        let db = connect(&self.path)?;
        let boot = boot();
        let known = db
            .query_row("SELECT epoch, boot FROM life", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .optional();
        let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        // After a power cut it may know of commits that the log has lost, if those were not synced either.
        let trusted = version == VERSION
            && matches!(&known, Ok(Some((epoch, of)))
                if *epoch == int(self.epoch.0) && (self.clean || *of == boot && !boot.is_empty()));
        if trusted {
            db.execute("UPDATE life SET boot = ?", [&boot])?;
            return Ok(db);
        }
        drop(db);
        remove(&self.path);
        let db = connect(&self.path)?;
        db.execute_batch(&format!(
            "CREATE TABLE life (epoch INTEGER NOT NULL, boot TEXT NOT NULL);
            CREATE TABLE snapshots (session INTEGER PRIMARY KEY, fold INTEGER NOT NULL, at INTEGER NOT NULL,
                state BLOB NOT NULL, sum BLOB NOT NULL);
            PRAGMA user_version = {VERSION};"
        ))?;
        db.execute("INSERT INTO life (epoch, boot) VALUES (?, ?)", (int(self.epoch.0), &boot))?;
        Ok(db)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    // Exclusive: nobody else uses it, and then its log needs no shared memory.
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -256;",
    )?;
    Ok(db)
}

fn remove(path: &Path) {
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let _ = fs::remove_file(name); // it is usually not there
    }
}

/// Names the time since the machine was switched on. Empty where the system has no name for it.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn sum_of(at: u64, state: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&at.to_be_bytes());
    context.update(state);
    context.finish().as_ref()[..8].to_vec()
}
