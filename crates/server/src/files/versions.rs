//! Numbers of file versions: from 1, one more for each version of a path, also while earlier ones are not committed yet. A
//! number that is never committed leaves a hole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rejoin_core::event::FileChange;
use rejoin_core::id::WorkspaceId;
use rejoin_core::position::Millis;
use rejoin_ports::agent::FileError;
use rejoin_ports::clock::Clock;
use rejoin_ports::store::Store;

/// Above every number of a version; JavaScript reads it exactly.
pub(crate) const BEYOND: u64 = 1 << 53;
/// Paths whose newest version is remembered.
const REMEMBERED: usize = 20_000;
/// How long a path is remembered at least: by then what was numbered is committed, or never will be.
const COMMITTED_MS: Millis = 10 * 60_000;
/// Paths that may be remembered while none of them is old enough to go. One takes some 200 bytes.
const MOST: usize = 200_000;

/// Gives out the numbers of versions.
pub struct Versions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    given: Mutex<HashMap<(WorkspaceId, String), Given>>,
}

/// The newest version of a path, committed or on its way.
struct Given {
    /// 0: there is none yet.
    version: u64,
    content: Option<Content>,
    at: Millis,
}

/// What a version holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Kept(String),
    /// Too large: only that it changed is known.
    NotKept,
    Deleted,
}

impl Content {
    pub(crate) fn hash(&self) -> Option<String> {
        match self {
            Content::Kept(hash) => Some(hash.clone()),
            Content::NotKept | Content::Deleted => None,
        }
    }
}

impl Versions {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Versions {
        Versions { store, clock, given: Mutex::default() }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The number of a version to be. A scan gets none for what is the newest version already: somebody wrote it through
    /// us meanwhile.
    pub(crate) async fn next(
        &self,
        workspace: &WorkspaceId,
        path: &str,
        content: Content,
        scanned: bool,
    ) -> Result<Option<u64>, FileError> {
        let place = (workspace.clone(), path.to_owned());
        let known = self.given.lock().expect("no holder of this lock panics").contains_key(&place);
        let newest = match known {
            true => None,
            false => self.store.file_versions(workspace, path, Some(BEYOND), 1).await?.into_iter().next(),
        };
        let now = self.clock.now();
        let mut given = self.given.lock().expect("no holder of this lock panics");
        if given.len() >= REMEMBERED && !given.contains_key(&place) {
            given.retain(|_, known| known.at.saturating_add(COMMITTED_MS) > now);
            if given.len() >= MOST {
                return Err(FileError::Io("too many files change at once".to_owned()));
            }
        }
        let newest = match newest {
            None => Given { version: 0, content: None, at: now },
            Some(newest) => {
                let content = match (newest.change, newest.hash) {
                    (FileChange::Deleted, _) => Content::Deleted,
                    (_, Some(hash)) => Content::Kept(hash),
                    (_, None) => Content::NotKept,
                };
                Given { version: newest.version, content: Some(content), at: now }
            }
        };
        let known = given.entry(place).or_insert(newest);
        let same = known.content.as_ref() == Some(&content) && content != Content::NotKept;
        if scanned && same {
            return Ok(None);
        }
        *known = Given { version: known.version + 1, content: Some(content), at: now };
        Ok(Some(known.version))
    }
}
