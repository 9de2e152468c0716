//! Files as agents change them: directly, or behind our back while a tool runs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::event::FileChange;
use rejoin_core::header::Header;
use rejoin_machine::files::{self, Expect};
use rejoin_machine::scan::{ScanLimits, Snapshot};
use rejoin_ports::agent::{AgentFiles, ChangesSince, FileChanged, FileError, Workplace, Workplaces};
use rejoin_ports::store::Store;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::blocking::Blocking;
use super::memory::Memory;
use super::versions::{Content, Versions};
use super::{LARGEST_FILE, error, write_error};
use crate::workspaces::{Place, WorkspaceBook};

/// Changed files that one scan tells of. A tool that changes more has unpacked or checked out something.
pub(super) const MOST_CHANGES: usize = 1_000;
/// Bytes that the versions of one scan may keep.
const MOST_SCANNED: u64 = 256 << 20;

/// Workplaces of sessions, and the versions that come out of them.
#[derive(Clone)]
pub struct Workshop {
    pub(super) store: Arc<dyn Store>,
    pub(super) workspaces: Arc<WorkspaceBook>,
    pub(super) versions: Arc<Versions>,
    pub(super) blocking: Blocking,
    /// Held while a path is written and numbered, so that the newest version is what is on disk.
    turns: Arc<[Mutex<()>]>,
}

/// Writes that may be under way at a time without waiting for each other, if they do not meet by chance.
const TURNS: usize = 64;

impl Workshop {
    pub fn new(
        store: Arc<dyn Store>,
        workspaces: Arc<WorkspaceBook>,
        versions: Versions,
        blocking: Blocking,
    ) -> Workshop {
        let turns = (0..TURNS).map(|_| Mutex::default()).collect();
        Workshop { store, workspaces, versions: Arc::new(versions), blocking, turns }
    }

    fn turn(&self, place: &Place, path: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        (&place.workspace, path).hash(&mut hasher);
        &self.turns[(hasher.finish() % TURNS as u64) as usize]
    }

    /// Writes a file and keeps its bytes. The version is the caller's to tell.
    pub(super) async fn write(&self, place: &Place, path: &str, bytes: Vec<u8>) -> Result<FileChanged, FileError> {
        let size = bytes.len() as u64;
        if size > LARGEST_FILE {
            return Err(FileError::TooLarge { most: LARGEST_FILE });
        }
        // The bytes first: whatever names them comes later.
        let bytes = bytes::Bytes::from(bytes);
        let hash = self.store.put_blob(&place.tenant, bytes.clone()).await?;
        let _turn = self.turn(place, path).lock().await;
        let (at, path) = (place.clone(), path.to_owned());
        let write = move || {
            let target = at.root.resolve_new(&path).map_err(error)?;
            if at.hides(target.relative()) {
                return Err(FileError::Outside);
            }
            files::write(&at.root, &path, &bytes, Expect::Anything).map_err(write_error)
        };
        let written = self.blocking.run(write).await?;
        let change = if written.created { FileChange::Created } else { FileChange::Modified };
        let version = self.versions.next(&place.workspace, &written.path, Content::Kept(hash.clone()), false).await?;
        let version = version.expect("only a scan gets no number");
        Ok(FileChanged { path: written.path, change, version, hash: Some(hash), size })
    }
}

#[async_trait]
impl Workplaces for Workshop {
    async fn workplace(&self, header: &Header) -> Result<Workplace, FileError> {
        let place = self.workspaces.place(header).await?;
        let folder = place.root.path().to_path_buf();
        let memory = Arc::new(Memory::new(self.store.clone(), self.versions.clock(), header));
        Ok(Workplace { folder, files: Arc::new(SessionFiles { shop: self.clone(), place }), memory })
    }

    async fn abandon(&self, header: &Header) -> Result<(), FileError> {
        self.workspaces.abandon(header).await
    }
}

/// The files of one session's workspace.
struct SessionFiles {
    shop: Workshop,
    place: Place,
}

