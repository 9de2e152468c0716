//! What was added lately and is not indexed yet.
//!
//! An index of logs by session, and one of receipts, are touched all over by commits of many sessions: a page for each
//! commit, which all has to go through the write-ahead log. So rows are only added at the end of `log`, with their receipts
//! in them; what is in the newest ones is remembered here, and put into the indexes (the `shelf` and `receipts`) by the
//! thousand, sorted, when many entries share a page. After a crash it is read again from the rows behind the mark `shelved`.

use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, OptionalExtension};

use crate::rows::PLAIN;
use crate::schema::{self, meta};
use crate::sessions::int;
use crate::trouble::unreadable;

/// About how many bytes of rows wait, so that a start reads little even where appends are large.
const BYTES: usize = 8 << 20;

/// A row of the log, for whoever looks for it by session and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) last: u64,
    pub(crate) solid: bool,
    pub(crate) row: i64,
}

/// What proves that a command was done: the number, and what the command was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) seq: u64,
    pub(crate) body: [u8; 16],
}

/// Whose command, and which.
pub(crate) type ReceiptKey = (i64, [u8; 16]);

/// What is not shelved. The writer changes it: what a transaction adds is here before the database says that it is kept, and
/// what it shelves is here until then. Readers look into it before they look into the database, so that what moves from here
/// to there meanwhile is seen twice rather than never; of what they find they believe the rows that the database shows
/// them ([`newest_row`]), and what came with these.
#[derive(Default)]
pub(crate) struct Pending(RwLock<Waiting>);

#[derive(Default)]
struct Waiting {
    rows: HashMap<i64, Vec<Entry>>,
    /// Each with the row that it came with.
    receipts: HashMap<i64, HashMap<[u8; 16], (i64, Proof)>>,
    count: usize,
    bytes: usize,
}

impl Waiting {
    /// Keeps only what came with certain rows.
    fn retain(&mut self, keep: impl Fn(i64) -> bool) {
        self.rows.retain(|_, rows| {
            rows.retain(|entry| keep(entry.row));
            !rows.is_empty()
        });
        self.receipts.retain(|_, receipts| {
            receipts.retain(|_, (row, _)| keep(*row));
            !receipts.is_empty()
        });
        self.count = self.rows.values().map(Vec::len).sum();
    }
}

impl Pending {
    fn waiting(&self) -> RwLockReadGuard<'_, Waiting> {
        self.0.read().expect("no holder of this lock panics")
    }
    fn waiting_mut(&self) -> RwLockWriteGuard<'_, Waiting> {
        self.0.write().expect("no holder of this lock panics")
    }

    /// Rows of a session that end behind `after`, oldest first, at most `most`.
    pub(crate) fn rows(&self, session: i64, after: u64, most: usize) -> Vec<Entry> {
        let waiting = self.waiting();
        let Some(rows) = waiting.rows.get(&session) else { return Vec::new() };
        let first = rows.partition_point(|entry| entry.last <= after);
        rows[first..].iter().take(most).copied().collect()
    }

    pub(crate) fn has(&self, session: i64) -> bool {
        self.waiting().rows.contains_key(&session)
    }

    /// The proof of a command, and the row that it came with.
    fn receipt(&self, key: &ReceiptKey) -> Option<(i64, Proof)> {
        self.waiting().receipts.get(&key.0)?.get(&key.1).copied()
    }
    /// The names of a session's receipts, each with its row.
    pub(crate) fn receipts(&self, session: i64) -> Vec<([u8; 16], i64)> {
        let waiting = self.waiting();
        let Some(own) = waiting.receipts.get(&session) else { return Vec::new() };
        own.iter().map(|(name, (row, _))| (*name, *row)).collect()
    }

    /// Begins anew with what is found in the database, after a failure that leaves doubts.
    pub(crate) fn replace(&self, found: Pending) {
        let found = found.0.into_inner().expect("no holder of this lock panics");
        *self.waiting_mut() = found;
    }

    /// Finds the rows that the last process has added and not shelved. Also gives the largest number of a row.
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<(Pending, i64)> {
        let mut fresh = Fresh::default();
        let mut newest = schema::get(db, meta::SHELVED)?.map_or(0, int);
        let sql = "SELECT id, session, last, solid, form, receipts, length(body) FROM log WHERE id > ? ORDER BY id";
        let mut find = db.prepare(sql)?;
        let mut rows = find.query([newest])?;
        while let Some(row) = rows.next()? {
            newest = row.get(0)?;
            if row.get::<_, i64>(4)? != PLAIN {
                continue; // what was packed is on the shelf already
            }
            let session = row.get(1)?;
            let entry = Entry { last: row.get::<_, i64>(2)? as u64, solid: row.get(3)?, row: newest };
            fresh.add(session, entry, row.get::<_, i64>(6)? as usize);
            if let Some(receipts) = row.get_ref(5)?.as_blob_or_null()? {
                for (name, proof) in read_receipts(receipts)? {
                    fresh.add_receipt((session, name), newest, proof);
                }
            }
        }
        let pending = Pending::default();
        fresh.offer(&pending);
        Ok((pending, newest))
    }
}

