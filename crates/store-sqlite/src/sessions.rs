//! A session's row: what the writer remembers of it, and what lists and owners are shown.

use rejoin_core::header::{Header, SessionKind, Status};
use rejoin_core::id::SessionId;
use rejoin_core::position::{Epoch, Millis, Seq, Tip};
use rejoin_ports::store::{Row, Stored};
use rusqlite::{Connection, OptionalExtension};

use crate::trouble::unreadable;

/// Numbers in a row are what SQLite calls integers. Ours fit, but for "no bound", which a caller may write as the largest.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// In which life of the store and of the process we are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) epoch: Epoch,
    /// The largest number that other lives of the store may have given.
    pub(crate) floor: u64,
    /// Counts the processes.
    pub(crate) number: u64,
}

/// What the writer has to know of a session to append to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) key: i64,
    pub(crate) tip: u64,
    pub(crate) term: u64,
    pub(crate) settled: u64,
    pub(crate) wake_at: Option<Millis>,
    /// `None` if another life of the process wrote it.
    pub(crate) unsettled: Option<bool>,
}

impl Head {
    pub(crate) fn load(db: &Connection, session: &SessionId, life: Life) -> rusqlite::Result<Option<Head>> {
        let sql = "SELECT key, tip, term, settled, wake_at, unsettled, life FROM sessions WHERE id = ?";
        let mut find = db.prepare_cached(sql)?;
        find.query_row([session.as_str()], |row| {
            let unsettled: bool = row.get(5)?;
            let by_us = row.get::<_, i64>(6)? == int(life.number);
            Ok(Head {
                key: row.get(0)?,
                tip: row.get::<_, i64>(1)? as u64,
                term: row.get::<_, i64>(2)? as u64,
                settled: row.get::<_, i64>(3)? as u64,
                wake_at: row.get::<_, Option<i64>>(4)?.map(|at| at as u64),
                unsettled: by_us.then_some(unsettled),
            })
        })
        .optional()
    }

    /// The number that the next append comes after.
    pub(crate) fn tip(&self, life: Life) -> Tip {
        lifted_tip(self.tip, self.settled, life)
    }
}

/// A log that was not appended to since the store was restored goes on behind everything that was ever given.
fn lifted_tip(tip: u64, settled: u64, life: Life) -> Tip {
    Seq::new(if settled < life.floor { life.floor } else { tip })
}

/// The columns that [`stored`] reads, in its order.
pub(crate) const STORED: &str = "tip, term, born, settled, life, unsettled, wake_at, header";

pub(crate) fn stored(row: &rusqlite::Row<'_>, life: Life) -> rusqlite::Result<Stored> {
    let number = |column: usize| row.get::<_, i64>(column).map(|number| number as u64);
    let (tip, born, settled) = (number(0)?, number(2)?, number(3)?);
    let unsettled: bool = row.get(5)?;
    let header: Header = serde_json::from_slice(row.get_ref(7)?.as_bytes()?).map_err(unreadable)?;
    let lifted = (born < life.floor).then(|| Seq::new(life.floor + 1)).flatten();
    Ok(Stored {
        row: Row {
            header,
            tip: lifted_tip(tip, settled, life),
            wake_at: row.get::<_, Option<i64>>(6)?.map(|at| at as u64),
            unsettled,
        },
        term: number(1)?,
        lifted,
        stale: unsettled && number(4)? != life.number,
        lift: life.floor - settled.min(life.floor),
    })
}

pub(crate) fn find(db: &Connection, session: &SessionId, life: Life) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {STORED} FROM sessions WHERE id = ?");
    db.prepare_cached(&sql)?.query_row([session.as_str()], |row| stored(row, life)).optional()
}

pub(crate) fn session_key(db: &Connection, session: &SessionId) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT key FROM sessions WHERE id = ?")?
        .query_row([session.as_str()], |row| row.get(0))
        .optional()
}

pub(crate) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Idle => "idle",
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Closed => "closed",
        Status::Ended => "ended",
    }
}

pub(crate) fn kind_word(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Hosted => "hosted",
        SessionKind::Sealed => "sealed",
    }
}
