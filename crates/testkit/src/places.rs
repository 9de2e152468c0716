//! Workplaces in a temporary folder, with versions counted in memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rejoin_core::event::FileChange;
use rejoin_core::header::Header;
use rejoin_core::id::SessionId;
use rejoin_machine::confine::Root;
use rejoin_machine::files;
use rejoin_ports::agent::{AgentFiles, ChangesSince, FileChanged, FileError, PlainMemory, Workplace, Workplaces};

/// One folder per workspace below `folder`.
pub struct TestPlaces {
    pub folder: PathBuf,
    versions: Arc<Mutex<HashMap<(PathBuf, String), u64>>>,
    memories: Mutex<HashMap<SessionId, Arc<PlainMemory>>>,
}

impl TestPlaces {
    pub fn new(folder: PathBuf) -> TestPlaces {
        TestPlaces { folder, versions: Arc::default(), memories: Mutex::default() }
    }

    fn memory(&self, header: &Header) -> Arc<PlainMemory> {
        self.memories.lock().expect("never poisoned").entry(header.id.clone()).or_default().clone()
    }
}

#[async_trait]
impl Workplaces for TestPlaces {
    async fn workplace(&self, header: &Header) -> Result<Workplace, FileError> {
        let name = header.workspace.as_ref().map_or(header.id.as_str(), |id| id.as_str());
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let files = Arc::new(Place { folder: folder.clone(), versions: self.versions.clone() });
        Ok(Workplace { folder, files, memory: self.memory(header) })
    }
}

struct Place {
    folder: PathBuf,
    versions: Arc<Mutex<HashMap<(PathBuf, String), u64>>>,
}

fn io(error: impl std::fmt::Display) -> FileError {
    FileError::Io(error.to_string())
}

impl Place {
    fn version(&self, path: &str) -> u64 {
        let mut versions = self.versions.lock().expect("never poisoned");
        let version = versions.entry((self.folder.clone(), path.to_owned())).or_default();
        *version += 1;
        *version
    }
    fn names(&self) -> HashMap<String, Vec<u8>> {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let files = files.filter(|entry| entry.path().is_file());
        files
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, std::fs::read(entry.path()).ok()?)))
            .collect()
    }
}

#[async_trait]
impl AgentFiles for Place {
    async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<FileChanged, FileError> {
        let root = Root::open(&self.folder).map_err(io)?;
        let written = files::write(&root, path, &bytes, files::Expect::Anything).map_err(io)?;
        let change = if written.created { FileChange::Created } else { FileChange::Modified };
        let version = self.version(&written.path);
        Ok(FileChanged {
            path: written.path,
            change,
            version,
            hash: Some(written.hash.to_string()),
            size: bytes.len() as u64,
        })
    }
    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        std::fs::read(self.folder.join(path)).map_err(io)
    }
    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError> {
        let place = Place { folder: self.folder.clone(), versions: self.versions.clone() };
        Ok(Box::new(Before { names: place.names(), place }))
    }
}

struct Before {
    place: Place,
    names: HashMap<String, Vec<u8>>,
}

#[async_trait]
impl ChangesSince for Before {
    async fn after(self: Box<Self>) -> Result<Vec<FileChanged>, FileError> {
        let now = self.place.names();
        let changed = now.iter().filter(|(name, bytes)| self.names.get(*name) != Some(*bytes));
        Ok(changed
            .map(|(name, bytes)| FileChanged {
                path: name.clone(),
                change: if self.names.contains_key(name) { FileChange::Modified } else { FileChange::Created },
                version: self.place.version(name),
                hash: None,
                size: bytes.len() as u64,
            })
            .collect())
    }
}