/// What the transaction under way adds.
#[derive(Default)]
pub(crate) struct Fresh {
    rows: Vec<(i64, Entry)>,
    receipts: HashMap<ReceiptKey, (i64, Proof)>,
    bytes: usize,
    /// Up to this row everything is being shelved by it.
    shelved: Option<i64>,
    /// From this row on, what is pending is its own.
    offered: Option<i64>,
}

impl Fresh {
    pub(crate) fn add(&mut self, session: i64, entry: Entry, bytes: usize) {
        self.rows.push((session, entry));
        self.bytes += bytes;
    }
    /// Adds the proof of a command, which stands in `row`.
    pub(crate) fn add_receipt(&mut self, key: ReceiptKey, row: i64, proof: Proof) {
        self.receipts.insert(key, (row, proof));
    }

    /// The first of these commands that was done before.
    pub(crate) fn first_done(
        &self,
        db: &Connection,
        pending: &Pending,
        session: i64,
        names: &[[u8; 16]],
    ) -> rusqlite::Result<Option<usize>> {
        if names.is_empty() {
            return Ok(None);
        }
        let mut find = db.prepare_cached("SELECT 1 FROM receipts WHERE session = ? AND name = ?")?;
        let waiting = pending.waiting();
        // Nobody else writes, so whatever waits is in the database that we see.
        let waiting = waiting.receipts.get(&session);
        for (at, name) in names.iter().enumerate() {
            let known =
                waiting.is_some_and(|own| own.contains_key(name)) || self.receipts.contains_key(&(session, *name));
            if known || find.exists((session, name))? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Whether more than `most` rows wait.
    pub(crate) fn is_due(&self, pending: &Pending, most: usize) -> bool {
        let waiting = pending.waiting();
        waiting.count + self.rows.len() > most || waiting.bytes + self.bytes >= BYTES
    }

    /// Puts all that waits into the indexes. `newest` is the largest number of a row.
    pub(crate) fn shelve(&mut self, db: &Connection, pending: &Pending, newest: i64) -> rusqlite::Result<()> {
        let waiting = pending.waiting();
        let mut rows = std::mem::take(&mut self.rows);
        let mut receipts: Vec<_> = self.receipts.drain().collect();
        if self.shelved.is_none() {
            rows.extend(waiting.rows.iter().flat_map(|(session, rows)| rows.iter().map(|entry| (*session, *entry))));
            for (session, own) in &waiting.receipts {
                receipts.extend(own.iter().map(|(name, proof)| ((*session, *name), *proof)));
            }
        }
        drop(waiting);
        self.bytes = 0;
        self.shelved = Some(newest);
        rows.sort_unstable();
        receipts.sort_unstable_by_key(|(key, _)| *key);
        let mut put = db.prepare_cached("INSERT INTO shelf (session, last, solid, row) VALUES (?, ?, ?, ?)")?;
        for (session, entry) in rows {
            put.execute((session, int(entry.last), entry.solid, entry.row))?;
        }
        let mut put = db.prepare_cached("INSERT INTO receipts (session, name, seq, body) VALUES (?, ?, ?, ?)")?;
        for ((session, name), (_, proof)) in receipts {
            put.execute((session, name, int(proof.seq), proof.body))?;
        }
        schema::set(db, meta::SHELVED, newest as u64)
    }

    /// The transaction is complete. From the moment when the database shows it, readers find what it added.
    pub(crate) fn offer(&mut self, pending: &Pending) {
        let Some((_, first)) = self.rows.first() else { return };
        self.offered = Some(first.row);
        let mut waiting = pending.waiting_mut();
        waiting.count += self.rows.len();
        waiting.bytes += self.bytes;
        for (session, entry) in self.rows.drain(..) {
            waiting.rows.entry(session).or_default().push(entry);
        }
        for ((session, name), proof) in self.receipts.drain() {
            waiting.receipts.entry(session).or_default().insert(name, proof);
        }
    }

    /// The transaction is kept.
    pub(crate) fn settle(&mut self, pending: &Pending) {
        if let Some(shelved) = self.shelved {
            let mut waiting = pending.waiting_mut();
            waiting.retain(|row| row > shelved);
            waiting.bytes = self.bytes;
        }
        *self = Fresh::default();
    }

    /// The transaction is lost.
    pub(crate) fn forget(&mut self, pending: &Pending) {
        if let Some(offered) = self.offered {
            let mut waiting = pending.waiting_mut();
            waiting.retain(|row| row < offered);
            waiting.bytes = waiting.bytes.saturating_sub(self.bytes);
        }
        *self = Fresh::default();
    }
}

/// The newest row that this view of the database shows. Rows are numbered in the order in which they are kept.
pub(crate) fn newest_row(view: &Connection) -> rusqlite::Result<i64> {
    let newest: Option<i64> = view.prepare_cached("SELECT MAX(id) FROM log")?.query_row([], |row| row.get(0))?;
    Ok(newest.unwrap_or(0))
}

/// Finds the proof of a command, wherever it is.
pub(crate) fn proof(db: &Connection, pending: &Pending, key: &ReceiptKey) -> rusqlite::Result<Option<Proof>> {
    if let Some((row, proof)) = pending.receipt(key)
        && row <= newest_row(db)?
    {
        return Ok(Some(proof));
    }
    db.prepare_cached("SELECT seq, body FROM receipts WHERE session = ? AND name = ?")?
        .query_row((key.0, key.1), |row| Ok(Proof { seq: row.get::<_, i64>(0)? as u64, body: row.get(1)? }))
        .optional()
}

/// The numbers of commands with these names.
pub(crate) fn find_named(
    db: &Connection,
    pending: &Pending,
    session: i64,
    names: &[[u8; 16]],
) -> rusqlite::Result<Vec<Option<u64>>> {
    let waiting: Vec<Option<(i64, Proof)>> = {
        let waiting = pending.waiting(); // first this: what is shelved meanwhile is in both
        let own = waiting.receipts.get(&session);
        names.iter().map(|name| own?.get(name).copied()).collect()
    };
    let view = db.unchecked_transaction()?; // one view of the database, and one lock of it
    let newest = newest_row(&view)?;
    let mut find = view.prepare_cached("SELECT seq FROM receipts WHERE session = ? AND name = ?")?;
    let seq = |(name, waiting): (&[u8; 16], Option<(i64, Proof)>)| match waiting.filter(|(row, _)| *row <= newest) {
        Some((_, proof)) => Ok(Some(proof.seq)),
        None => {
            find.query_row((session, name), |row| row.get::<_, i64>(0)).optional().map(|seq| seq.map(|seq| seq as u64))
        }
    };
    names.iter().zip(waiting).map(seq).collect()
}

const RECEIPT: usize = 16 + 16 + 8;

/// Receipts as they stand in the row of their append.
pub(crate) fn write_receipts<'a>(receipts: impl Iterator<Item = ([u8; 16], &'a Proof)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, proof) in receipts {
        out.extend_from_slice(&name);
        out.extend_from_slice(&proof.body);
        out.extend_from_slice(&proof.seq.to_be_bytes());
    }
    out
}

fn read_receipts(blob: &[u8]) -> rusqlite::Result<Vec<([u8; 16], Proof)>> {
    let (receipts, rest) = blob.as_chunks::<RECEIPT>();
    if !rest.is_empty() {
        return Err(unreadable("the receipts of a log row are cut off"));
    }
    let read = |receipt: &[u8; RECEIPT]| {
        let (mut name, mut body, mut seq) = ([0; 16], [0; 16], [0; 8]);
        name.copy_from_slice(&receipt[..16]);
        body.copy_from_slice(&receipt[16..32]);
        seq.copy_from_slice(&receipt[32..]);
        (name, Proof { seq: u64::from_be_bytes(seq), body })
    };
    Ok(receipts.iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_survive_their_row() {
        let proof = Proof { seq: 7, body: [2; 16] };
        let blob = write_receipts([([1; 16], &proof), ([3; 16], &proof)].into_iter());
        assert_eq!(read_receipts(&blob).unwrap(), [([1; 16], proof), ([3; 16], proof)]);
        assert!(read_receipts(&blob[1..]).is_err());
    }
}
