//! Files of a session's workspace, as doors ask for them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::event::FileChange;
use rejoin_core::happening::Happening;
use rejoin_core::id::SessionId;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Verb};
use rejoin_machine::files::{self, Body, List, Shown};
use rejoin_machine::search::{self, ContentQuery, NameQuery};
use rejoin_ports::agent::{FileChanged, FileError};
use rejoin_ports::clock::Clock;
use rejoin_ports::gateway::{
    Caller, Failure, FileContent, FileEntry, FileMatch, FilePreview, Files, FilesFailure, Notes, Search, Sessions,
};
use rejoin_ports::store::FileVersion;
use tokio_util::sync::CancellationToken;

use super::agent::Workshop;
use super::versions::BEYOND;
use super::{LARGEST_FILE, error, search_error};
use crate::workspaces::Place;

/// The largest file that is shown as a preview. More is not looked at, it is downloaded.
const PREVIEW: u64 = 1 << 20;
/// Matches of one search, however many are asked for.
const MOST_MATCHES: usize = 1_000;
/// Versions in one page.
const MOST_VERSIONS: usize = 500;

/// Files through doors: with the rights of the one who asks, and told in the session's log.
pub struct FilesDoor {
    shop: Workshop,
    sessions: Arc<dyn Sessions>,
    notes: Arc<dyn Notes>,
    clock: Arc<dyn Clock>,
}

impl FilesDoor {
    pub fn new(shop: Workshop, sessions: Arc<dyn Sessions>, notes: Arc<dyn Notes>, clock: Arc<dyn Clock>) -> FilesDoor {
        FilesDoor { shop, sessions, notes, clock }
    }

    async fn place(&self, identity: &Identity, session: &SessionId, verb: Verb) -> Result<Place, FilesFailure> {
        let (header, _) = self.sessions.header(identity, session).await?;
        if !identity.role.may(verb, Kind::File) {
            return Err(Failure::from(Refusal::Forbidden).into());
        }
        if header.kind == rejoin_core::header::SessionKind::Sealed {
            return Err(Failure::from(Refusal::Sealed).into());
        }
        Ok(self.shop.workspaces.place(&header).await?)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FilesFailure> {
        Ok(self.shop.blocking.run(work).await?)
    }

    /// A path as versions have it: relative, without links. The file need not be there any more.
    async fn plain(&self, place: &Place, path: &str) -> Result<String, FilesFailure> {
        let (place, path) = (place.clone(), path.to_owned());
        self.run(move || {
            let found = place.root.resolve_new(&path).map_err(error)?;
            if place.hides(found.relative()) {
                return Err(FileError::Outside);
            }
            Ok(found.shown())
        })
        .await
    }

    async fn read_version(&self, place: &Place, path: &str, version: u64) -> Result<FileContent, FilesFailure> {
        let path = self.plain(place, path).await?;
        let before = version.saturating_add(1).min(BEYOND);
        let store = &self.shop.store;
        let found = store.file_versions(&place.workspace, &path, Some(before), 1).await.map_err(Failure::from)?;
        let found = found.into_iter().find(|found| found.version == version).ok_or(FileError::NotFound)?;
        let hash = match (found.hash, found.change) {
            (Some(hash), _) => hash,
            (None, FileChange::Deleted) => return Err(FileError::NotFound.into()),
            (None, _) => return Err(FileError::TooLarge { most: LARGEST_FILE }.into()),
        };
        let bytes = store.blob(&place.tenant, &hash).await.map_err(Failure::from)?;
        Ok(content(path, bytes.ok_or(FileError::NotFound)?))
    }
}

#[async_trait]
impl Files for FilesDoor {
    async fn list(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        depth: usize,
        hidden: bool,
    ) -> Result<Vec<FileEntry>, FilesFailure> {
        let place = self.place(identity, session, Verb::Read).await?;
        let path = path.to_owned();
        self.run(move || {
            check(&place, &path)?;
            let listing = files::list(&place.root, &path, &List { depth, hidden, ..List::default() }).map_err(error)?;
            let entries = listing.entries.into_iter().filter(|entry| !place.hides(&entry.path));
            Ok(entries.map(shown).collect())
        })
        .await
    }

    async fn read(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        version: Option<u64>,
    ) -> Result<FileContent, FilesFailure> {
        let place = self.place(identity, session, Verb::Read).await?;
        if let Some(version) = version {
            return self.read_version(&place, path, version).await;
        }
        let path = path.to_owned();
        self.run(move || {
            check(&place, &path)?;
            let found = files::read(&place.root, &path, LARGEST_FILE).map_err(error)?;
            let (text, bytes) = match found.body {
                Body::Text(text) => (true, text.into_bytes()),
                Body::Binary(bytes) => (false, bytes),
            };
            Ok(FileContent { path: found.path, mime: found.mime.to_owned(), text, bytes: bytes.into() })
        })
        .await
    }

