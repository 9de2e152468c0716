//! Copies of everything that is kept.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A folder on the gateway's machine that does not exist yet
    folder: PathBuf,
}

impl Backup {
    /// Asks the gateway, which holds its database alone and goes on serving meanwhile.
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let folder = std::path::absolute(&self.folder)
            .map_err(|why| Told::usage(format!("{}: {why}", self.folder.display())))?;
        let folder = folder.to_str().ok_or_else(|| Told::usage("the folder's name is not UTF-8"))?;
        here.client()?.backup(folder).await?;
        out.either(&json!({ "backup": folder }), |_| format!("backed up into {folder}"))?;
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `rejoin backup` made
    backup: PathBuf,
}

impl Restore {
    /// Works on the data folder itself, so no gateway may run on it.
    pub(crate) fn run(self, here: &Here) -> anyhow::Result<Exit> {
        let data = here
            .data_folder()
            .ok_or_else(|| Told::usage("there is no home folder: say with --data where to restore to"))?;
        let restored = rejoin_server::restore(&self.backup, &data)?;
        let mut out = Out::new(here.json);
        let answer = json!({
            "restored": data, "epoch": restored.epoch.to_string(), "kept": restored.kept,
        });
        out.either(&answer, |_| match &restored.kept {
            Some(kept) => format!("restored into {}; what was there is kept as {}", data.display(), kept.display()),
            None => format!("restored into {}", data.display()),
        })?;
        out.flush()?;
        Ok(Exit::Ok)
    }
}
