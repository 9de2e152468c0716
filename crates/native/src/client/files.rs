//! Files of a session's workspace.

use bytes::Bytes;
use rejoin_core::event::FileChange;
use rejoin_core::id::SessionId;
use rejoin_core::position::Millis;
use rejoin_ports::gateway::{FileEntry, FileMatch, FilePreview};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::workspaces::Items;
use super::{Client, Error};

/// One version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileVersion {
    pub path: String,
    /// From 1, one more for each version of this path.
    pub version: u64,
    pub change: FileChange,
    /// SHA-256 of the content; absent where the file was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    pub size: u64,
    pub at: Millis,
    /// The session in which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// What to list of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileList {
    /// The folder; absent: the workspace itself.
    pub path: Option<String>,
    /// How many levels; absent: one.
    pub depth: Option<usize>,
    pub hidden: bool,
}

/// What to look for in a workspace: by name, by content, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSearch {
    pub name: Option<String>,
    pub content: Option<String>,
    /// Whether `content` is a regular expression.
    pub regex: bool,
    pub limit: Option<usize>,
}

impl Client {
    pub async fn list_files(&self, session: &SessionId, list: &FileList) -> Result<Vec<FileEntry>, Error> {
        let call = self
            .call(Method::GET, ["sessions", session.as_str(), "files"])
            .ask_maybe("path", list.path.as_ref())
            .ask_maybe("depth", list.depth)
            .ask_maybe("hidden", list.hidden.then_some(true));
        let found: Items<FileEntry> = self.fetch(call).await?;
        Ok(found.items)
    }

    /// Without a name and without content nothing is looked for, and nothing is found.
    pub async fn search_files(&self, session: &SessionId, search: &FileSearch) -> Result<Vec<FileMatch>, Error> {
        if search.name.is_none() && search.content.is_none() {
            return Ok(Vec::new());
        }
        let call = self
            .call(Method::GET, ["sessions", session.as_str(), "files"])
            .ask_maybe("search", search.name.as_ref())
            .ask_maybe("content", search.content.as_ref())
            .ask_maybe("regex", search.regex.then_some(true))
            .ask_maybe("limit", search.limit);
        let found: Items<FileMatch> = self.fetch(call).await?;
        Ok(found.items)
    }

    /// A file's bytes, as it is now or as one version of it was.
    pub async fn read_file(&self, session: &SessionId, path: &str, version: Option<u64>) -> Result<Bytes, Error> {
        let call = self.about_file(Method::GET, session, "files", path)?;
        self.read(call.ask_maybe("version", version)).await
    }

    pub async fn preview_file(&self, session: &SessionId, path: &str) -> Result<FilePreview, Error> {
        let call = self.about_file(Method::GET, session, "files", path)?;
        self.fetch(call.ask("preview", true)).await
    }

    /// Writes a file: a new version of it.
    pub async fn write_file(
        &self,
        session: &SessionId,
        path: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<FileVersion, Error> {
        let call = self.about_file(Method::PUT, session, "files", path)?;
        // Written twice it would be two versions, so it is not sent again where it may have arrived.
        self.fetch(call.bytes(bytes.into()).once()).await
    }

    /// Versions of a file, the newest first: those older than `before`.
    pub async fn file_versions(
        &self,
        session: &SessionId,
        path: &str,
        before: Option<u64>,
        limit: Option<usize>,
    ) -> Result<Vec<FileVersion>, Error> {
        let call = self
            .about_file(Method::GET, session, "versions", path)?
            .ask_maybe("before", before)
            .ask_maybe("limit", limit);
        let found: Items<FileVersion> = self.fetch(call).await?;
        Ok(found.items)
    }

    fn about_file(&self, method: Method, session: &SessionId, what: &str, path: &str) -> Result<Call, Error> {
        let steps = || path.split('/').filter(|step| !matches!(*step, "" | "."));
        // An address swallows `..`, and another file would be meant.
        if steps().any(|step| step == "..") || steps().next().is_none() {
            let why = format!("`{path}` names no file in the workspace");
            return Err(Error::Setting(why));
        }
        let pieces = ["sessions", session.as_str(), what];
        Ok(self.call(method, pieces.into_iter().chain(steps())))
    }
}