#[async_trait]
impl AgentFiles for SessionFiles {
    async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<FileChanged, FileError> {
        self.shop.write(&self.place, path, bytes).await
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let (place, path) = (self.place.clone(), path.to_owned());
        let read = move || {
            if place.hides(place.root.resolve(&path).map_err(error)?.relative()) {
                return Err(FileError::Outside);
            }
            let content = files::read(&place.root, &path, LARGEST_FILE).map_err(error)?;
            Ok(match content.body {
                files::Body::Text(text) => text.into_bytes(),
                files::Body::Binary(bytes) => bytes,
            })
        };
        self.shop.blocking.run(read).await
    }

    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError> {
        let (root, stop) = (self.place.root.clone(), CancellationToken::new());
        // Whoever waits for this may be gone before it is done.
        let _stop = stop.clone().drop_guard();
        let look = self.shop.blocking.run(move || Ok(Snapshot::take(&root, &ScanLimits::default(), &stop)));
        let before = look.await?;
        Ok(Box::new(Look { shop: self.shop.clone(), place: self.place.clone(), before }))
    }
}

/// A look at the workspace before a tool ran.
struct Look {
    shop: Workshop,
    place: Place,
    before: Snapshot,
}

#[async_trait]
impl ChangesSince for Look {
    async fn after(self: Box<Self>) -> Result<Vec<FileChanged>, FileError> {
        let Look { shop, place, before } = *self;
        let (root, stop) = (place.root.clone(), CancellationToken::new());
        let _stop = stop.clone().drop_guard();
        let compare = move || {
            let after = Snapshot::take(&root, &ScanLimits::default(), &stop);
            Ok(after.changes_since(&before, &root))
        };
        let mut changes = shop.blocking.run(compare).await?;
        for list in [&mut changes.created, &mut changes.modified, &mut changes.deleted] {
            list.retain(|path| !place.hides(path));
        }
        let found = changes.created.len() + changes.modified.len() + changes.deleted.len();
        if changes.truncated || found > MOST_CHANGES {
            tracing::warn!(workspace = %place.workspace, found, "a tool changed more files than a scan tells of");
        }
        let created = changes.created.into_iter().map(|path| (path, FileChange::Created));
        let modified = changes.modified.into_iter().map(|path| (path, FileChange::Modified));
        let deleted = changes.deleted.into_iter().map(|path| (path, FileChange::Deleted));
        let mut told = Vec::with_capacity(found.min(MOST_CHANGES));
        let (mut missed, mut left) = (Vec::new(), MOST_SCANNED);
        for (path, change) in created.chain(modified).chain(deleted).take(MOST_CHANGES) {
            // What was found of the others is told all the same.
            match shop.scanned(&place, path, change, &mut left).await {
                Ok(found) => told.extend(found),
                Err(error) => missed.push(error),
            }
        }
        if let Some(error) = missed.first() {
            tracing::warn!(workspace = %place.workspace, missed = missed.len(), %error, "changes that a tool made are not told");
        }
        Ok(told)
    }
}

impl Workshop {
    /// Keeps a version of a file that a scan found. `None`: it is known, or gone again.
    async fn scanned(
        &self,
        place: &Place,
        path: String,
        change: FileChange,
        left: &mut u64,
    ) -> Result<Option<FileChanged>, FileError> {
        let (content, size) = match change {
            FileChange::Deleted => (Content::Deleted, 0),
            FileChange::Created | FileChange::Modified => {
                let (root, name, most) = (place.root.clone(), path.clone(), LARGEST_FILE.min(*left));
                let read = self.blocking.run(move || match files::read(&root, &name, most) {
                    Ok(content) => Ok(Some(Ok(content.body))),
                    Err(rejoin_machine::PathError::TooLarge { size, .. }) => Ok(Some(Err(size))),
                    // Gone since the look, or not for us to read: there is no content to keep.
                    Err(_) => Ok(None),
                });
                match read.await? {
                    None => return Ok(None),
                    Some(Err(size)) => (Content::NotKept, size),
                    Some(Ok(body)) => {
                        let bytes = match body {
                            files::Body::Text(text) => bytes::Bytes::from(text),
                            files::Body::Binary(bytes) => bytes::Bytes::from(bytes),
                        };
                        let size = bytes.len() as u64;
                        *left -= size; // at most that much was read
                        (Content::Kept(self.store.put_blob(&place.tenant, bytes).await?), size)
                    }
                }
            }
        };
        let hash = content.hash();
        let version = self.versions.next(&place.workspace, &path, content, true).await?;
        Ok(version.map(|version| FileChanged { path, change, version, hash, size }))
    }
}
