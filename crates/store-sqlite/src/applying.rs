//! Committing one Work: everything is checked before anything is written, so that a refused one leaves nothing behind and
//! its neighbours in the transaction go on.

use std::sync::atomic::Ordering::Relaxed;

use rejoin_core::id::SessionId;
use rejoin_ports::store::{Append, Claim, CommitError, Committed, FeedEntry, FileVersion, Receipt, StoreError};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use crate::figures::add;
use crate::keeping;
use crate::naming;
use crate::prepared::Prepared;
use crate::records;
use crate::sessions::{Head, int};
use crate::store::Shared;
use crate::writer::{Desk, Errand};

/// Why a Work was not applied: the rules say no, or the database does.
pub(crate) enum Stop {
    Refused(CommitError),
    Broken(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Broken(error)
    }
}
impl From<CommitError> for Stop {
    fn from(refusal: CommitError) -> Stop {
        Stop::Refused(refusal)
    }
}

pub(crate) struct Commit {
    prepared: Prepared,
    outcome: Option<Result<Committed, CommitError>>,
    /// Numbers of the feed entries, in their order.
    fed: Vec<u64>,
    reply: oneshot::Sender<Result<Committed, CommitError>>,
}

impl Commit {
    pub(crate) fn new(prepared: Prepared) -> (Box<Commit>, oneshot::Receiver<Result<Committed, CommitError>>) {
        let (reply, outcome) = oneshot::channel();
        let commit = Commit { prepared, outcome: None, fed: Vec::new(), reply };
        (Box::new(commit), outcome)
    }

    fn apply(&mut self, db: &Connection, desk: &mut Desk) -> Result<Committed, Stop> {
        let Prepared { work, receipts, .. } = &self.prepared;
        let head = match &work.stream {
            Some(append) => check_append(db, desk, append)?,
            None => None,
        };
        // A command that was done before has perhaps changed what else is checked.
        if let (Some(append), Some(head)) = (&work.stream, &head) {
            check_receipts(db, desk, append, head.key, receipts)?;
        }
        let versions = self.check_rest(db, desk)?;
        // Nothing is refused from here on.
        if let Some(append) = &work.stream {
            keeping::append(db, desk, append, &self.prepared, head)?;
        }
        for claim in &work.claims {
            let sql = "INSERT OR IGNORE INTO claims (space, key, holder) VALUES (?, ?, ?)";
            db.prepare_cached(sql)?.execute((claim.space, &claim.key, &claim.holder))?;
        }
        for naming in &work.blobs {
            naming::write(db, desk, naming)?;
        }
        for (write, version) in work.records.iter().zip(&versions) {
            records::write(db, write, *version)?;
        }
        let mut tallies = Vec::with_capacity(work.tallies.len());
        for tally in &work.tallies {
            tallies.push(records::tally(db, tally, desk.life.floor)?);
        }
        self.fed = keeping::feed(db, desk, &work.feed)?;
        Ok(Committed { versions, tallies })
    }

    /// Claims, files and records. Gives the records' new versions.
    fn check_rest(&self, db: &Connection, desk: &mut Desk) -> Result<Vec<u64>, Stop> {
        let work = &self.prepared.work;
        if let Some(append) = work.stream.as_ref().filter(|append| !append.files.is_empty()) {
            check_files(db, append)?;
        }
        check_claims(db, &work.claims)?;
        naming::check(db, desk, work)?;
        records::check(db, &work.records, desk.life.floor)
    }
}

impl Errand for Commit {
    fn run(&mut self, db: &Connection, desk: &mut Desk) -> rusqlite::Result<()> {
        self.fed.clear();
        self.outcome = Some(match self.apply(db, desk) {
            Ok(committed) => Ok(committed),
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Broken(error)) => return Err(error),
        });
        Ok(())
    }

    fn settle(self: Box<Self>, shared: &Shared, outcome: Result<(), StoreError>) {
        let told = match (outcome, self.outcome) {
            (Err(trouble), _) => Err(trouble.into()),
            (Ok(()), None) => Err(StoreError::Closed.into()),
            (Ok(()), Some(outcome)) => outcome,
        };
        if told.is_ok() {
            let work = &self.prepared.work;
            if let Some(append) = &work.stream {
                add(&shared.figures.events, append.batch.len() as u64);
                add(&shared.figures.bytes, append.batch.lines().len() as u64);
                if append.after.is_none() {
                    shared.figures.sessions.fetch_add(1, Relaxed);
                }
            }
            shared.tell(work.stream.as_ref(), &work.feed, &self.fed);
        }
        let _ = self.reply.send(told); // an asker may have hung up; what happened has happened
    }

    fn weight(&self) -> usize {
        self.prepared.weight()
    }
}

