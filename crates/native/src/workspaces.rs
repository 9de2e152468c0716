//! Workspaces: folders where agents work.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use rejoin_core::id::WorkspaceId;
use rejoin_ports::gateway::Workspace;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::query::At;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateWorkspace {
    /// Absent: minted.
    id: Option<WorkspaceId>,
    /// Absent: as its folder is named.
    name: Option<String>,
    /// An absolute folder that exists. Absent: made under the data folder.
    path: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameWorkspace {
    name: String,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("createWorkspace", Method::POST, "/workspaces", "Make a folder a workspace")
            .takes::<CreateWorkspace>()
            .answers::<Workspace>(201, "It was made.")
            .fails(&[
                "invalid_request",
                "version_conflict",
                "path_outside_workspace",
                "file_not_found",
                "not_a_folder",
                "invalid_path",
                "file_failed",
                "body_too_large",
                "unsupported_media_type",
            ])
            .by(create),
        new("listWorkspaces", Method::GET, "/workspaces", "List workspaces")
            .answers::<Items<Workspace>>(200, "All of them.")
            .by(list),
        new("getWorkspace", Method::GET, "/workspaces/{id}", "Look at a workspace")
            .answers::<Workspace>(200, "The workspace.")
            .fails(&["not_found"])
            .by(get),
        new("renameWorkspace", Method::PATCH, "/workspaces/{id}", "Rename a workspace")
            .takes::<RenameWorkspace>()
            .answers::<Workspace>(200, "How it is now.")
            .fails(&["not_found", "invalid_request", "too_long", "body_too_large", "unsupported_media_type"])
            .by(rename),
        new("deleteWorkspace", Method::DELETE, "/workspaces/{id}", "Forget a workspace; its files stay")
            .answer(204, Content::Nothing, "It is forgotten.")
            .fails(&["not_found"])
            .by(delete),
    ]
}

async fn create(State(api): State<Api>, who: Who, Json(wanted): Json<CreateWorkspace>) -> Outcome {
    let CreateWorkspace { id, name, path } = wanted;
    let workspaces = &api.gateway.workspaces;
    let workspace = workspaces.create(&who.caller(), id, name, path).await?;
    answer::json(StatusCode::CREATED, &workspace)
}

async fn list(State(api): State<Api>, who: Who) -> Outcome {
    let items = api.gateway.workspaces.list(who.identity()).await?;
    answer::ok(&Items { items })
}

async fn get(State(api): State<Api>, who: Who, At(id): At<WorkspaceId>) -> Outcome {
    answer::ok(&api.gateway.workspaces.get(who.identity(), &id).await?)
}

async fn rename(
    State(api): State<Api>,
    who: Who,
    At(id): At<WorkspaceId>,
    Json(wanted): Json<RenameWorkspace>,
) -> Outcome {
    let workspaces = &api.gateway.workspaces;
    let workspace = workspaces.rename(&who.caller(), &id, wanted.name).await?;
    answer::ok(&workspace)
}

async fn delete(State(api): State<Api>, who: Who, At(id): At<WorkspaceId>) -> Outcome {
    api.gateway.workspaces.delete(&who.caller(), &id).await?;
    answer::nothing()
}
