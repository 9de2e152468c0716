//! Pages of a log.

use std::sync::Arc;

use bytes::Bytes;
use rejoin_core::id::SessionId;
use rejoin_core::position::Epoch;
use rejoin_ports::batch::Batch;
use rejoin_ports::store::{LogPage, PAGE_BYTES, PAGE_EVENTS};
use rusqlite::{Connection, Transaction};

use crate::pending::{self, Entry, Pending};
use crate::rows::{self, PLAIN, Room};
use crate::sessions::{int, session_key};
use crate::trouble::unreadable;

/// What fills up until it is a page.
#[derive(Default)]
struct Page {
    text: Vec<u8>,
    events: usize,
}

impl Page {
    fn room(&self, most: usize) -> Room {
        Room {
            bytes: PAGE_BYTES.saturating_sub(self.text.len()),
            events: most - self.events,
            is_empty: self.events == 0,
        }
    }
    fn add(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.events += 1;
    }
    fn done(self, session: &SessionId, epoch: Epoch, more: bool) -> rusqlite::Result<LogPage> {
        let batch = Batch::read(session.clone(), epoch, Bytes::from(self.text));
        Ok(LogPage { batch: Arc::new(batch.map_err(unreadable)?), more })
    }
}

/// Rows of one session: those on the shelf, and those that wait to be put there, which are newer.
struct Rows<'db> {
    /// One view of the database from the first row to the last.
    db: Transaction<'db>,
    session: i64,
    /// Behind everything on the shelf.
    waiting: Vec<Entry>,
}

impl<'db> Rows<'db> {
    /// `None` if there is no such session. Of what waits, only `most` rows that end behind `after`.
    fn of(
        db: &'db Connection,
        pending: &Pending,
        session: &SessionId,
        after: u64,
        most: usize,
    ) -> rusqlite::Result<Option<Self>> {
        let Some(session) = session_key(db, session)? else { return Ok(None) };
        // First this, then the database: what is shelved in between is in both, and what is committed too.
        let mut waiting = pending.rows(session, after, most);
        let db = db.unchecked_transaction()?;
        if !waiting.is_empty() {
            // Deleted meanwhile: then its rows may be gone already.
            if !db.prepare_cached("SELECT 1 FROM sessions WHERE key = ?")?.exists([session])? {
                return Ok(None);
            }
            let newest = "SELECT MAX(last) FROM shelf WHERE session = ?";
            let shelved: Option<i64> = db.prepare_cached(newest)?.query_row([session], |row| row.get(0))?;
            let newest = pending::newest_row(&db)?;
            let is_shelved = |entry: &Entry| shelved.is_some_and(|shelved| entry.last <= shelved as u64);
            waiting.retain(|entry| entry.row <= newest && !is_shelved(entry));
        }
        Ok(Some(Rows { db, session, waiting }))
    }

    /// Gives each row of `entries` to `take` until that says that it is enough. Says whether it did.
    fn take_waiting(
        &self,
        entries: impl Iterator<Item = Entry>,
        take: &mut impl FnMut(i64, &[u8]) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<bool> {
        let mut find = self.db.prepare_cached("SELECT form, body FROM log WHERE id = ?")?;
        for entry in entries {
            let mut found = find.query([entry.row])?;
            let row = found.next()?.ok_or_else(|| unreadable("a row of a log is gone"))?;
            if !take(row.get(0)?, row.get_ref(1)?.as_blob()?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take_shelved(
        &self,
        sql: &str,
        bound: u64,
        take: &mut impl FnMut(i64, &[u8]) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<bool> {
        let mut find = self.db.prepare_cached(sql)?;
        let mut found = find.query((self.session, int(bound)))?;
        while let Some(row) = found.next()? {
            if !take(row.get(0)?, row.get_ref(1)?.as_blob()?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

pub(crate) fn read(
    db: &Connection,
    pending: &Pending,
    session: &SessionId,
    epoch: Epoch,
    after: u64,
    most: usize,
) -> rusqlite::Result<LogPage> {
    let mut page = Page::default();
    let most = most.min(PAGE_EVENTS);
    // Each row has an event at least; the one too many says that there are more.
    let Some(rows) = Rows::of(db, pending, session, after, most + 1)? else {
        return page.done(session, epoch, false);
    };
    let mut take = |form, body: &[u8]| {
        let room = page.room(most);
        if room.events == 0 || room.bytes == 0 {
            return Ok(false);
        }
        let text = rows::unpack(form, body)?;
        if form == PLAIN {
            let (heard, all) = rows::hear_plain(&text, after, room)?;
            heard.iter().for_each(|(_, line)| page.add(line));
            Ok(all)
        } else {
            let (heard, all) = rows::hear_packed(&text, after, room)?;
            heard.iter().for_each(|(_, line)| page.add(line));
            Ok(all)
        }
    };
    let sql = "SELECT log.form, log.body FROM shelf JOIN log ON log.id = shelf.row
        WHERE shelf.session = ? AND shelf.last > ? ORDER BY shelf.last";
    let all =
        rows.take_shelved(sql, after, &mut take)? && rows.take_waiting(rows.waiting.iter().copied(), &mut take)?;
    page.done(session, epoch, !all)
}

pub(crate) fn read_back(
    db: &Connection,
    pending: &Pending,
    session: &SessionId,
    epoch: Epoch,
    upto: u64,
) -> rusqlite::Result<LogPage> {
    let mut page = Page::default();
    let Some(rows) = Rows::of(db, pending, session, 0, usize::MAX)? else {
        return page.done(session, epoch, false);
    };
    let mut newest_first: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    let mut take = |form, body: &[u8]| {
        let text = rows::unpack(form, body)?;
        for (_, line) in rows::solid(&text, upto)?.into_iter().rev() {
            let full = newest_first.len() == PAGE_EVENTS || bytes + line.len() > PAGE_BYTES;
            if full && !newest_first.is_empty() {
                return Ok(false);
            }
            bytes += line.len();
            newest_first.push(line.into_owned());
        }
        Ok(true)
    };
    // The row that `upto` is in may end behind it.
    let holding = rows.waiting.partition_point(|entry| entry.last < upto);
    let waiting = rows.waiting.iter().take(holding + 1).rev().filter(|entry| entry.solid);
    let sql = "SELECT log.form, log.body FROM shelf JOIN log ON log.id = shelf.row
        WHERE shelf.session = ?1 AND shelf.solid AND shelf.last <= COALESCE(
            (SELECT MIN(last) FROM shelf AS holding WHERE holding.session = ?1 AND holding.last >= ?2), ?2)
        ORDER BY shelf.last DESC";
    let all = rows.take_waiting(waiting.copied(), &mut take)? && rows.take_shelved(sql, upto, &mut take)?;
    newest_first.iter().rev().for_each(|line| page.add(line));
    page.done(session, epoch, !all)
}
