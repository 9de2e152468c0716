//! A copy of everything while service goes on.
//!
//! The writer itself copies, a little between groups: SQLite then carries what is written meanwhile into the copy, so that
//! it is as of the moment when it is done, and the write-ahead log need not be held back for it.

use std::fs;
use std::path::Path;

use rejoin_ports::store::StoreError;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio::sync::{mpsc, oneshot};

use crate::store::Shared;
use crate::writer::{Job, Writer};
use crate::{BLOBS, DATABASE, blobs, trouble};

const DOING: &str = "making a backup";
/// Pages copied between two groups: about a millisecond.
const STEP: i32 = 128;
/// The database's name until the backup is complete.
const UNFINISHED: &str = "rejoin.db.unfinished";

impl Writer {
    /// Copies the database, and serves meanwhile. Gives back the job that it cannot serve.
    pub(crate) fn back_up(
        &mut self,
        into: &Path,
        reply: oneshot::Sender<Result<(), StoreError>>,
        jobs: &mut mpsc::Receiver<Job>,
    ) -> Option<Job> {
        let (outcome, other) = match self.copy(into, jobs) {
            Ok(other) => (Ok(()), other),
            Err((error, other)) => {
                let error = match error {
                    Some(error) => trouble::database(DOING, into, &error),
                    None => StoreError::Closed,
                };
                (Err(error), other)
            }
        };
        let _ = reply.send(outcome); // an asker may have hung up
        other
    }

    fn copy(
        &mut self,
        into: &Path,
        jobs: &mut mpsc::Receiver<Job>,
    ) -> Result<Option<Job>, (Option<rusqlite::Error>, Option<Job>)> {
        let broken = |error| (Some(error), None);
        let db = self.connection().map_err(broken)?;
        let mut copy = Connection::open(into.join(UNFINISHED)).map_err(broken)?;
        let backup = Backup::new(&db, &mut copy).map_err(broken)?;
        let mut group = Vec::new();
        let mut waiting = None;
        loop {
            if backup.step(STEP).map_err(broken)? == StepResult::Done {
                return Ok(waiting);
            }
            // One that waits for the copy to end, such as another backup.
            if waiting.is_some() {
                continue;
            }
            if let Ok(job) = jobs.try_recv() {
                waiting = self.gather(job, jobs, &mut group);
            }
            if matches!(waiting, Some(Job::Close(_))) {
                return Err((None, waiting));
            }
            let current = self.connection().map_err(broken)?;
            if !std::rc::Rc::ptr_eq(&current, &db) {
                return Err(broken(trouble::unreadable("the disk failed meanwhile")));
            }
        }
    }
}

/// Makes the folder; a backup is never mixed with something else.
pub(crate) fn prepare(into: &Path) -> Result<(), StoreError> {
    let io = |error: std::io::Error| trouble::file(DOING, &error);
    fs::create_dir_all(into).map_err(io)?;
    let finished_or_other = fs::read_dir(into).map_err(io)?.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        name != *UNFINISHED && name != *"rejoin.db.unfinished-journal" && name != *BLOBS
    });
    if finished_or_other {
        return Err(StoreError::Io { doing: DOING, why: format!("{} is not empty", into.display()) });
    }
    match fs::remove_file(into.join(UNFINISHED)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

/// Adds the blobs that the copied database names, and says that the backup is complete by giving it its name.
pub(crate) fn finish(shared: &Shared, into: &Path) -> Result<(), StoreError> {
    let finished = || -> std::io::Result<()> {
        blobs::copy_all(shared.blobs.folder(), &into.join(BLOBS))?;
        fs::File::open(into.join(UNFINISHED))?.sync_all()?;
        fs::rename(into.join(UNFINISHED), into.join(DATABASE))?;
        blobs::sync_folder(into)
    };
    finished().map_err(|error| trouble::file(DOING, &error))
}
