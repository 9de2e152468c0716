//! The tables, and how a file of an older version becomes one of ours: numbered steps, forward only.

use rusqlite::{Connection, OptionalExtension};

use crate::sessions::int;

/// Step `n` makes version `n + 1`. Released steps are never changed; a new version appends one.
const STEPS: &[&str] = &[FIRST, NAMED_BLOBS];

const FIRST: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- `key` is never given twice, so rows that outlive their session for a while belong to nobody.
-- `born` and `settled` are floors: the one of the store when the session was created, and when it was last appended to.
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tip INTEGER NOT NULL,
    term INTEGER NOT NULL,
    born INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    life INTEGER NOT NULL,
    unsettled INTEGER NOT NULL,
    wake_at INTEGER,
    trimmed INTEGER NOT NULL DEFAULT 0,
    tenant TEXT NOT NULL,
    owner TEXT,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    archived INTEGER NOT NULL,
    parent TEXT,
    workspace TEXT,
    created_at INTEGER NOT NULL,
    header TEXT NOT NULL
);
CREATE INDEX sessions_listed ON sessions (tenant, kind, created_at, id);
CREATE INDEX sessions_of_parent ON sessions (parent, created_at, id) WHERE parent IS NOT NULL;
CREATE INDEX sessions_of_workspace ON sessions (workspace, created_at, id) WHERE workspace IS NOT NULL;
CREATE INDEX sessions_waking ON sessions (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE INDEX sessions_unsettled ON sessions (id) WHERE unsettled = 1;

-- One row per append, added at the end of the table whatever its session. `form` 0: lines; 1: zstd of lines, of which deltas
-- may have faded. `receipts` are those of the append, for whoever reads rows that are not indexed yet.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    last INTEGER NOT NULL,
    solid INTEGER NOT NULL,
    form INTEGER NOT NULL,
    receipts BLOB,
    body BLOB NOT NULL
);

-- Where the rows of a session are, but for those behind the mark `shelved`, whose `form` is 0.
CREATE TABLE shelf (
    session INTEGER NOT NULL,
    last INTEGER NOT NULL,
    solid INTEGER NOT NULL,
    row INTEGER NOT NULL,
    PRIMARY KEY (session, last)
) WITHOUT ROWID;

-- `name` is made of user and command.
CREATE TABLE receipts (
    session INTEGER NOT NULL,
    name BLOB NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (session, name)
) WITHOUT ROWID;

CREATE TABLE places (
    session INTEGER NOT NULL,
    message TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (session, message)
) WITHOUT ROWID;

CREATE TABLE claims (
    space TEXT NOT NULL,
    key TEXT NOT NULL,
    holder TEXT NOT NULL,
    PRIMARY KEY (space, key)
) WITHOUT ROWID;
CREATE INDEX claims_of_holder ON claims (holder);

CREATE TABLE records (
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value BLOB,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, key)
);

-- Of a session: `session`, `number` (its seq) and `word` (the change). Of a record: `key`, `number` (its version), `word` (its kind).
CREATE TABLE feed (
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    session TEXT,
    key TEXT,
    number INTEGER NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (owner, seq)
) WITHOUT ROWID;

CREATE TABLE file_versions (
    workspace TEXT NOT NULL,
    path TEXT NOT NULL,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    change TEXT NOT NULL,
    hash TEXT,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    session TEXT,
    PRIMARY KEY (workspace, path, version)
) WITHOUT ROWID;
CREATE INDEX file_versions_of_hash ON file_versions (hash, tenant) WHERE hash IS NOT NULL;

-- Blobs that a session's log names.
CREATE TABLE blob_refs (
    session INTEGER NOT NULL,
    hash TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (session, hash)
) WITHOUT ROWID;
CREATE INDEX blob_refs_of_hash ON blob_refs (hash, tenant);

-- Deleted sessions whose rows are still to be removed, a few at a time.
CREATE TABLE graves (session INTEGER PRIMARY KEY);
";

const NAMED_BLOBS: &str = "
-- Blobs that a session has under names of its own.
CREATE TABLE named_blobs (
    session INTEGER NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (session, name)
) WITHOUT ROWID;
CREATE INDEX named_blobs_of_hash ON named_blobs (hash, tenant);
";

/// The newest version this program knows.
pub(crate) const VERSION: u32 = STEPS.len() as u32;

/// A file that a newer version of this program has written.
#[derive(Debug, thiserror::Error)]
#[error("the database has version {found}, and this program knows versions up to {VERSION}")]
pub(crate) struct TooNew {
    pub(crate) found: u32,
}

pub(crate) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Takes the steps that the file has not seen. Each is one transaction.
pub(crate) fn migrate(db: &Connection) -> rusqlite::Result<Result<(), TooNew>> {
    let found = version(db)?;
    if found > VERSION {
        return Ok(Err(TooNew { found }));
    }
    for (step, number) in STEPS.iter().zip(1..).skip(found as usize) {
        let all = format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;");
        db.execute_batch(&all).inspect_err(|_| {
            let _ = db.execute_batch("ROLLBACK"); // the first error is the one to tell
        })?;
    }
    Ok(Ok(()))
}

/// Numbers that belong to the whole store.
pub(crate) mod meta {
    /// Which life of the store this is: 48 random bits.
    pub(crate) const EPOCH: &str = "epoch";
    /// The largest number that other lives of the store may have given; 0 if it was never restored.
    pub(crate) const FLOOR: &str = "floor";
    /// Counts the processes that opened it.
    pub(crate) const LIFE: &str = "life";
    /// Rows of the log up to this one are on the shelf.
    pub(crate) const SHELVED: &str = "shelved";
    /// 1 if the last one closed it in order.
    pub(crate) const CLEAN: &str = "clean";
}

pub(crate) fn get(db: &Connection, name: &str) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT value FROM meta WHERE name = ?";
    db.query_row(sql, [name], |row| row.get::<_, i64>(0)).optional().map(|found| found.map(|value| value as u64))
}

pub(crate) fn set(db: &Connection, name: &str, value: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.execute(sql, (name, int(value))).map(drop)
}
