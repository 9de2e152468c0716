//! Sessions: creating, listing, looking, changing, deleting.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use rejoin_core::command::Command;
use rejoin_core::header::{Config, Header, Model, SessionKind, Status};
use rejoin_core::id::{CommandId, SessionId, WorkspaceId};
use rejoin_core::position::Position;
use rejoin_ports::gateway::{Create, ListQuery, SessionPage, View};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::answer::{self, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::openapi::BASE;
use crate::operations::Operation;
use crate::problem::Problem;
use crate::query::{At, Params};

/// A list's length where none is asked for, and the longest.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

/// A session to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSession {
    /// Absent: minted. The same id again gives the same session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SessionId>,
    /// One of `GET /agents`.
    pub agent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Absent: a folder of its own, under the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelChoice>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The client's own name for it: the same tag again gives the same session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Visible only to its creator.
    #[serde(default)]
    pub private: bool,
    #[serde(default)]
    pub config: Config,
    #[serde(default = "hosted")]
    pub kind: SessionKind,
}

fn hosted() -> SessionKind {
    SessionKind::Hosted
}

/// A model by its name alone, or with its provider and variant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelChoice {
    Name(String),
    Whole(Model),
}

impl From<ModelChoice> for Model {
    fn from(choice: ModelChoice) -> Model {
        match choice {
            ModelChoice::Whole(model) => model,
            ModelChoice::Name(model) => Model { model, ..Model::default() },
        }
    }
}

/// A session, and how far its log is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
pub struct SessionNow {
    #[serde(flatten)]
    pub header: Header,
    pub position: Position,
}

/// What is changed; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchSession {
    /// `null` takes the title away.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub title: Option<Option<String>>,
    /// All labels, instead of those there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelChoice>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl PatchSession {
    fn into_commands(self, archived_now: bool) -> Vec<Command> {
        let archive = self.archived.filter(|wanted| *wanted != archived_now).map(|wanted| match wanted {
            true => Command::Archive,
            false => Command::Unarchive,
        });
        // An archived session takes no changes: out of the archive first, into it last.
        let (first, last) = match archive {
            Some(Command::Unarchive) => (archive, None),
            archive => (None, archive),
        };
        let title = self.title.map(|title| Command::Rename { title });
        let labels = self.labels.map(|labels| Command::Label { labels });
        let model = self.model.map(|model| Command::model(model.into()));
        [first, title, labels, model, last].into_iter().flatten().collect()
    }
}

/// Which sessions a list shows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ListParams {
    /// Sessions with this status.
    status: Option<Status>,
    /// Archived sessions only, or others only.
    archived: Option<bool>,
    /// End-to-end encrypted sessions instead of hosted ones.
    #[serde(default)]
    sealed: bool,
    /// Children of this session.
    parent: Option<SessionId>,
    /// Sessions without a parent.
    #[serde(default)]
    roots: bool,
    /// Sessions in this workspace.
    workspace: Option<WorkspaceId>,
    /// Sessions with this label, as `name=value`.
    label: Option<String>,
    /// 50 where none is asked for, at most 200.
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("createSession", Method::POST, "/sessions", "Create a session, or find it by its id or tag")
            .takes::<CreateSession>()
            .answers::<SessionNow>(201, "It was made; `Location` says where it is.")
            .answers::<SessionNow>(200, "It was there before.")
            .fails(&[
                "not_found",
                "invalid_request",
                "too_long",
                "id_reused",
                "version_conflict",
                "body_too_large",
                "unsupported_media_type",
            ])
            .by(create),
        new("listSessions", Method::GET, "/sessions", "List sessions, newest first")
            .query::<ListParams>()
            .answers::<SessionPage>(200, "One page of them.")
            .fails(&["invalid_request"])
            .by(list),
        new("getSession", Method::GET, "/sessions/{id}", "Look at a session as somebody who joins it needs it")
            .answers::<View>(200, "The session at one moment.")
            .fails(&["not_found"])
            .by(view),
        new(
            "changeSession",
            Method::PATCH,
            "/sessions/{id}",
            "Change a session's title, labels, model or place in the archive",
        )
        .takes::<PatchSession>()
        .answers::<SessionNow>(200, "How it stands now.")
        .fails(&[
            "not_found",
            "too_long",
            "session_archived",
            "session_ended",
            "not_controller",
            "body_too_large",
            "unsupported_media_type",
        ])
        .by(patch),
        new("deleteSession", Method::DELETE, "/sessions/{id}", "Delete a session with everything that belongs to it")
            .answer(204, crate::operations::Content::Nothing, "It is gone.")
            .fails(&["not_found"])
            .by(delete),
    ]
}

async fn create(State(api): State<Api>, who: Who, Json(wanted): Json<CreateSession>) -> Outcome {
    let create = Create {
        id: wanted.id,
        kind: wanted.kind,
        agent: wanted.agent,
        title: wanted.title,
        workspace: wanted.workspace,
        profile: wanted.profile,
        model: wanted.model.map(Model::from),
        labels: wanted.labels,
        tag: wanted.tag,
        private: wanted.private,
        config: wanted.config,
        registers: Default::default(),
    };
    let created = api.gateway.sessions.create(&who.caller(), create).await?;
    let status = match created.existed {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    let location = format!("{BASE}/sessions/{}", created.header.id);
    let now = SessionNow { header: created.header, position: created.position };
    let mut response = answer::json(status, &now)?;
    // An id is printable ASCII, so this does not fail; without the header the answer would still be right.
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn list(State(api): State<Api>, who: Who, Params(asked): Params<ListParams>) -> Outcome {
    let label = match asked.label {
        None => None,
        Some(label) => {
            let (name, value) =
                label.split_once('=').ok_or_else(|| Problem::malformed("label", "`name=value` is wanted"))?;
            Some((name.to_owned(), value.to_owned()))
        }
    };
    let query = ListQuery {
        sealed: asked.sealed,
        status: asked.status,
        archived: asked.archived,
        parent: asked.parent,
        roots_only: asked.roots,
        workspace: asked.workspace,
        label,
        limit: asked.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE),
        cursor: asked.cursor,
    };
    let page = api.gateway.sessions.list(who.identity(), query).await?;
    answer::ok(&page)
}

async fn view(State(api): State<Api>, who: Who, At(id): At<SessionId>) -> Outcome {
    let view = api.gateway.sessions.view(who.identity(), &id).await?;
    answer::ok(&view)
}

async fn patch(State(api): State<Api>, who: Who, At(id): At<SessionId>, Json(changes): Json<PatchSession>) -> Outcome {
    let sessions = &api.gateway.sessions;
    let (before, _) = sessions.header(who.identity(), &id).await?;
    for command in changes.into_commands(before.archived) {
        let caller = who.caller_of(&command);
        let minted = CommandId::from(uuid::Uuid::now_v7());
        sessions.run(&caller, &id, minted, command).await?;
    }
    let (header, position) = sessions.header(who.identity(), &id).await?;
    answer::ok(&SessionNow { header, position })
}

async fn delete(State(api): State<Api>, who: Who, At(id): At<SessionId>) -> Outcome {
    api.gateway.sessions.delete(&who.caller(), &id).await?;
    answer::nothing()
}
