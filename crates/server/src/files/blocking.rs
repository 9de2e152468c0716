//! Work that waits for a disk, away from the tasks that must not.

use std::sync::Arc;

use rejoin_ports::agent::FileError;
use tokio::sync::Semaphore;

/// Pieces of file work at a time. A scan or a search keeps a core and a disk busy; more of them would only take turns.
const AT_ONCE: usize = 8;

/// Where file work is done.
#[derive(Clone)]
pub struct Blocking(Arc<Semaphore>);

impl Default for Blocking {
    fn default() -> Blocking {
        Blocking(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Blocking {
    /// Does one piece of work. If the caller goes away it is still finished, and counts until then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let permit = self.0.clone().acquire_owned().await.expect("nobody closes it");
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "file work failed");
            Err(FileError::Io("the work was not finished".to_owned()))
        })
    }
}
