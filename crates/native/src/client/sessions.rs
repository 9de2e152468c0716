//! Sessions: create, list, look at, change, delete.

use std::collections::BTreeMap;

use futures_util::{Stream, TryStreamExt, stream};
use rejoin_core::command::Command;
use rejoin_core::header::{Config, Header, Model, SessionKind, Status};
use rejoin_core::id::{MessageId, SessionId, WorkspaceId};
use rejoin_core::part::WholeMessage;
use rejoin_core::position::Position;
use rejoin_ports::gateway::{MessagePage, SessionPage, View};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Client, Done, Error};

/// A session and how far its log is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    #[serde(flatten)]
    pub header: Header,
    pub position: Position,
}

/// A session to be created.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSession {
    /// Minted when absent. The same id again gives the same session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<SessionId>,
    pub agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// A name of one's own: the same again gives the same session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Visible only to its creator.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,
    /// Absent: hosted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<SessionKind>,
}

impl NewSession {
    pub fn with_agent(agent: impl Into<String>) -> NewSession {
        NewSession { agent: agent.into(), ..NewSession::default() }
    }
    pub fn titled(mut self, title: impl Into<String>) -> NewSession {
        self.title = Some(title.into());
        self
    }
    pub fn in_workspace(mut self, workspace: WorkspaceId) -> NewSession {
        self.workspace = Some(workspace);
        self
    }
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListSessions {
    pub status: Option<Status>,
    /// Archived ones only, or others only.
    pub archived: Option<bool>,
    pub workspace: Option<WorkspaceId>,
    /// Children of this session.
    pub parent: Option<SessionId>,
    /// Only sessions without a parent.
    pub roots: bool,
    /// End-to-end encrypted sessions instead of hosted ones.
    pub sealed: bool,
    pub label: Option<(String, String)>,
    /// How many on one page.
    pub limit: Option<usize>,
    pub cursor: Option<String>,
}

/// What to change of a session; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionChange {
    /// `Some(None)` takes the title away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// All labels, instead of those there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
}

impl Client {
    pub async fn create(&self, mut new: NewSession) -> Result<SessionInfo, Error> {
        // With an id of ours, sending it again finds the session that the first attempt made.
        if new.tag.is_none() {
            new.id.get_or_insert_with(|| uuid::Uuid::now_v7().into());
        }
        let call = self.call(Method::POST, ["sessions"]).json(&new)?;
        self.fetch(call).await
    }

    /// One page of sessions, the newest first.
    pub async fn list_sessions(&self, list: &ListSessions) -> Result<SessionPage, Error> {
        let status = list.status.map(status_word);
        let label = list.label.as_ref().map(|(name, value)| format!("{name}={value}"));
        let call = self
            .call(Method::GET, ["sessions"])
            .ask_maybe("status", status)
            .ask_maybe("archived", list.archived)
            .ask_maybe("workspace", list.workspace.as_ref())
            .ask_maybe("parent", list.parent.as_ref())
            .ask_maybe("roots", list.roots.then_some(true))
            .ask_maybe("sealed", list.sealed.then_some(true))
            .ask_maybe("label", label)
            .ask_maybe("limit", list.limit)
            .ask_maybe("cursor", list.cursor.as_ref());
        self.fetch(call).await
    }

    /// All sessions of a list, page by page as they are asked for.
    pub fn sessions(&self, list: ListSessions) -> impl Stream<Item = Result<Header, Error>> + Send + use<> {
        let client = self.clone();
        let pages = stream::try_unfold(Some(list), move |list| {
            let client = client.clone();
            async move {
                let Some(list) = list else { return Ok(None) };
                let page = client.list_sessions(&list).await?;
                let next = page.next_cursor.filter(|_| !page.items.is_empty());
                let next = next.map(|cursor| ListSessions { cursor: Some(cursor), ..list });
                Ok::<_, Error>(Some((stream::iter(page.items.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten()
    }

    /// A session at this moment, with its newest messages.
    pub async fn session(&self, session: &SessionId) -> Result<View, Error> {
        let call = self.call(Method::GET, ["sessions", session.as_str()]);
        self.fetch(call).await
    }

    /// A page of the transcript, oldest first: what is older than `before`, or the newest.
    pub async fn messages(
        &self,
        session: &SessionId,
        before: Option<&str>,
        limit: Option<usize>,
    ) -> Result<MessagePage, Error> {
        let call = self
            .call(Method::GET, ["sessions", session.as_str(), "messages"])
            .ask_maybe("before", before)
            .ask_maybe("limit", limit);
        self.fetch(call).await
    }

    pub async fn message(&self, session: &SessionId, message: &MessageId) -> Result<WholeMessage, Error> {
        let pieces = ["sessions", session.as_str(), "messages", message.as_str()];
        self.fetch(self.call(Method::GET, pieces)).await
    }

    pub async fn change(&self, session: &SessionId, change: &SessionChange) -> Result<SessionInfo, Error> {
        let call = self.call(Method::PATCH, ["sessions", session.as_str()]);
        self.fetch(call.json(change)?).await
    }

    /// Removes a session with everything that belongs to it.
    pub async fn delete(&self, session: &SessionId) -> Result<(), Error> {
        let call = self.call(Method::DELETE, ["sessions", session.as_str()]);
        self.tell(call).await
    }

    /// Gives the agent something to do, now or when the turn that runs is over.
    pub async fn prompt(&self, session: &SessionId, text: impl Into<String>) -> Result<Done, Error> {
        let command = Command::Prompt {
            text: text.into(),
            attachments: Vec::new(),
            if_busy: Default::default(),
            reference: None,
        };
        self.run(session, command).await
    }

    pub async fn rename(&self, session: &SessionId, title: Option<String>) -> Result<Done, Error> {
        self.run(session, Command::Rename { title }).await
    }
}

/// The word that stands for a status in an address.
fn status_word(status: Status) -> &'static str {
    match status {
        Status::Idle => "idle",
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Closed => "closed",
        Status::Ended => "ended",
    }
}
