//! Trimming: a stretch of rows becomes one packed row, in which the deltas of each part are one.
//!
//! A part may be longer than a stretch. Then each stretch has a piece of it, which stands for its own deltas only; whoever
//! reads is given pieces as plain deltas, so that this makes no difference.

use std::collections::HashSet;

use rejoin_core::event::{Event, Logged};
use rejoin_core::id::{MessageId, PartId, SessionId};
use rejoin_core::part::{Part, PartBody};
use rejoin_core::trim::Fading;
use rusqlite::{Connection, OptionalExtension};

use crate::rows::{self, PACKED};
use crate::sessions::int;
use crate::writer::Desk;

/// About how much log is packed at a time: enough for deltas to find each other, little enough to be done between two
/// commits, and to be unpacked for one page.
const STRETCH: usize = 256 << 10;

/// A stretch as it will be.
pub(crate) struct Stretch {
    session: i64,
    /// The stretch is behind this number,
    from: u64,
    /// and up to this one.
    upto: u64,
    solid: bool,
    /// `None`: packing would not make it smaller.
    packed: Option<Vec<u8>>,
    pub(crate) more: bool,
}

/// Reads the next stretch up to `upto` and packs it. Gives nothing when there is none. Sees only what is on the shelf.
pub(crate) fn pack(db: &Connection, session: &SessionId, upto: u64) -> rusqlite::Result<Option<Stretch>> {
    let sql = "SELECT key, trimmed FROM sessions WHERE id = ?";
    let known = db
        .prepare_cached(sql)?
        .query_row([session.as_str()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))
        .optional()?;
    let Some((session, from)) = known else {
        return Ok(None);
    };
    let mut stretch = Stretch { session, from, upto: from, solid: false, packed: None, more: false };
    let sql = "SELECT shelf.last, shelf.solid, form, body FROM shelf JOIN log ON log.id = shelf.row
        WHERE shelf.session = ? AND shelf.last > ? AND shelf.last <= ? ORDER BY shelf.last";
    let mut find = db.prepare_cached(sql)?;
    let mut found = find.query((session, int(from), int(upto)))?;
    let (mut text, mut rows, mut stored) = (Vec::new(), 0, 0);
    while let Some(row) = found.next()? {
        if text.len() >= STRETCH {
            stretch.more = true;
            break;
        }
        let body = row.get_ref(3)?.as_blob()?;
        text.extend_from_slice(&rows::unpack(row.get(2)?, body)?);
        stored += body.len();
        rows += 1;
        stretch.upto = row.get::<_, i64>(0)? as u64;
        stretch.solid |= row.get::<_, bool>(1)?;
    }
    if rows == 0 {
        return Ok(None);
    }
    let packed = rows::pack(&fade(&text)?)?;
    // Rewriting costs as much as it once cost to write.
    let worth_it = packed.len() < stored / 10 * 9 || rows > 1 && packed.len() <= stored;
    stretch.packed = worth_it.then_some(packed);
    Ok(Some(stretch))
}

/// Puts the stretch in place of its rows, unless somebody else has changed them. Says whether it did.
pub(crate) fn put(db: &Connection, desk: &mut Desk, stretch: &Stretch) -> rusqlite::Result<bool> {
    let sql = "UPDATE sessions SET trimmed = ? WHERE key = ? AND trimmed = ?";
    let ours = db.prepare_cached(sql)?.execute((int(stretch.upto), stretch.session, int(stretch.from)))?;
    if ours == 0 {
        return Ok(false);
    }
    if let Some(packed) = &stretch.packed {
        let (session, from, upto) = (stretch.session, int(stretch.from), int(stretch.upto));
        let rows = "DELETE FROM log WHERE id IN
            (SELECT row FROM shelf WHERE session = ? AND last > ? AND last <= ?)";
        db.prepare_cached(rows)?.execute((session, from, upto))?;
        db.prepare_cached("DELETE FROM shelf WHERE session = ? AND last > ? AND last <= ?")?
            .execute((session, from, upto))?;
        let row = desk.next_row();
        let sql = "INSERT INTO log (id, session, last, solid, form, body) VALUES (?, ?, ?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute((row, session, upto, stretch.solid, PACKED, packed))?;
        let sql = "INSERT INTO shelf (session, last, solid, row) VALUES (?, ?, ?, ?)";
        db.prepare_cached(sql)?.execute((session, upto, stretch.solid, row))?;
    }
    Ok(true)
}

/// The lines without the deltas that have faded into later ones.
fn fade(text: &[u8]) -> rusqlite::Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut fading = Fading::default();
    let mut open = HashSet::new();
    for line in rows::lines(text) {
        let (_, line) = line?;
        // What we cannot read is from a newer version, and stays as it is.
        let logged = Logged::read(line).ok();
        if let Some(logged) = &logged {
            fading.see(logged);
            match &logged.event {
                Event::PartDelta { part, .. } => drop(open.insert(part.clone())),
                Event::PartCompleted { part, .. } => drop(open.remove(&part.id)),
                _ => {}
            }
        }
        read.push((line, logged));
    }
    if let Some((_, Some(any))) = read.iter().find(|(_, logged)| logged.is_some()) {
        open.iter().for_each(|part| fading.see(&ends_here(any, part)));
    }
    let mut kept = Vec::with_capacity(text.len());
    for (line, logged) in read {
        match logged {
            Some(logged) if matches!(logged.event, Event::PartDelta { .. }) => {
                if let Some(left) = fading.fade(logged) {
                    left.write(&mut kept);
                    kept.push(b'\n');
                }
            }
            _ => kept.extend_from_slice(line),
        }
    }
    Ok(kept)
}

/// The end of the part's piece in this stretch, which fades like the end of a part. It is seen, never written.
fn ends_here(like: &Logged, part: &PartId) -> Logged {
    let part = Part {
        id: part.clone(),
        message: MessageId::new(part.as_str()).expect("what names a part may name a message"),
        at: like.at,
        body: PartBody::Text { text: String::new() },
    };
    Logged { event: Event::PartCompleted { part, whole: false }, ..like.clone() }
}
