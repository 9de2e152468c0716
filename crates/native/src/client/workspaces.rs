//! Workspaces: the folders where agents work.

use rejoin_core::id::WorkspaceId;
use rejoin_ports::gateway::Workspace;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Client, Error};

/// A workspace to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewWorkspace {
    /// Minted when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<WorkspaceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An absolute folder on the gateway's machine. Absent: made under its data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

impl Client {
    pub async fn create_workspace(&self, new: &NewWorkspace) -> Result<Workspace, Error> {
        let call = self.call(Method::POST, ["workspaces"]).json(new)?.once();
        self.fetch(call).await
    }
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, Error> {
        let list: Items<Workspace> = self.fetch(self.call(Method::GET, ["workspaces"])).await?;
        Ok(list.items)
    }
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Workspace, Error> {
        let call = self.call(Method::GET, ["workspaces", id.as_str()]);
        self.fetch(call).await
    }
    pub async fn rename_workspace(&self, id: &WorkspaceId, name: &str) -> Result<Workspace, Error> {
        let call = self.call(Method::PATCH, ["workspaces", id.as_str()]).json(&serde_json::json!({ "name": name }))?;
        self.fetch(call).await
    }
    /// Forgets it. Its files stay where they are.
    pub async fn delete_workspace(&self, id: &WorkspaceId) -> Result<(), Error> {
        let call = self.call(Method::DELETE, ["workspaces", id.as_str()]);
        self.tell(call).await
    }
}
