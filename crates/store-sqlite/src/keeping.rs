//! The statements that a commit is made of.

use rejoin_core::position::Seq;
use rejoin_ports::store::{Append, FEED_KEPT, FeedEntry, FeedItem, FileVersion, Owner, Receipt};
use rusqlite::{Connection, params};

use crate::pending::{Entry, Proof, write_receipts};
use crate::prepared::Prepared;
use crate::sessions::{Head, int, kind_word, status_word};
use crate::writer::Desk;

/// One that grows faster than upkeep comes round loses its oldest entries as it grows: so often, and behind so many.
const SHORTEN_EVERY: u64 = 1_000;
const LONGEST_FEED: u64 = 2 * FEED_KEPT as u64;

/// Writes the batch, its receipts and the session's row.
pub(crate) fn append(
    db: &Connection,
    desk: &mut Desk,
    append: &Append,
    prepared: &Prepared,
    head: Option<Head>,
) -> rusqlite::Result<()> {
    let head = match head {
        Some(head) => update(db, desk, append, prepared, head)?,
        None => create(db, desk, append, prepared)?,
    };
    let first_row = desk.newest_row() + 1;
    let receipts = receipts(db, desk, (head.key, first_row), append, prepared)?;
    for (at, chunk) in prepared.rows.iter().enumerate() {
        let sql = "INSERT INTO log (id, session, last, solid, form, receipts, body) VALUES (?, ?, ?, ?, 0, ?, ?)";
        let lines = &append.batch.lines()[chunk.lines.clone()];
        let entry = Entry { last: chunk.last, solid: chunk.solid, row: desk.next_row() };
        let receipts = receipts.as_deref().filter(|_| at == 0);
        db.prepare_cached(sql)?.execute((entry.row, head.key, int(chunk.last), chunk.solid, receipts, lines))?;
        desk.fresh.add(head.key, entry, lines.len());
    }
    for (message, first, last) in &append.places {
        let sql = "INSERT OR REPLACE INTO places (session, message, first, last) VALUES (?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute((head.key, message.as_str(), int(first.get()), int(last.get())))?;
    }
    let tenant = append.row.header.tenant.as_str();
    for file in &append.files {
        keep_file(db, tenant, file)?;
    }
    for hash in &prepared.blobs {
        let sql = "INSERT OR IGNORE INTO blob_refs (session, hash, tenant) VALUES (?, ?, ?)";
        db.prepare_cached(sql)?.execute((head.key, hash, tenant))?;
    }
    desk.put_head(&append.session, head);
    Ok(())
}

/// Remembers proof of the commands. Gives what stands of it in the first row; without one it is indexed at once.
fn receipts(
    db: &Connection,
    desk: &mut Desk,
    (session, first_row): (i64, i64),
    append: &Append,
    prepared: &Prepared,
) -> rusqlite::Result<Option<Vec<u8>>> {
    if append.receipts.is_empty() {
        return Ok(None);
    }
    let proof = |receipt: &Receipt| Proof { seq: receipt.seq, body: receipt.body };
    let proofs: Vec<_> = append.receipts.iter().map(proof).collect();
    for (name, proof) in prepared.receipts.iter().zip(&proofs) {
        if prepared.rows.is_empty() {
            let sql = "INSERT INTO receipts (session, name, seq, body) VALUES (?, ?, ?, ?)";
            db.prepare_cached(sql)?.execute((session, name, int(proof.seq), proof.body))?;
        } else {
            desk.fresh.add_receipt((session, *name), first_row, *proof);
        }
    }
    Ok(Some(write_receipts(prepared.receipts.iter().copied().zip(&proofs))))
}

