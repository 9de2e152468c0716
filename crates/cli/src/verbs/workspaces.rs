//! Workspaces.

use clap::Subcommand;
use rejoin_sdk::NewWorkspace;
use rejoin_sdk::types::Workspace;
use rejoin_sdk::types::id::WorkspaceId;

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;

#[derive(Debug, Subcommand)]
pub(crate) enum Workspaces {
    /// Make a folder a workspace
    New {
        /// A folder on the gateway's machine; without one it is made under the data folder
        folder: Option<String>,
        #[arg(long)]
        name: Option<String>,
    },
    /// List them
    Ls,
    /// Show one
    Show { workspace: String },
    /// Give one another name
    Rename { workspace: String, name: String },
    /// Forget one; its files stay
    Rm { workspace: String },
}

impl Workspaces {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Workspaces::New { folder, name } => {
                let path = folder.map(|folder| {
                    let path = std::path::absolute(&folder).ok();
                    let path = path.and_then(|path| path.to_str().map(str::to_owned));
                    path.ok_or_else(|| Told::usage(format!("folder `{folder}` cannot be named")))
                });
                let new = NewWorkspace { id: None, name, path: path.transpose()? };
                let workspace = client.create_workspace(&new).await?;
                out.either(&workspace, |_| workspace.id.to_string())?;
            }
            Workspaces::Ls => {
                let all = client.workspaces().await?;
                if out.json {
                    for workspace in &all {
                        out.object(workspace)?;
                    }
                    return Ok(Exit::Ok);
                }
                for line in table(&all.iter().map(row).collect::<Vec<_>>()) {
                    out.line(line)?;
                }
            }
            Workspaces::Show { workspace } => {
                let workspace = client.workspace(&id(&workspace)?).await?;
                out.either(&workspace, |_| row(&workspace).join("  "))?;
            }
            Workspaces::Rename { workspace, name } => {
                let workspace = client.rename_workspace(&id(&workspace)?, &name).await?;
                if out.json {
                    out.object(&workspace)?;
                }
            }
            Workspaces::Rm { workspace } => client.delete_workspace(&id(&workspace)?).await?,
        }
        Ok(Exit::Ok)
    }
}

fn id(text: &str) -> anyhow::Result<WorkspaceId> {
    WorkspaceId::new(text).map_err(|bad| Told::usage(format!("workspace `{text}`: {bad}")))
}

fn row(workspace: &Workspace) -> Vec<String> {
    vec![workspace.id.to_string(), one_line(&workspace.name, 200), one_line(&workspace.path, 4_096)]
}