    async fn preview(&self, identity: &Identity, session: &SessionId, path: &str) -> Result<FilePreview, FilesFailure> {
        let place = self.place(identity, session, Verb::Read).await?;
        let path = path.to_owned();
        self.run(move || {
            check(&place, &path)?;
            let found = files::preview(&place.root, &path, PREVIEW).map_err(error)?;
            let (kind, language, content) = match found.shown {
                Shown::Text(text) => ("text", None, Some(text)),
                Shown::Markdown(text) => ("markdown", None, Some(text)),
                Shown::Code { language, text } => ("code", Some(language.to_owned()), Some(text)),
                Shown::Binary => ("binary", None, None),
                Shown::TooLarge { .. } => ("tooLarge", None, None),
            };
            let (kind, mime) = (kind.to_owned(), found.mime.to_owned());
            Ok(FilePreview { path: found.path, kind, mime, size: found.size, language, content })
        })
        .await
    }

    async fn search(
        &self,
        identity: &Identity,
        session: &SessionId,
        search: Search,
    ) -> Result<Vec<FileMatch>, FilesFailure> {
        let place = self.place(identity, session, Verb::Read).await?;
        let stop = CancellationToken::new();
        // A search goes on for seconds; it ends when nobody waits for it any more.
        let _stop = stop.clone().drop_guard();
        self.run(move || {
            let limit = search.limit.clamp(1, MOST_MATCHES);
            let found: Vec<FileMatch> = match (search.content, search.name) {
                (Some(pattern), only) => {
                    let only =
                        only.map(|name| if name.contains(['*', '?', '[', '{']) { name } else { format!("*{name}*") });
                    let query = ContentQuery { regex: search.regex, only, limit, ..ContentQuery::new(pattern) };
                    let found = search::contents(&place.root, &query, &stop).map_err(search_error)?;
                    let matches = found.matches.into_iter();
                    matches
                        .map(|hit| FileMatch { path: hit.path, line: Some(hit.line), text: Some(hit.text) })
                        .collect()
                }
                (None, Some(name)) => {
                    let query = NameQuery { limit, ..NameQuery::new(name) };
                    let found = search::names(&place.root, &query, &stop).map_err(search_error)?;
                    let entries = found.entries.into_iter();
                    entries.map(|entry| FileMatch { path: entry.path, line: None, text: None }).collect()
                }
                (None, None) => return Err(FileError::Invalid("say what to look for".to_owned())),
            };
            Ok(found.into_iter().filter(|hit| !place.hides(&hit.path)).collect())
        })
        .await
    }

    async fn versions(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, FilesFailure> {
        let place = self.place(identity, session, Verb::Read).await?;
        let path = self.plain(&place, path).await?;
        let before = before.unwrap_or(BEYOND).min(BEYOND);
        let most = most.clamp(1, MOST_VERSIONS);
        let found = self.shop.store.file_versions(&place.workspace, &path, Some(before), most).await;
        Ok(found.map_err(Failure::from)?)
    }

    async fn write(
        &self,
        caller: &Caller,
        session: &SessionId,
        path: &str,
        bytes: Bytes,
    ) -> Result<FileVersion, FilesFailure> {
        let place = self.place(&caller.identity, session, Verb::Write).await?;
        let changed = self.shop.write(&place, path, bytes.into()).await?;
        let FileChanged { path, change, version, hash, size } = changed;
        let happening = Happening::FileChanged {
            path: path.clone(),
            change,
            version: Some(version),
            hash: hash.clone(),
            size: Some(size),
        };
        self.notes.note(session, caller.author.clone(), happening).await?;
        let (workspace, at) = (place.workspace, self.clock.now());
        Ok(FileVersion { workspace, path, version, change, hash, size, at, session: Some(session.clone()) })
    }
}

/// Says no to what the gateway keeps for itself.
fn check(place: &Place, path: &str) -> Result<(), FileError> {
    match place.hides(place.root.resolve(path).map_err(error)?.relative()) {
        true => Err(FileError::Outside),
        false => Ok(()),
    }
}

fn shown(entry: files::Entry) -> FileEntry {
    let is_file = entry.kind == files::Kind::File;
    FileEntry {
        path: entry.path,
        name: entry.name,
        folder: entry.kind == files::Kind::Folder,
        size: is_file.then_some(entry.size),
        modified_at: u64::try_from(entry.modified_ms).ok(),
    }
}

/// Bytes of a version. What they are is told by their name and by themselves, as for a file on disk.
fn content(path: String, bytes: Bytes) -> FileContent {
    let text = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
    let guess = mime_guess::from_path(&path).first_raw();
    let is_textual =
        |mime: &str| mime.starts_with("text/") || ["json", "xml", "javascript"].iter().any(|word| mime.contains(word));
    let fallback = if text { "text/plain" } else { "application/octet-stream" };
    let mime = guess.filter(|mime| is_textual(mime) == text).unwrap_or(fallback).to_owned();
    FileContent { path, mime, text, bytes }
}
