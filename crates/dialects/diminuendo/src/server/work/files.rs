//! Files of a session's workspace, and their iterations.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rejoin_core::id::SessionId;
use rejoin_ports::agent::FileError;
use rejoin_ports::gateway::FilesFailure;
use serde_json::json;

use super::sessions::visible;
use super::{Done, Outcome};
use crate::names::told;
use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::who::Who;
use crate::wire::{Code, FileContent, FileEntry, FileKind, Iteration};

/// What one listing shows.
const MOST_ENTRIES: usize = 5_000;
/// The largest file that travels in a message.
const LARGEST: usize = 1 << 20;
/// Iterations that one answer shows: the newest.
const MOST_ITERATIONS: usize = 500;

pub(in crate::server) async fn list(door: &Hall, who: &Who, session: SessionId, path: String, depth: usize) -> Outcome {
    let identity = who.identity();
    visible(door, &identity, &session).await?;
    let found = door.gateway.files.list(&identity, &session, &path, depth, true).await?;
    let files: Vec<FileEntry> = found
        .into_iter()
        .take(MOST_ENTRIES)
        .map(|entry| FileEntry {
            path: entry.path,
            name: entry.name,
            kind: if entry.folder { FileKind::Directory } else { FileKind::File },
            size: entry.size,
            modified_at: entry.modified_at,
        })
        .collect();
    Ok(Done::told(json!({ "type": told::FILE_LIST, "sessionId": session, "path": path, "files": files })))
}

pub(in crate::server) async fn read(
    door: &Hall,
    who: &Who,
    session: SessionId,
    path: String,
    iteration: Option<u64>,
) -> Outcome {
    let identity = who.identity();
    visible(door, &identity, &session).await?;
    let found = door.gateway.files.read(&identity, &session, &path, iteration).await;
    let found = found.map_err(|failure| match (failure, iteration) {
        (FilesFailure::File(FileError::NotFound), Some(iteration)) => {
            Refused::new(Code::IterationNotFound, format!("There is no iteration {iteration} of that file"))
        }
        (failure, _) => failure.into(),
    })?;
    if found.bytes.len() > LARGEST {
        return Err(Refused::new(Code::FileTooLarge, format!("The file is larger than {LARGEST} bytes")));
    }
    let size = found.bytes.len() as u64;
    let (content, encoding) = match std::str::from_utf8(&found.bytes) {
        Ok(text) => (text.to_owned(), "utf-8"),
        Err(_) => (BASE64_STANDARD.encode(&found.bytes), "base64"),
    };
    let content = FileContent { content, encoding: encoding.to_owned(), path, size, iteration };
    let mut told = serde_json::to_value(content).map_err(|_| Refused::new(Code::Internal, "Internal"))?;
    told["type"] = told::FILE_CONTENT.into();
    told["sessionId"] = session.as_str().into();
    Ok(Done::told(told))
}

/// The newest iterations, the oldest of them first.
pub(in crate::server) async fn history(door: &Hall, who: &Who, session: SessionId, path: String) -> Outcome {
    let identity = who.identity();
    visible(door, &identity, &session).await?;
    let found = door.gateway.files.versions(&identity, &session, &path, None, MOST_ITERATIONS).await?;
    if found.is_empty() {
        // A file that nobody has changed here has no iterations yet; one that is not there is an error.
        door.gateway.files.preview(&identity, &session, &path).await?;
    }
    let mut history: Vec<Iteration> = found
        .into_iter()
        .map(|version| Iteration {
            iteration: version.version,
            timestamp: version.at,
            size: version.size,
            hash: version.hash.unwrap_or_default(),
        })
        .collect();
    history.sort_by_key(|iteration| iteration.iteration);
    let told = json!({ "type": told::FILE_HISTORY_RESULT, "sessionId": session, "path": path, "history": history });
    Ok(Done::told(told))
}
