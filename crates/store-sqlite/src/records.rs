//! Records: rows with a version, changed by compare-and-set.

use bytes::Bytes;
use rejoin_ports::store::{CommitError, Expect, Owner, Record, RecordWrite, Tally, tallied};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::applying::Stop;
use crate::sessions::int;

/// Whether all writes fit what is there, and the versions that they will make. Changes nothing.
pub(crate) fn check(db: &Connection, writes: &[RecordWrite], floor: u64) -> Result<Vec<u64>, Stop> {
    let mut versions: Vec<u64> = Vec::with_capacity(writes.len());
    for (at, write) in writes.iter().enumerate() {
        let same =
            |other: &RecordWrite| other.owner == write.owner && other.kind == write.kind && other.key == write.key;
        // A Work may write one record twice; the second write sees what the first one left.
        let (version, value) = match writes[..at].iter().rposition(same) {
            Some(own) => (versions[own], writes[own].value.clone()),
            None => find(db, &write.owner, &write.kind, &write.key)?
                .map_or((0, None), |record| (record.version, record.value)),
        };
        let fits = match write.expect {
            Expect::Anything => true,
            Expect::Absent => value.is_none(),
            Expect::Version(expected) => version == expected,
        };
        if !fits {
            return Err(CommitError::Record { kind: write.kind.clone(), key: write.key.clone(), version, value }.into());
        }
        versions.push(version.max(floor) + 1);
    }
    Ok(versions)
}

pub(crate) fn write(db: &Connection, write: &RecordWrite, version: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO records (owner, kind, key, version, value, updated_at) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (owner, kind, key) DO UPDATE SET
            version = excluded.version, value = excluded.value, updated_at = excluded.updated_at";
    db.prepare_cached(sql)?.execute((
        write.owner.to_string(),
        &write.kind,
        &write.key,
        int(version),
        write.value.as_deref(),
        int(write.at),
    ))?;
    Ok(())
}

/// Adds to a number. Gives what it is now.
pub(crate) fn tally(db: &Connection, tally: &Tally, floor: u64) -> rusqlite::Result<u64> {
    let Tally { owner, kind, key, by, at } = tally;
    let (version, before) =
        find(db, owner, kind, key)?.map_or((0, 0), |record| (record.version, tallied(record.value.as_deref())));
    let number = before.saturating_add(*by);
    let value = Some(Bytes::from(number.to_string()));
    let (owner, kind, key) = (owner.clone(), kind.clone(), key.clone());
    let sum = RecordWrite { owner, kind, key, expect: Expect::Anything, value, at: *at };
    write(db, &sum, version.max(floor) + 1)?;
    Ok(number)
}

pub(crate) fn find(db: &Connection, owner: &Owner, kind: &str, key: &str) -> rusqlite::Result<Option<Record>> {
    let sql = "SELECT key, version, value, updated_at FROM records
        WHERE owner = ? AND kind = ? AND key = ?";
    db.prepare_cached(sql)?.query_row((owner.to_string(), kind, key), |row| record(row, kind)).optional()
}

/// Those that are there, behind `after`, as long as their keys begin with `prefix`.
pub(crate) fn list(
    db: &Connection,
    owner: &Owner,
    kind: &str,
    prefix: &str,
    after: &str,
    most: usize,
) -> rusqlite::Result<Vec<Record>> {
    let sql = "SELECT key, version, value, updated_at FROM records
        WHERE owner = ? AND kind = ? AND key >= ? AND key > ? AND value IS NOT NULL ORDER BY key";
    let mut find = db.prepare_cached(sql)?;
    let mut rows = find.query((owner.to_string(), kind, prefix, after))?;
    let mut found = Vec::new();
    while found.len() < most {
        let Some(row) = rows.next()? else { break };
        let record = record(row, kind)?;
        // Texts are compared byte by byte, so those with the prefix stand together.
        if !record.key.starts_with(prefix) {
            break;
        }
        found.push(record);
    }
    Ok(found)
}

fn record(row: &Row<'_>, kind: &str) -> rusqlite::Result<Record> {
    Ok(Record {
        kind: kind.to_owned(),
        key: row.get(0)?,
        version: row.get::<_, i64>(1)? as u64,
        value: row.get::<_, Option<Vec<u8>>>(2)?.map(Bytes::from),
        updated_at: row.get::<_, i64>(3)? as u64,
    })
}
