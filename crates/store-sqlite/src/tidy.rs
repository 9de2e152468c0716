//! Upkeep in small steps: rows of deleted sessions, old feed entries, blobs that nothing names, space for the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rejoin_core::position::Millis;
use rejoin_ports::store::{BLOB_GRACE_MS, FEED_KEPT};
use rusqlite::{Connection, OptionalExtension};

use crate::blobs::{self, Blobs};
use crate::writer::Desk;

/// Rows of a log removed in one step: at most 4 MiB.
const LOG_ROWS: i64 = 64;
/// Small rows removed in one step.
const SMALL_ROWS: i64 = 1000;
/// Pages given back to the disk in one step, when a quarter of the file, and this many steps' worth, is unused.
const PAGES: i64 = 256;
const WORTH_STEPS: i64 = 8;

/// Where the round is.
#[derive(Default)]
pub(crate) enum Round {
    #[default]
    Graves,
    /// Behind this owner.
    Feeds(String),
    /// Folders of blobs that are left.
    Blobs(Vec<PathBuf>),
    Space,
}

/// One step of removing what deleted sessions left. Says whether there is more.
pub(crate) fn dig(db: &Connection, desk: &mut Desk) -> rusqlite::Result<bool> {
    let grave = db
        .prepare_cached("SELECT session FROM graves LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(session) = grave else {
        return Ok(false);
    };
    if desk.pending.has(session) {
        desk.shelve(db)?; // or its newest rows would be shelved when its grave is gone
        return Ok(true);
    }
    let bound = "SELECT MAX(last) FROM (SELECT last FROM shelf WHERE session = ? ORDER BY last LIMIT ?)";
    let bound: Option<i64> = db.prepare_cached(bound)?.query_row((session, LOG_ROWS), |row| row.get(0))?;
    if let Some(bound) = bound {
        let rows = "DELETE FROM log WHERE id IN (SELECT row FROM shelf WHERE session = ? AND last <= ?)";
        db.prepare_cached(rows)?.execute((session, bound))?;
        db.prepare_cached("DELETE FROM shelf WHERE session = ? AND last <= ?")?.execute((session, bound))?;
        return Ok(true);
    }
    for sql in [
        "DELETE FROM receipts WHERE session = ?1 AND name IN (SELECT name FROM receipts WHERE session = ?1 LIMIT ?2)",
        "DELETE FROM places WHERE session = ?1 AND message IN (SELECT message FROM places WHERE session = ?1 LIMIT ?2)",
        "DELETE FROM blob_refs WHERE session = ?1 AND hash IN (SELECT hash FROM blob_refs WHERE session = ?1 LIMIT ?2)",
        "DELETE FROM named_blobs WHERE session = ?1 AND name IN (SELECT name FROM named_blobs WHERE session = ?1 LIMIT ?2)",
    ] {
        if db.prepare_cached(sql)?.execute((session, SMALL_ROWS))? > 0 {
            return Ok(true);
        }
    }
    db.execute("DELETE FROM graves WHERE session = ?", [session])?;
    Ok(true)
}

/// One step of shortening the feeds behind `owner`. Gives the owner to go on behind, until there is none.
pub(crate) fn shorten_feed(db: &Connection, owner: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT MIN(owner) FROM feed WHERE owner > ?";
    let next: Option<String> = db.prepare_cached(sql)?.query_row([owner], |row| row.get(0))?;
    let Some(next) = next else { return Ok(None) };
    // A feed has no holes, so its newest number tells which ones are too many.
    let sql = "DELETE FROM feed WHERE owner = ?1
        AND seq <= (SELECT MAX(seq) FROM feed WHERE owner = ?1) - ?2
        AND seq < (SELECT MIN(seq) FROM feed WHERE owner = ?1) + ?3";
    let gone = db.prepare_cached(sql)?.execute((&next, FEED_KEPT as i64, SMALL_ROWS))?;
    // A full step: the same owner again.
    let full = gone as i64 == SMALL_ROWS;
    Ok(Some(if full { owner.to_owned() } else { next }))
}

/// Shelves of blobs, one per first byte of their names, of every tenant.
pub(crate) fn shelves(blobs: &Blobs) -> std::io::Result<Vec<PathBuf>> {
    let mut shelves = Vec::new();
    for tenant in folders_in(blobs.folder())? {
        shelves.extend(folders_in(&tenant)?);
    }
    Ok(shelves)
}

fn folders_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What goes wrong while sweeping.
#[derive(Debug)]
pub(crate) enum Unswept {
    Files(std::io::Error),
    Database(rusqlite::Error),
}

impl From<std::io::Error> for Unswept {
    fn from(error: std::io::Error) -> Unswept {
        Unswept::Files(error)
    }
}
impl From<rusqlite::Error> for Unswept {
    fn from(error: rusqlite::Error) -> Unswept {
        Unswept::Database(error)
    }
}

/// Removes what nothing names from one shelf.
pub(crate) fn sweep(db: &Connection, blobs: &Blobs, shelf: &Path, now: Millis) -> Result<(), Unswept> {
    let before = UNIX_EPOCH + Duration::from_millis(now.saturating_sub(BLOB_GRACE_MS));
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let tenant = shelf.parent().map(name).unwrap_or_default();
    for path in folders_in(shelf)? {
        let hash = name(shelf) + &name(&path);
        // Anything else in the folder is not ours to remove, but for what a crash left unfinished.
        if blobs::is_hash(&hash) || blobs::is_unfinished(&path) {
            let swept = blobs.sweep(&path, before, || is_named(db, &tenant, &hash));
            match swept {
                Err(Unswept::Files(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                swept => swept?,
            }
        }
    }
    Ok(())
}

fn is_named(db: &Connection, tenant_folder: &str, hash: &str) -> Result<bool, Unswept> {
    let sql = "SELECT tenant FROM file_versions WHERE hash = ?1
        UNION SELECT tenant FROM blob_refs WHERE hash = ?1
        UNION SELECT tenant FROM named_blobs WHERE hash = ?1";
    let mut find = db.prepare_cached(sql)?;
    let mut tenants = find.query([hash])?;
    while let Some(row) = tenants.next()? {
        if blobs::tenant_folder(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) == tenant_folder {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives unused space back, if there is much of it. Says whether there is more.
pub(crate) fn give_back(db: &Connection) -> rusqlite::Result<bool> {
    let number = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let unused = number("PRAGMA freelist_count")?;
    if unused < PAGES * WORTH_STEPS || unused < number("PRAGMA page_count")? / 4 {
        return Ok(false);
    }
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(true)
}
