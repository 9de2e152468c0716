//! Connections that only read. They are few and small: the system's own cache holds the pages.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rejoin_ports::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::{DATABASE, trouble};

/// Each reader's page cache, in KiB: a few pages of index are enough to find the next page of a log.
const CACHE_KIB: i64 = 256;

pub(crate) struct Readers {
    folder: PathBuf,
    most: usize,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(folder: &Path, most: usize) -> Readers {
        let most = most.max(1);
        Readers { folder: folder.to_owned(), most, permits: Arc::new(Semaphore::new(most)), idle: Arc::default() }
    }

    /// Reads on a thread that may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        find: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let idle = self.idle.clone();
        let folder = self.folder.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // The one used last comes first, so that the others are never opened without need.
            let waiting = idle.lock().expect("no holder of this lock panics").pop();
            let found = waiting.map_or_else(|| connect(&folder), Ok).and_then(|db| {
                let found = find(&db)?;
                // A connection that has met trouble is closed instead.
                idle.lock().expect("no holder of this lock panics").push(db);
                Ok(found)
            });
            found.map_err(|error| trouble::database(doing, &folder, &error))
        });
        reading.await.unwrap_or_else(|stopped| Err(StoreError::Io { doing, why: stopped.to_string() }))
    }

    /// Waits for those who read, and lets nobody begin.
    pub(crate) async fn close(&self) {
        let all = self.permits.acquire_many(self.most as u32).await;
        self.permits.close();
        drop(all);
        self.idle.lock().expect("no holder of this lock panics").clear();
    }
}

fn connect(folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(folder.join(DATABASE), flags)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?; // while the log is begun anew or recovered
    // Without it, statements are parsed anew whenever a value is bound: the library is built to plan by values.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(32);
    db.execute_batch(&format!("PRAGMA cache_size = -{CACHE_KIB}; PRAGMA temp_store = MEMORY;"))?;
    Ok(db)
}
