//! Lists: of sessions, of what is due, of feeds and of file versions.

use rejoin_core::event::FileChange;
use rejoin_core::id::{SessionId, WorkspaceId};
use rejoin_core::position::Millis;
use rejoin_ports::store::{Fed, FeedItem, FeedPage, FileVersion, ListFilter, Owner, Stored};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::sessions::{Life, STORED, int, kind_word, status_word, stored};
use crate::trouble::unreadable;

pub(crate) fn list(db: &Connection, filter: &ListFilter, life: Life) -> rusqlite::Result<Vec<Stored>> {
    let mut sql =
        format!("SELECT {STORED} FROM sessions WHERE tenant = ? AND kind = ? AND (owner IS NULL OR owner = ?)");
    let text = |text: &str| Value::Text(text.to_owned());
    let mut values = vec![text(filter.tenant.as_str()), text(kind_word(filter.kind)), text(filter.user.as_str())];
    let mut only = |condition: &str, more: Vec<Value>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(more);
    };
    if let Some(status) = filter.status {
        only("status = ?", vec![text(status_word(status))]);
    }
    if let Some(archived) = filter.archived {
        only("archived = ?", vec![Value::Integer(archived.into())]);
    }
    if let Some(parent) = &filter.parent {
        only("parent = ?", vec![text(parent.as_str())]);
    }
    if filter.roots_only {
        only("parent IS NULL", Vec::new());
    }
    if let Some(workspace) = &filter.workspace {
        only("workspace = ?", vec![text(workspace.as_str())]);
    }
    if let Some((name, value)) = &filter.label {
        only(
            "EXISTS (SELECT 1 FROM json_each(header, '$.labels') WHERE json_each.key = ? AND json_each.value = ?)",
            vec![text(name), text(value)],
        );
    }
    if let Some(after) = &filter.after {
        only("(created_at, id) < (?, ?)", vec![Value::Integer(int(after.created_at)), text(after.id.as_str())]);
    }
    sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");
    values.push(Value::Integer(int(filter.limit as u64)));
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map(params_from_iter(values), |row| stored(row, life))?;
    rows.collect()
}

pub(crate) fn due(db: &Connection, now: Millis, most: usize) -> rusqlite::Result<(Vec<SessionId>, Option<Millis>)> {
    let sql = "SELECT id, wake_at FROM sessions WHERE wake_at IS NOT NULL ORDER BY wake_at, id LIMIT ?";
    let mut find = db.prepare_cached(sql)?;
    let mut rows = find.query([int(most as u64).saturating_add(1)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let at = row.get::<_, i64>(1)? as u64;
        if at > now || due.len() == most {
            return Ok((due, Some(at)));
        }
        due.push(session_id(row, 0)?);
    }
    Ok((due, None))
}

pub(crate) fn unsettled(db: &Connection, life: Life, after: &str, most: usize) -> rusqlite::Result<Vec<SessionId>> {
    let sql = "SELECT id FROM sessions WHERE unsettled = 1 AND life <> ? AND id > ? ORDER BY id LIMIT ?";
    let mut find = db.prepare_cached(sql)?;
    let most = int(most as u64);
    let rows = find.query_map((int(life.number), after, most), |row| session_id(row, 0))?;
    rows.collect()
}

fn session_id(row: &Row<'_>, column: usize) -> rusqlite::Result<SessionId> {
    SessionId::new(row.get_ref(column)?.as_str()?).map_err(unreadable)
}

pub(crate) fn feed(db: &Connection, owner: &Owner, floor: u64, after: u64, most: usize) -> rusqlite::Result<FeedPage> {
    let owner = owner.to_string();
    let sql = "SELECT seq, at, session, key, number, word FROM feed WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?";
    let mut find = db.prepare_cached(sql)?;
    let rows = find.query_map((&owner, int(after), int(most as u64)), |row| {
        let number = row.get::<_, i64>(4)? as u64;
        let what = match row.get_ref(2)? {
            rusqlite::types::ValueRef::Null => {
                FeedItem::Record { kind: row.get(5)?, key: row.get(3)?, version: number }
            }
            _ => FeedItem::Session { session: session_id(row, 2)?, seq: number, change: row.get(5)? },
        };
        Ok(Fed { seq: row.get::<_, i64>(0)? as u64, at: row.get::<_, i64>(1)? as u64, what })
    })?;
    let items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    // Two searches: together they would be a scan.
    let end = |sql| db.prepare_cached(sql)?.query_row([&owner], |row| row.get::<_, Option<i64>>(0));
    let oldest = end("SELECT MIN(seq) FROM feed WHERE owner = ?")?;
    let newest = end("SELECT MAX(seq) FROM feed WHERE owner = ?")?.map_or(floor, |seq| seq as u64);
    Ok(FeedPage { items, oldest: oldest.map_or(newest + 1, |seq| seq as u64), newest })
}

const FILE: &str = "workspace, path, version, change, hash, size, at, session";

pub(crate) fn file_versions(
    db: &Connection,
    workspace: &WorkspaceId,
    path: &str,
    before: Option<u64>,
    most: usize,
) -> rusqlite::Result<Vec<FileVersion>> {
    let most = int(most as u64);
    if let Some(before) = before {
        let sql = format!(
            "SELECT {FILE} FROM file_versions WHERE workspace = ? AND path = ? AND version < ?
            ORDER BY version DESC LIMIT ?"
        );
        let mut find = db.prepare_cached(&sql)?;
        let rows = find.query_map((workspace.as_str(), path, int(before), most), file_version)?;
        return rows.collect();
    }
    // With MAX, SQLite takes the other columns from the row that has it. `0` is what comes behind `/`.
    let sql = format!(
        "SELECT {FILE}, MAX(version) FROM file_versions
        WHERE workspace = ?1 AND (?2 = '' OR path = ?2 OR (path > ?2 || '/' AND path < ?2 || '0'))
        GROUP BY path ORDER BY path LIMIT ?3"
    );
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map((workspace.as_str(), path, most), file_version)?;
    rows.collect()
}

fn file_version(row: &Row<'_>) -> rusqlite::Result<FileVersion> {
    let session: Option<String> = row.get(7)?;
    Ok(FileVersion {
        workspace: WorkspaceId::new(row.get_ref(0)?.as_str()?).map_err(unreadable)?,
        path: row.get(1)?,
        version: row.get::<_, i64>(2)? as u64,
        change: change(row.get_ref(3)?.as_str()?)?,
        hash: row.get(4)?,
        size: row.get::<_, i64>(5)? as u64,
        at: row.get::<_, i64>(6)? as u64,
        session: session.map(SessionId::new).transpose().map_err(unreadable)?,
    })
}

pub(crate) fn change_word(change: FileChange) -> &'static str {
    match change {
        FileChange::Created => "created",
        FileChange::Modified => "modified",
        FileChange::Deleted => "deleted",
    }
}

fn change(word: &str) -> rusqlite::Result<FileChange> {
    match word {
        "created" => Ok(FileChange::Created),
        "modified" => Ok(FileChange::Modified),
        "deleted" => Ok(FileChange::Deleted),
        other => Err(unreadable(format!("a file has the unknown change {other}"))),
    }
}
