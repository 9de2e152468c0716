//! Creating a session.

use std::collections::BTreeMap;

use clap::Args;
use rejoin_sdk::types::header::{Config, Model};
use rejoin_sdk::types::id::{SessionId, WorkspaceId};
use rejoin_sdk::types::turn::IfBusy;
use rejoin_sdk::{NewSession, NewWorkspace};

use super::prompt::{give, text};
use super::session::labels;
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;

#[derive(Debug, Args)]
pub(crate) struct New {
    /// Who works: see `rejoin agent ls`
    #[arg(long, short, default_value = "echo")]
    agent: String,
    #[arg(long, short)]
    title: Option<String>,
    /// Id of the workspace to work in; without one the session gets a folder of its own
    #[arg(long, short, conflicts_with = "folder")]
    workspace: Option<String>,
    /// Folder on the gateway's machine to work in; it becomes a workspace
    #[arg(long, short, value_name = "DIR")]
    folder: Option<String>,
    #[arg(long)]
    model: Option<String>,
    #[arg(long, requires = "model")]
    provider: Option<String>,
    /// `name=value`; may be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// A name of your own: with the same tag the same session is found again
    #[arg(long)]
    tag: Option<String>,
    /// The session's id, if you want to choose it; with the same id the same session is found again
    #[arg(long)]
    id: Option<String>,
    /// Let nobody else see it
    #[arg(long)]
    private: bool,
    /// How it runs, as JSON: {"maxTurns":3,"askMs":60000}
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// What to do first; the answer is waited for. `-` reads it from standard input
    text: Vec<String>,
}

impl New {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        // Before anything is created: it may be too long.
        let first = if self.text.is_empty() { None } else { Some(text(self.text)?) };
        let (client, me) = here.named_client()?;
        let id = self.id.map(SessionId::new).transpose();
        let id = id.map_err(|bad| Told::usage(format!("--id: {bad}")))?;
        let workspace = self.workspace.map(WorkspaceId::new).transpose();
        let mut workspace = workspace.map_err(|bad| Told::usage(format!("--workspace: {bad}")))?;
        let config: Option<Config> = self
            .config
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|why| Told::usage(format!("--config: {why}")))?;
        let (labels, _): (BTreeMap<_, _>, _) = labels(&self.labels)?;
        if let Some(folder) = self.folder {
            workspace = Some(folder_of(&client, folder).await?);
        }
        let model = self.model.map(|model| Model { model, provider: self.provider, variant: None });
        let new = NewSession {
            id,
            agent: self.agent,
            title: self.title,
            workspace,
            model,
            labels,
            tag: self.tag,
            private: self.private,
            config,
            ..NewSession::default()
        };
        let session = client.create(new).await?;
        out.either(&session, |_| session.header.id.to_string())?;
        match first {
            None => Ok(Exit::Ok),
            Some(first) => give(client, me, session.header.id, first, IfBusy::Queue, out).await,
        }
    }
}

/// The workspace that a folder is, made if it is none yet.
async fn folder_of(client: &rejoin_sdk::Client, folder: String) -> anyhow::Result<WorkspaceId> {
    let folder = std::path::absolute(&folder).map_err(|why| Told::usage(format!("--folder {folder}: {why}")))?;
    let path = folder.to_str().ok_or_else(|| Told::usage("--folder: the path is not UTF-8"))?;
    let path = path.trim_end_matches('/').to_owned();
    let known = client.workspaces().await?;
    if let Some(workspace) = known.into_iter().find(|known| known.path == path) {
        return Ok(workspace.id);
    }
    let new = NewWorkspace { path: Some(path), ..NewWorkspace::default() };
    Ok(client.create_workspace(&new).await?.id)
}
