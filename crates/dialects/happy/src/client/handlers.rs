//! The calls that every command line of the original answers: commands and files of the place where it runs.

mod bash;
mod files;
mod tools;

use std::path::{Path, PathBuf};

use rejoin_machine::{PathError, Root};
use tokio::task::spawn_blocking;

use super::rpc::{Reply, RpcHandlers};
use crate::payload::{Bash, GetDirectoryTree, ListDirectory, ReadFile, ToolRun, WriteFile};

/// Where calls act.
#[derive(Debug, Clone)]
pub struct Place {
    /// What relative paths are relative to.
    folder: PathBuf,
    /// Whether it may be left.
    is_open: bool,
}

impl Place {
    /// A folder that is not left. None: an empty path.
    ///
    /// Commands are not held back by it: it keeps mistakes in, not people out.
    pub fn within(folder: &str) -> Option<Place> {
        (!folder.is_empty()).then(|| Place { folder: PathBuf::from(folder), is_open: false })
    }

    /// The whole machine, as far as its files let us.
    pub fn machine(folder: impl Into<PathBuf>) -> Place {
        Place { folder: folder.into(), is_open: true }
    }

    /// What paths are confined to, and how `path` is spelled there.
    fn root(&self, path: &str) -> Result<(Root, String), String> {
        let top = if self.is_open { Path::new("/") } else { &self.folder };
        let root = Root::open(top).map_err(|error| error.to_string())?;
        let whole = self.folder.join(path);
        let spelled = whole.to_str().ok_or_else(|| "The path is not UTF-8".to_owned())?;
        Ok((root, spelled.to_owned()))
    }

    /// Where a command runs.
    fn cwd(&self, cwd: Option<&str>) -> Result<PathBuf, String> {
        match cwd {
            // Apps that know no better name the root.
            None | Some("" | "/") => Ok(self.folder.clone()),
            Some(cwd) => {
                let (root, spelled) = self.root(cwd)?;
                let found = root.resolve(&spelled).map_err(|error| said(cwd, &error))?;
                Ok(found.absolute())
            }
        }
    }
}

/// Answers `bash`, `readFile`, `writeFile`, `listDirectory`, `getDirectoryTree`, `ripgrep` and `difftastic`.
pub fn register(rpc: &RpcHandlers, place: Place) {
    let here = place.clone();
    rpc.register_typed("bash", move |params: Bash| {
        let here = here.clone();
        async move { Ok::<_, String>(Reply::json(&bash::run(&here, &params).await)) }
    });
    for (name, tool) in [("ripgrep", tools::RIPGREP), ("difftastic", tools::DIFFTASTIC)] {
        let here = place.clone();
        rpc.register_typed(name, move |params: ToolRun| {
            let here = here.clone();
            async move { Ok::<_, String>(Reply::json(&tools::run(&here, tool, &params).await)) }
        });
    }
    on_files(rpc, "readFile", &place, |here, params: ReadFile| Reply::json(&files::read(here, &params)));
    on_files(rpc, "writeFile", &place, |here, params: WriteFile| Reply::json(&files::write(here, &params)));
    on_files(rpc, "listDirectory", &place, |here, params: ListDirectory| Reply::json(&files::list(here, &params)));
    on_files(rpc, "getDirectoryTree", &place, |here, params: GetDirectoryTree| {
        Reply::json(&files::tree(here, &params))
    });
}

/// Work on files blocks, so it has a thread of its own.
fn on_files<P>(rpc: &RpcHandlers, name: &str, place: &Place, work: fn(&Place, P) -> Reply)
where
    P: serde::de::DeserializeOwned + Send + 'static,
{
    let place = place.clone();
    rpc.register_typed(name, move |params: P| {
        let place = place.clone();
        async move { spawn_blocking(move || work(&place, params)).await.map_err(|_| "The handler failed") }
    });
}

/// An error as callers know it.
fn said(path: &str, error: &PathError) -> String {
    match error {
        PathError::Outside { .. } => format!("Access denied: Path '{path}' is outside the working directory"),
        other => other.to_string(),
    }
}
