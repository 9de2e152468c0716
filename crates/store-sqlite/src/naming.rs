//! Names that sessions give to blobs.

use std::collections::HashMap;

use rejoin_core::id::SessionId;
use rejoin_ports::store::{CommitError, MOST_NAMED, Naming, Work};
use rusqlite::{Connection, OptionalExtension};

use crate::applying::Stop;
use crate::writer::Desk;

/// Whether every name may be given. Changes nothing.
pub(crate) fn check(db: &Connection, desk: &mut Desk, work: &Work) -> Result<(), Stop> {
    // How many names each session has, with those that this Work has given so far.
    let mut counts: HashMap<&SessionId, usize> = HashMap::new();
    let mut own: HashMap<(&SessionId, &str), bool> = HashMap::new();
    for Naming { session, name, hash } in &work.blobs {
        let head = desk.head(db, session)?;
        let begun = work.stream.as_ref().is_some_and(|append| append.session == *session);
        if head.is_none() && !begun {
            return Err(CommitError::Gone.into());
        }
        let key = head.map(|head| head.key);
        let count = match counts.get(session) {
            Some(count) => *count,
            None => key.map_or(Ok(0), |key| count(db, key))?,
        };
        let had = match own.insert((session, name), hash.is_some()) {
            Some(had) => had,
            None => key.map_or(Ok(None), |key| find(db, key, name))?.is_some(),
        };
        let count = count + usize::from(hash.is_some() && !had) - usize::from(hash.is_none() && had);
        if hash.is_some() && count > MOST_NAMED {
            return Err(CommitError::TooManyNamed.into());
        }
        counts.insert(session, count);
    }
    Ok(())
}

pub(crate) fn write(db: &Connection, desk: &mut Desk, naming: &Naming) -> rusqlite::Result<()> {
    let Naming { session, name, hash } = naming;
    let Some(head) = desk.head(db, session)? else { return Ok(()) };
    match hash {
        Some(hash) => {
            let sql = "INSERT OR REPLACE INTO named_blobs (session, name, hash, tenant)
                SELECT key, ?2, ?3, tenant FROM sessions WHERE key = ?1";
            db.prepare_cached(sql)?.execute((head.key, name, hash))?;
        }
        None => {
            db.prepare_cached("DELETE FROM named_blobs WHERE session = ? AND name = ?")?.execute((head.key, name))?;
        }
    }
    Ok(())
}

/// The hash of what has a name in a session.
pub(crate) fn find(db: &Connection, session: i64, name: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT hash FROM named_blobs WHERE session = ? AND name = ?")?
        .query_row((session, name), |row| row.get(0))
        .optional()
}

fn count(db: &Connection, session: i64) -> rusqlite::Result<usize> {
    db.prepare_cached("SELECT COUNT(*) FROM named_blobs WHERE session = ?")?
        .query_row([session], |row| row.get::<_, i64>(0))
        .map(|count| count as usize)
}
