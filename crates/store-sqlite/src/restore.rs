//! Putting a backup in place of what is there.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rejoin_core::position::Epoch;
use rejoin_ports::store::StoreError;
use rusqlite::{Connection, OpenFlags};

use crate::schema::{self, meta};
use crate::{BLOBS, CACHE, DATABASE, blobs, lock, store, trouble};

const DOING: &str = "restoring a backup";

/// How far the numbers of the new life are beyond the largest that is known to have been given. What was given and lost
/// since the backup cannot be known; it cannot have been this much.
pub const LIFT: u64 = 1 << 32;

/// How every database file begins.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub epoch: Epoch,
    /// Where the database is that was there before.
    pub kept: Option<PathBuf>,
}

/// Puts a backup (its folder, or the database in it) in place of the database in `data`, and begins a new life of the
/// store: with an epoch of its own, and with numbers beyond all that were ever given. What was there is kept beside it.
/// Nobody may have the data folder open.
pub fn restore(backup: &Path, data: &Path) -> Result<Restored, StoreError> {
    let file = |error: io::Error| trouble::file(DOING, &error);
    let database = |error: rusqlite::Error| trouble::database(DOING, data, &error);
    let (source, source_blobs) = if backup.is_dir() {
        (backup.join(DATABASE), backup.join(BLOBS))
    } else {
        let beside = backup.parent().unwrap_or(Path::new(".")).join(BLOBS);
        (backup.to_owned(), beside)
    };
    fs::create_dir_all(data).map_err(file)?;
    let _lock = lock::lock(data)?;
    let place = data.join(DATABASE);
    let fresh = data.join("rejoin.db.restoring");
    remove_with_log(&fresh).map_err(file)?;
    fs::copy(&source, &fresh).map_err(file)?;

    let before = newest_before(&place);
    let epoch = begin_life(&fresh, before).map_err(database)??;
    fs::File::open(&fresh).and_then(|file| file.sync_all()).map_err(file)?;
    blobs::copy_all(&source_blobs, &data.join(BLOBS)).map_err(file)?;

    let kept = keep_aside(&place).map_err(file)?;
    remove_with_log(&data.join(CACHE)).map_err(file)?;
    fs::rename(&fresh, &place).map_err(file)?;
    blobs::sync_folder(data).map_err(file)?;
    Ok(Restored { epoch, kept })
}

/// The largest number that the database in place has given, if it can still be read. Also empties its write-ahead log.
fn newest_before(place: &Path) -> u64 {
    // Opened, SQLite would clear away the log of a file that it does not recognise, and somebody may still want it.
    let recognised = fs::File::open(place).and_then(|mut file| {
        let mut start = [0; SQLITE.len()];
        file.read_exact(&mut start)?;
        Ok(start == *SQLITE)
    });
    if !recognised.unwrap_or(false) {
        return 0;
    }
    let newest = || -> rusqlite::Result<u64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(place, flags)?;
        let newest = largest_number(&db)?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(newest)
    };
    newest().unwrap_or(0) // not there, or damaged, which may be why a backup is restored
}

fn largest_number(db: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT MAX(
        COALESCE((SELECT MAX(tip) FROM sessions), 0),
        COALESCE((SELECT MAX(seq) FROM feed), 0),
        COALESCE((SELECT MAX(version) FROM records), 0),
        COALESCE((SELECT value FROM meta WHERE name = 'floor'), 0))";
    db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|newest| newest as u64)
}

/// Gives the copied database its own epoch and its floor. Gives the epoch.
fn begin_life(fresh: &Path, before: u64) -> rusqlite::Result<Result<Epoch, StoreError>> {
    let db = Connection::open(fresh)?;
    // One file, without a log beside it that a rename would leave behind.
    db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    if schema::version(&db)? == 0 {
        return Ok(Err(StoreError::Corrupt { doing: DOING, why: "the backup is no database of ours".to_owned() }));
    }
    let check: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Ok(Err(StoreError::Corrupt { doing: DOING, why: check }));
    }
    if let Err(too_new) = schema::migrate(&db)? {
        return Ok(Err(StoreError::Io { doing: DOING, why: too_new.to_string() }));
    }
    let epoch = store::new_epoch();
    let floor = largest_number(&db)?.max(before) + LIFT;
    db.execute_batch("BEGIN IMMEDIATE")?;
    schema::set(&db, meta::EPOCH, epoch.0)?;
    schema::set(&db, meta::FLOOR, floor)?;
    schema::set(&db, meta::CLEAN, 0)?;
    // Numbers in them may have been given again to something else; an empty feed is an honest gap.
    db.execute("DELETE FROM feed", [])?;
    // Whoever owned a session in the other life does not in this one.
    db.execute("UPDATE sessions SET term = term + 1, life = 0", [])?;
    db.execute_batch("COMMIT")?;
    Ok(Ok(epoch))
}

/// A second name for the database in place, so that it is still there when the new one takes the first.
fn keep_aside(place: &Path) -> io::Result<Option<PathBuf>> {
    if !place.exists() {
        return Ok(None);
    }
    let mut number = 1;
    let kept = loop {
        let kept = place.with_file_name(format!("{DATABASE}.before-restore-{number}"));
        if !kept.exists() {
            break kept;
        }
        number += 1;
    };
    // A log that could not be emptied belongs to the old database, and must not meet the new one.
    for end in ["-wal", "-shm"] {
        let log = with_end(place, end);
        if log.exists() {
            fs::rename(&log, with_end(&kept, end))?;
        }
    }
    match fs::hard_link(place, &kept) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => fs::rename(place, &kept)?, // a file system without links
    }
    Ok(Some(kept))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn remove_with_log(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_end(path, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