/// Whether the writer knows the newest state. Gives the session's head, or nothing for one that is to be created.
fn check_append(db: &Connection, desk: &mut Desk, append: &Append) -> Result<Option<Head>, Stop> {
    let head = desk.head(db, &append.session)?;
    let tip = head.and_then(|head| head.tip(desk.life));
    let term = head.map_or(0, |head| head.term);
    let conflict = || Stop::from(CommitError::Conflict { tip, term });
    match (append.after, &head) {
        (None, Some(_)) => Err(CommitError::Exists.into()),
        (Some(_), None) => Err(CommitError::Gone.into()),
        (None, None) if append.batch.is_empty() => Err(conflict()),
        (Some(_), Some(_)) if append.after != tip || append.term != term => Err(conflict()),
        _ if !append.is_gapless() => Err(conflict()),
        _ => Ok(head),
    }
}

fn check_receipts(db: &Connection, desk: &Desk, append: &Append, session: i64, names: &[[u8; 16]]) -> Result<(), Stop> {
    let repeated = desk.fresh.first_done(db, &desk.pending, session, names)?;
    match repeated.and_then(|at| append.receipts.get(at)) {
        Some(Receipt { user, command, .. }) => {
            Err(CommitError::Repeated { user: user.clone(), command: command.clone() }.into())
        }
        None => Ok(()),
    }
}

fn check_claims(db: &Connection, claims: &[Claim]) -> Result<(), Stop> {
    for (at, claim) in claims.iter().enumerate() {
        let same = |other: &&Claim| other.space == claim.space && other.key == claim.key;
        let own = claims[..at].iter().find(same);
        let holder = match own {
            Some(own) => Some(own.holder.clone()),
            None => holder(db, claim.space, &claim.key)?,
        };
        if let Some(holder) = holder.filter(|holder| *holder != claim.holder) {
            return Err(CommitError::Claimed { space: claim.space, key: claim.key.clone(), holder }.into());
        }
    }
    Ok(())
}

pub(crate) fn holder(db: &Connection, space: &str, key: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT holder FROM claims WHERE space = ? AND key = ?")?
        .query_row((space, key), |row| row.get(0))
        .optional()
}

/// Numbers may come with holes and out of order: one that was given is not always committed, and sessions of one workspace
/// commit when they can. Only a number that is taken is refused.
fn check_files(db: &Connection, append: &Append) -> Result<(), Stop> {
    for (at, file) in append.files.iter().enumerate() {
        let same = |other: &&FileVersion| other.workspace == file.workspace && other.path == file.path;
        let own = append.files[..at].iter().filter(same);
        let sql = "SELECT EXISTS (SELECT 1 FROM file_versions WHERE workspace = ?1 AND path = ?2 AND version = ?3)";
        let mut find = db.prepare_cached(sql)?;
        let place = (file.workspace.as_str(), &file.path);
        let kept: bool = find.query_row((place.0, place.1, int(file.version)), |row| row.get(0))?;
        if kept || file.version == 0 || own.clone().any(|own| own.version == file.version) {
            let sql = "SELECT MAX(version) FROM file_versions WHERE workspace = ? AND path = ?";
            let newest: Option<i64> = db.prepare_cached(sql)?.query_row(place, |row| row.get(0))?;
            let newest = newest.unwrap_or(0) as u64;
            let newest = own.map(|own| own.version).fold(newest, u64::max);
            return Err(append.file_conflict(file, newest).into());
        }
    }
    Ok(())
}

/// Removes a session; its rows elsewhere are removed by and by.
pub(crate) struct Delete {
    pub(crate) session: SessionId,
    pub(crate) feed: Vec<FeedEntry>,
    pub(crate) done: bool,
    pub(crate) fed: Vec<u64>,
    pub(crate) reply: oneshot::Sender<Result<bool, StoreError>>,
}

impl Errand for Delete {
    fn run(&mut self, db: &Connection, desk: &mut Desk) -> rusqlite::Result<()> {
        (self.done, self.fed) = (false, Vec::new());
        let Some(head) = desk.head(db, &self.session)? else {
            return Ok(());
        };
        desk.forget(&self.session);
        db.execute("DELETE FROM sessions WHERE key = ?", [head.key])?;
        db.execute("INSERT INTO graves (session) VALUES (?)", [head.key])?;
        db.execute("DELETE FROM claims WHERE holder = ?", [self.session.as_str()])?;
        self.fed = keeping::feed(db, desk, &self.feed)?;
        self.done = true;
        Ok(())
    }

    fn settle(self: Box<Self>, shared: &Shared, outcome: Result<(), StoreError>) {
        if outcome.is_ok() && self.done {
            shared.figures.sessions.fetch_sub(1, Relaxed);
            shared.tell(None, &self.feed, &self.fed);
        }
        let _ = self.reply.send(outcome.map(|()| self.done));
    }
}
