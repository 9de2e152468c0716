//! Files of the agent's workspace.

use serde_json::{Value, json};

use super::call::Call;
use super::{Client, Error, Event};
use crate::names::{said, told};
use crate::wire::{FileContent, FileEntry, Iteration};

impl Client {
    /// What is in a folder, or in the workspace itself; `depth` levels of it, or one.
    pub async fn list_files(
        &self,
        session: &str,
        path: Option<&str>,
        depth: Option<u64>,
    ) -> Result<Vec<FileEntry>, Error> {
        let fields = json!({ "sessionId": session, "path": path, "depth": depth });
        match self.ask(Call::new(said::LIST_FILES, &[told::FILE_LIST], fields)).await?.event {
            Event::FileList(list) => Ok(list.files),
            _ => Err(Error::Unreadable(said::LIST_FILES)),
        }
    }

    pub async fn read_file(&self, session: &str, path: &str) -> Result<FileContent, Error> {
        self.content(said::READ_FILE, json!({ "sessionId": session, "path": path })).await
    }

    /// The versions of a file.
    pub async fn file_history(&self, session: &str, path: &str) -> Result<Vec<Iteration>, Error> {
        let fields = json!({ "sessionId": session, "path": path });
        match self.ask(Call::new(said::FILE_HISTORY, &[told::FILE_HISTORY_RESULT], fields)).await?.event {
            Event::FileHistory(told) => Ok(told.history),
            _ => Err(Error::Unreadable(said::FILE_HISTORY)),
        }
    }

    /// A file as it was.
    pub async fn file_at_iteration(&self, session: &str, path: &str, iteration: u64) -> Result<FileContent, Error> {
        let fields = json!({ "sessionId": session, "path": path, "iteration": iteration });
        self.content(said::FILE_AT_ITERATION, fields).await
    }

    async fn content(&self, kind: &'static str, fields: Value) -> Result<FileContent, Error> {
        match self.ask(Call::new(kind, &[told::FILE_CONTENT], fields)).await?.event {
            Event::FileContent(told) => Ok(told.file),
            _ => Err(Error::Unreadable(kind)),
        }
    }
}