fn create(db: &Connection, desk: &mut Desk, append: &Append, prepared: &Prepared) -> rusqlite::Result<Head> {
    let header = &append.row.header;
    let tip = append.batch.last().map_or(0, Seq::get);
    let sql =
        "INSERT INTO sessions (id, tip, term, born, settled, life, unsettled, wake_at, tenant, owner, kind, status,
        archived, parent, workspace, created_at, header)
        VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    db.prepare_cached(sql)?.execute(params![
        append.session.as_str(),
        int(tip),
        int(desk.life.floor),
        int(desk.life.number),
        append.row.unsettled,
        append.row.wake_at.map(int),
        header.tenant.as_str(),
        header.owner.as_ref().map(|owner| owner.as_str()),
        kind_word(header.kind),
        status_word(header.status),
        header.archived,
        header.parent.as_ref().map(|parent| parent.as_str()),
        header.workspace.as_ref().map(|workspace| workspace.as_str()),
        int(header.created_at),
        prepared.header,
    ])?;
    Ok(Head {
        key: db.last_insert_rowid(),
        tip,
        term: 1,
        settled: desk.life.floor,
        wake_at: append.row.wake_at,
        unsettled: Some(append.row.unsettled),
    })
}

fn update(
    db: &Connection,
    desk: &Desk,
    append: &Append,
    prepared: &Prepared,
    mut head: Head,
) -> rusqlite::Result<Head> {
    let row = &append.row;
    if let Some(last) = append.batch.last() {
        head.tip = last.get();
        head.settled = desk.life.floor;
    }
    let sql = "UPDATE sessions SET tip = ?, settled = ?, status = ?, archived = ?, header = ? WHERE key = ?";
    db.prepare_cached(sql)?.execute((
        int(head.tip),
        int(head.settled),
        status_word(row.header.status),
        row.header.archived,
        &prepared.header,
        head.key,
    ))?;
    // Apart, because each costs an index entry, and most appends change neither.
    if head.wake_at != row.wake_at {
        db.prepare_cached("UPDATE sessions SET wake_at = ? WHERE key = ?")?
            .execute((row.wake_at.map(int), head.key))?;
        head.wake_at = row.wake_at;
    }
    if head.unsettled != Some(row.unsettled) {
        db.prepare_cached("UPDATE sessions SET unsettled = ?, life = ? WHERE key = ?")?.execute((
            row.unsettled,
            int(desk.life.number),
            head.key,
        ))?;
        head.unsettled = Some(row.unsettled);
    }
    Ok(head)
}

fn keep_file(db: &Connection, tenant: &str, file: &FileVersion) -> rusqlite::Result<()> {
    let sql = "INSERT INTO file_versions (workspace, path, version, tenant, change, hash, size, at, session)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute((
        file.workspace.as_str(),
        &file.path,
        int(file.version),
        tenant,
        crate::lists::change_word(file.change),
        &file.hash,
        int(file.size),
        int(file.at),
        file.session.as_ref().map(|session| session.as_str()),
    ))?;
    Ok(())
}

/// Adds to feeds, and gives the entries' numbers.
pub(crate) fn feed(db: &Connection, desk: &mut Desk, entries: &[FeedEntry]) -> rusqlite::Result<Vec<u64>> {
    let mut numbers = Vec::with_capacity(entries.len());
    let sql = "INSERT INTO feed (owner, seq, at, session, key, number, word) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let mut put = db.prepare_cached(sql)?;
    let mut before: Option<(&Owner, String)> = None;
    for entry in entries {
        let seq = desk.number(db, &entry.owner)?;
        let (session, key, number, word) = match &entry.what {
            FeedItem::Session { session, seq, change } => (Some(session.as_str()), None, *seq, change),
            FeedItem::Record { kind, key, version } => (None, Some(key), *version, kind),
        };
        let owner = match before {
            Some((same, text)) if *same == entry.owner => text,
            _ => entry.owner.to_string(),
        };
        put.execute((&owner, int(seq), int(entry.at), session, key, int(number), word))?;
        if seq.is_multiple_of(SHORTEN_EVERY) {
            let sql = "DELETE FROM feed WHERE owner = ? AND seq <= ?";
            db.prepare_cached(sql)?.execute((&owner, int(seq.saturating_sub(LONGEST_FEED))))?;
        }
        numbers.push(seq);
        before = Some((&entry.owner, owner));
    }
    Ok(numbers)
}
