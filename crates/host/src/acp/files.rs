//! The workspace: files that an agent reads and writes through us, and those that it changes by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoin_core::happening::Happening;
use rejoin_ports::agent::{AgentFiles, ChangesSince, FileChanged, FileError};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::message::{BAD_PARAMS, INTERNAL, NOT_FOUND, RpcError};
use super::wire::text;
use crate::agent::Tasks;

/// A session's files under the paths that its agent uses.
#[derive(Clone)]
pub(super) struct Files {
    folder: PathBuf,
    files: Arc<dyn AgentFiles>,
}

impl Files {
    pub(super) fn new(folder: &Path, files: Arc<dyn AgentFiles>) -> Files {
        Files { folder: folder.to_owned(), files }
    }

    pub(super) async fn read(&self, params: &Value) -> Result<Value, RpcError> {
        let path = self.path(params)?;
        let number =
            |name: &str| params.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        let bytes = self.files.read(&path).await.map_err(|error| refused(&path, &error))?;
        let content = String::from_utf8(bytes).map_err(|_| RpcError::new(INTERNAL, format!("{path} is not text")))?;
        Ok(json!({"content": part(&content, number("line"), number("limit"))}))
    }

    pub(super) async fn write(&self, params: &Value) -> Result<FileChanged, RpcError> {
        let path = self.path(params)?;
        let content = text(params, "content").ok_or_else(|| RpcError::new(BAD_PARAMS, "there is no content"))?;
        self.files.write(&path, content.as_bytes().to_vec()).await.map_err(|error| refused(&path, &error))
    }

    /// The path within the workspace.
    fn path(&self, params: &Value) -> Result<String, RpcError> {
        let path = text(params, "path").ok_or_else(|| RpcError::new(BAD_PARAMS, "there is no path"))?;
        let inside = Path::new(path).strip_prefix(&self.folder).ok().and_then(Path::to_str);
        Ok(inside.unwrap_or(path).to_owned())
    }
}

fn refused(path: &str, error: &FileError) -> RpcError {
    let code = match error {
        FileError::NotFound => NOT_FOUND,
        FileError::Outside | FileError::IsFolder | FileError::NotFolder | FileError::Invalid(_) => BAD_PARAMS,
        FileError::TooLarge { .. } | FileError::Io(_) | FileError::Store(_) => INTERNAL,
    };
    RpcError::new(code, format!("{path}: {error}"))
}

/// So many lines, from this one on. The first is 1.
fn part(content: &str, line: Option<usize>, limit: Option<usize>) -> &str {
    let nth = |from: &str, lines: usize| match lines {
        0 => 0,
        lines => memchr::memchr_iter(b'\n', from.as_bytes()).nth(lines - 1).map_or(from.len(), |at| at + 1),
    };
    let begin = nth(content, line.unwrap_or(1).saturating_sub(1));
    let rest = &content[begin..];
    limit.map_or(rest, |limit| &rest[..nth(rest, limit)])
}

/// What a change of a file is to everybody else.
pub(super) fn told(changed: FileChanged) -> Happening {
    Happening::FileChanged {
        path: changed.path,
        change: changed.change,
        version: Some(changed.version),
        hash: changed.hash,
        size: Some(changed.size),
    }
}

/// Looks for files that the agent has changed without telling, from before a turn to its end.
///
/// The agent does not wait for us, so each look begins before the last one is compared: what falls between is seen twice
/// rather than not at all, and known the second time.
pub(super) struct Watch {
    files: Arc<dyn AgentFiles>,
    look: Option<Box<dyn ChangesSince>>,
    work: Option<JoinHandle<Seen>>,
    /// Something may have changed since the look under way began.
    again: bool,
    last: bool,
}

struct Seen {
    look: Option<Box<dyn ChangesSince>>,
    changes: Vec<FileChanged>,
}

impl Watch {
    pub(super) fn new(files: Arc<dyn AgentFiles>) -> Watch {
        Watch { files, look: None, work: None, again: false, last: false }
    }

    /// Takes the first look, unless there is one.
    pub(super) fn begin(&mut self, tasks: &Tasks) {
        self.last = false;
        if self.work.is_some() {
            self.again = true;
        } else if self.look.is_none() {
            self.go(tasks, true);
        }
    }

    /// Whether there is a look to compare with, or none can be had.
    pub(super) fn is_ready(&self) -> bool {
        self.work.is_none()
    }

    /// Something may have changed.
    pub(super) fn changed(&mut self, tasks: &Tasks) {
        if self.work.is_some() {
            self.again = true;
        } else if self.look.is_some() {
            self.go(tasks, true);
        }
    }

    /// Nothing more will change: one last comparison.
    pub(super) fn end(&mut self, tasks: &Tasks) {
        self.last = true;
        if self.work.is_some() {
            self.again = true;
        } else if self.look.is_some() {
            self.go(tasks, false);
        }
    }

    fn go(&mut self, tasks: &Tasks, on: bool) {
        let (files, last) = (self.files.clone(), self.look.take());
        self.again = false;
        self.work = Some(tasks.spawn(async move {
            let look = if on { before(&files).await } else { None };
            let changes = match last {
                Some(last) => last.after().await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "files that an agent changed are not known");
                    Vec::new()
                }),
                None => Vec::new(),
            };
            Seen { look, changes }
        }));
    }

    /// What was found by the look under way; for ever, when there is none. Safe to drop and call again.
    pub(super) async fn found(&mut self, tasks: &Tasks) -> Vec<FileChanged> {
        let Some(work) = &mut self.work else { return std::future::pending().await };
        let seen = work.await;
        self.work = None;
        let changes = match seen {
            Ok(seen) => {
                self.look = seen.look;
                seen.changes
            }
            Err(_) => Vec::new(), // it panicked, or the runtime ends
        };
        if self.again && (self.look.is_some() || !self.last) {
            self.go(tasks, !self.last);
        } else if self.last {
            self.look = None;
        }
        changes
    }
}

async fn before(files: &Arc<dyn AgentFiles>) -> Option<Box<dyn ChangesSince>> {
    match files.before().await {
        Ok(look) => Some(look),
        Err(error) => {
            tracing::warn!(%error, "the workspace cannot be looked at");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_is_counted_in_lines() {
        let text = "one\ntwo\nthree";
        for (line, limit, expected) in [
            (None, None, text),
            (Some(1), None, text),
            (Some(0), None, text),
            (Some(2), None, "two\nthree"),
            (Some(2), Some(1), "two\n"),
            (Some(3), Some(9), "three"),
            (Some(4), Some(1), ""),
            (None, Some(0), ""),
            (None, Some(2), "one\ntwo\n"),
        ] {
            assert_eq!(part(text, line, limit), expected, "{line:?} {limit:?}");
        }
    }
}
