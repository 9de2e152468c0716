//! The folder a bench works in: made for it, and gone with it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::report::Report;

/// What `statfs` says of a file system that lives in memory, where a sync costs nothing.
const TMPFS: u64 = 0x0102_1994;

pub(crate) struct Room {
    folder: TempDir,
}

impl Room {
    /// Below `parent`, or where temporary files go.
    pub(crate) fn new(parent: Option<&Path>, report: &Report) -> anyhow::Result<Room> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let folder = tempfile::Builder::new()
            .prefix("rejoin-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("making a folder in {}", parent.display()))?;
        let kind = rustix::fs::statfs(folder.path()).map(|found| found.f_type as u64);
        if kind == Ok(TMPFS) {
            let where_ = parent.display();
            report.say(&format!("{where_} is in memory: nothing durable is measured there; give --folder on a disk"));
        }
        Ok(Room { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
