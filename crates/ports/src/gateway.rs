//! What doors ask of the gateway: small traits by behaviour. No dialect's word appears in them.

mod blobs;
mod sealed;

pub use blobs::{Blobs, LARGEST_BLOB, LONGEST_BLOB_NAME};
pub use sealed::{
    LARGEST_SEALING, MOST_SEALED_AT_ONCE, MOST_SEALED_IN_PAGE, Sealed, SealedMark, SealedMessage, SealedPage,
    SealedSession, Sealing,
};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::ask::Ask;
use rejoin_core::command::Command;
use rejoin_core::control::{Control, Holder};
use rejoin_core::happening::Happening;
use rejoin_core::header::{Config, Header, SessionKind, Status};
use rejoin_core::id::{CommandId, MessageId, SessionId, WorkspaceId};
use rejoin_core::part::WholeMessage;
use rejoin_core::position::{Heard, Millis, Position, Seq};
use rejoin_core::queue::QueueItem;
use rejoin_core::refusal::Refusal;
use rejoin_core::register::Register;
use rejoin_core::turn::OpenTurn;
use rejoin_core::who::{Author, Identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::agent::{AgentInfo, AgentSettings, FileError};
use crate::batch::Batch;
use crate::store::{CommitError, FeedEntry, FileVersion, Owner, Record, RecordWrite, StoreError};

/// Why something was not done, for whoever asked: each code means one thing they can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Also what belongs to another tenant: for you it does not exist.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("the id was used for another command before")]
    IdReused,
    #[error("{field}: {why}")]
    Invalid { field: &'static str, why: String },
    #[error("somebody else changed it; it is at version {version}")]
    Conflict { version: u64 },
    #[error("the last owner of a tenant stays its owner")]
    LastOwner,
    #[error("too much at once; try again in {retry_ms} ms")]
    TooBusy { retry_ms: u64 },
    #[error("the session's workspace is on another host")]
    HostAway,
    #[error("the session failed too often and can only be read until the gateway is restarted")]
    ReadOnly,
    #[error("the gateway is stopping")]
    Closing,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failure {
    pub fn code(&self) -> &'static str {
        match self {
            Failure::Refused(refusal) => refusal.code(),
            Failure::NotFound(_) => "not_found",
            Failure::IdReused => "id_reused",
            Failure::Invalid { .. } => "invalid_request",
            Failure::Conflict { .. } => "version_conflict",
            Failure::LastOwner => "last_owner",
            Failure::TooBusy { .. } => "too_busy",
            Failure::HostAway => "host_away",
            Failure::ReadOnly => "read_only",
            Failure::Closing => "stopping",
            Failure::Store(error) => error.code(),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Failure {
        match error {
            CommitError::Store(error) => Failure::Store(error),
            CommitError::Gone => Failure::NotFound("session"),
            CommitError::Record { version, .. } => Failure::Conflict { version },
            CommitError::TooManyNamed => Refusal::TooLong.into(),
            CommitError::Exists
            | CommitError::Claimed { .. }
            | CommitError::Conflict { .. }
            | CommitError::Repeated { .. } => Failure::Conflict { version: 0 },
        }
    }
}

/// Who acts, and through what.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Identity,
    pub author: Arc<Author>,
    /// What the caller's client can do.
    pub capabilities: Vec<String>,
    /// Whether the client knows of control, and is bound by it.
    pub speaks_control: bool,
}

impl Caller {
    /// Whether control lets this caller act.
    pub fn may_act(&self, control: &Control, config: &Config) -> Result<(), Refusal> {
        let client = self.author.client.clone();
        let who = client.map(|client| Holder { user: self.author.user.clone(), client });
        control.check(who.as_ref(), self.speaks_control, config.strict_control)
    }
}

/// A session to be created, as a door asks for it.
#[derive(Debug, Clone)]
pub struct Create {
    /// Absent: minted. The same id again gives the same session.
    pub id: Option<SessionId>,
    pub kind: SessionKind,
    pub agent: String,
    pub title: Option<String>,
    pub workspace: Option<WorkspaceId>,
    pub profile: Option<String>,
    pub model: Option<rejoin_core::header::Model>,
    pub labels: BTreeMap<String, String>,
    /// The same tag again gives the same session.
    pub tag: Option<String>,
    /// Visible only to its creator.
    pub private: bool,
    pub config: Config,
    /// Registers that it begins with, each at version 1.
    pub registers: BTreeMap<String, Option<String>>,
}

/// A session and how it stands, after something was done.
#[derive(Debug, Clone)]
pub struct Created {
    pub header: Header,
    pub position: Position,
    /// It was there before.
    pub existed: bool,
}

/// A command done: the number names everything it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub position: Position,
    /// The session a fork made.
    pub forked: Option<SessionId>,
}

/// A session at one moment, as somebody who joins it needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    pub session: Header,
    pub config: Config,
    pub position: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_turn: Option<OpenTurn>,
    pub asks: Vec<Ask>,
    pub queue: Vec<QueueItem>,
    pub control: Control,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registers: BTreeMap<String, Register>,
    /// The newest messages, oldest first; the open turn's own are in `openTurn`.
    pub recent: Vec<WholeMessage>,
    /// Whether there are older messages than those.
    pub more: bool,
}

/// A page of a transcript, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    pub items: Vec<WholeMessage>,
    /// Where the page before this one ends: give it as `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Messages that became whole behind a number of the log, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct LaterMessages {
    /// Each with the number of the event that completed it, ascending.
    pub items: Vec<(Seq, WholeMessage)>,
    /// Everything up to here has been looked at: give it as `after` for what follows.
    pub next: u64,
    /// Whether there is something behind `next`. A call looks at a bounded stretch of the log, so this may be true when
    /// fewer messages were found than asked for, or none.
    pub more: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    pub sealed: bool,
    pub status: Option<Status>,
    pub archived: Option<bool>,
    pub parent: Option<SessionId>,
    pub roots_only: bool,
    pub workspace: Option<WorkspaceId>,
    pub label: Option<(String, String)>,
    pub limit: usize,
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionPage {
    pub items: Vec<Header>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Creates sessions, runs commands on them, shows them.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    async fn create(&self, caller: &Caller, create: Create) -> Result<Created, Failure>;
    async fn run(&self, caller: &Caller, session: &SessionId, id: CommandId, command: Command) -> Result<Ran, Failure>;
    async fn list(&self, identity: &Identity, query: ListQuery) -> Result<SessionPage, Failure>;
    async fn header(&self, identity: &Identity, session: &SessionId) -> Result<(Header, Position), Failure>;
    async fn view(&self, identity: &Identity, session: &SessionId) -> Result<View, Failure>;
    /// Whether this caller may act in the session, as far as control goes.
    async fn may_act(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        let view = self.view(&caller.identity, session).await?;
        Ok(caller.may_act(&view.control, &view.config)?)
    }
    /// Messages older than `before` (a message's id, or a cursor), newest page first.
    async fn messages(
        &self,
        identity: &Identity,
        session: &SessionId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<MessagePage, Failure>;
    /// Messages that became whole behind number `after` of the log, oldest first; the one that the open turn still writes is
    /// left out until it ends, and reverted ones are.
    async fn messages_after(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<LaterMessages, Failure>;
    async fn message(
        &self,
        identity: &Identity,
        session: &SessionId,
        message: &MessageId,
    ) -> Result<WholeMessage, Failure>;
    /// Removes it with everything that belongs to it. Whoever is attached is told.
    async fn delete(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure>;
}

/// What a reader wants first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinFrom {
    /// A snapshot, and what follows it.
    Now,
    /// Everything behind a position, from the log.
    After(Heard),
}

/// A reader of one session. It pulls, so it costs the same however slow it is.
#[async_trait]
pub trait Reader: Send {
    /// What comes next; waits for it. Cancel-safe.
    async fn next(&mut self) -> Result<Delivery, Failure>;
    /// Everything up to here has been delivered.
    fn position(&self) -> Position;
    /// Whether something is there already, so that a door may gather it into one write.
    fn ready(&self) -> bool;
}

#[derive(Debug, Clone)]
pub enum Delivery {
    /// Events of the batch from index `first` on.
    Events { batch: Arc<Batch>, first: usize },
    /// For the first time everything that was there has been delivered.
    CaughtUp(Position),
    /// The position is gone or belongs to another life of the log: begin again with this.
    Gap(Arc<View>),
    /// The session was deleted; nothing follows.
    Deleted,
    /// The gateway is stopping; everything up to the tip was delivered.
    Stopping,
}

pub struct Joined {
    /// With [`JoinFrom::Now`]: the session at the reader's position.
    pub view: Option<Arc<View>>,
    pub reader: Box<dyn Reader>,
}

/// Follows a session, or an owner's feed.
#[async_trait]
pub trait Follow: Send + Sync + 'static {
    async fn join(&self, identity: &Identity, session: &SessionId, from: JoinFrom) -> Result<Joined, Failure>;
    /// One page of the log behind a position, and the tip. `None`: the position is gone.
    async fn page(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: Heard,
        most: usize,
    ) -> Result<(Option<Arc<Batch>>, Position), Failure>;
    /// One page of a feed behind a number. `None`: the position is gone; list again.
    async fn feed(
        &self,
        identity: &Identity,
        scope: Scope,
        after: Heard,
        most: usize,
    ) -> Result<(Option<Vec<FeedLine>>, Position), Failure>;
    /// How far the feed has come: everything that was kept until now stands in it with a number up to this one.
    async fn fed_to(&self, identity: &Identity, scope: Scope) -> Result<u64, Failure> {
        self.feed(identity, scope, Heard::NOTHING, 1).await.map(|(_, position)| position.seq)
    }
    /// Returns when the feed has something behind `after`.
    async fn fed(&self, identity: &Identity, scope: Scope, after: u64) -> Result<(), Failure>;
}

/// Whose feed is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// What the whole tenant may see.
    #[default]
    Tenant,
    /// What is the caller's own, and private.
    Own,
}

impl Scope {
    pub fn owner(self, identity: &Identity) -> Owner {
        match self {
            Scope::Tenant => Owner::Tenant(identity.tenant.clone()),
            Scope::Own => Owner::User(identity.tenant.clone(), identity.user.clone()),
        }
    }
}

/// One line of an owner's feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedLine {
    pub seq: u64,
    pub at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seq: Option<u64>,
    /// `created`, `renamed`, `status`, `archived`, `deleted`, `askOpened`, `askClosed`, `sealed`, `register`, `record`, …
    pub change: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// Rows with a version. What a kind means is its user's business.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    async fn get(&self, owner: &Owner, kind: &str, key: &str) -> Result<Option<Record>, Failure>;
    async fn list(
        &self,
        owner: &Owner,
        kind: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Record>, Failure>;
    /// All of them or none; the new versions in order. Each adds a line to its owner's feed.
    async fn write(&self, writes: Vec<RecordWrite>) -> Result<Vec<u64>, Failure>;
    /// The same, but with exactly these lines in feeds: one for the whole batch, say, or none.
    async fn write_as(&self, writes: Vec<RecordWrite>, feed: Vec<FeedEntry>) -> Result<Vec<u64>, Failure>;
}

/// A file or folder in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    pub path: String,
    pub name: String,
    pub folder: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Millis>,
}

/// A file's bytes and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    pub path: String,
    pub mime: String,
    pub text: bool,
    pub bytes: Bytes,
}

/// How a person would look at a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilePreview {
    pub path: String,
    /// `text`, `code`, `markdown`, `binary`, `tooLarge`.
    pub kind: String,
    pub mime: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileMatch {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What to look for in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub name: Option<String>,
    pub content: Option<String>,
    pub regex: bool,
    pub limit: usize,
}

/// Failures of files, or of reaching them.
#[derive(Debug, thiserror::Error)]
pub enum FilesFailure {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    File(#[from] FileError),
}

impl FilesFailure {
    pub fn code(&self) -> &'static str {
        match self {
            FilesFailure::Failed(failure) => failure.code(),
            FilesFailure::File(error) => error.code(),
        }
    }
}

/// Files of a session's workspace.
#[async_trait]
pub trait Files: Send + Sync + 'static {
    async fn list(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        depth: usize,
        hidden: bool,
    ) -> Result<Vec<FileEntry>, FilesFailure>;
    /// The file now, or one version of it.
    async fn read(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        version: Option<u64>,
    ) -> Result<FileContent, FilesFailure>;
    async fn preview(&self, identity: &Identity, session: &SessionId, path: &str) -> Result<FilePreview, FilesFailure>;
    async fn search(
        &self,
        identity: &Identity,
        session: &SessionId,
        search: Search,
    ) -> Result<Vec<FileMatch>, FilesFailure>;
    async fn versions(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, FilesFailure>;
    async fn write(
        &self,
        caller: &Caller,
        session: &SessionId,
        path: &str,
        bytes: Bytes,
    ) -> Result<FileVersion, FilesFailure>;
}

/// A folder where agents work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    /// Absolute. Absent in a request: made under the data folder.
    pub path: String,
    pub host: String,
    /// Made by us, under the data folder.
    pub managed: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
}

#[async_trait]
pub trait Workspaces: Send + Sync + 'static {
    async fn create(
        &self,
        caller: &Caller,
        id: Option<WorkspaceId>,
        name: Option<String>,
        path: Option<String>,
    ) -> Result<Workspace, FilesFailure>;
    async fn list(&self, identity: &Identity) -> Result<Vec<Workspace>, Failure>;
    async fn get(&self, identity: &Identity, id: &WorkspaceId) -> Result<Workspace, Failure>;
    async fn rename(&self, caller: &Caller, id: &WorkspaceId, name: String) -> Result<Workspace, Failure>;
    /// Forgets it. Files stay on disk.
    async fn delete(&self, caller: &Caller, id: &WorkspaceId) -> Result<(), Failure>;
}

/// What a tenant may spend, all its sessions together. Money is in millionths of a dollar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// No turn starts once as much is spent; 0 starts none.
    pub limit_micros: u64,
    /// What agents have reported since then.
    pub spent_micros: u64,
    /// When it was set. What was spent before does not count.
    pub since: Millis,
}

/// The budget of the caller's tenant.
#[async_trait]
pub trait Budgets: Send + Sync + 'static {
    /// `None`: nothing bounds what it spends.
    async fn get(&self, caller: &Caller) -> Result<Option<Budget>, Failure>;
    /// Sets it anew: counting begins at 0. Prompts that wait for money go on if there is some now.
    async fn set(&self, caller: &Caller, limit_micros: u64) -> Result<Budget, Failure>;
    /// Removes it, if there is one; then nothing bounds what is spent.
    async fn clear(&self, caller: &Caller) -> Result<(), Failure>;
}

/// The agents there are.
#[async_trait]
pub trait Agents: Send + Sync + 'static {
    fn list(&self) -> Vec<AgentInfo>;
    /// What the agent of a session can be set to. Whoever may write in it may have the agent started to find out.
    async fn settings(&self, _: &Caller, _: &SessionId) -> Result<AgentSettings, Failure> {
        Ok(AgentSettings::default())
    }
}

/// Secrets are put and forgotten, never read back through a door.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    async fn put(&self, owner: &Owner, name: &str, value: &str) -> Result<(), Failure>;
    async fn has(&self, owner: &Owner, name: &str) -> Result<bool, Failure>;
    async fn forget(&self, owner: &Owner, name: &str) -> Result<bool, Failure>;
}

/// The whole inbound side, as one handle for a door's state.
#[derive(Clone)]
pub struct Gateway {
    pub sessions: Arc<dyn Sessions>,
    pub sealed: Arc<dyn Sealed>,
    pub blobs: Arc<dyn Blobs>,
    pub follow: Arc<dyn Follow>,
    pub records: Arc<dyn Records>,
    pub files: Arc<dyn Files>,
    pub workspaces: Arc<dyn Workspaces>,
    pub agents: Arc<dyn Agents>,
    pub sign_in: Arc<dyn crate::sign_in::SignIn>,
    pub keys: Arc<dyn crate::sign_in::Keys>,
    pub members: Arc<dyn crate::sign_in::Members>,
    pub accounts: Arc<dyn crate::sign_in::Accounts>,
    pub budgets: Arc<dyn Budgets>,
    pub terminals: Arc<dyn crate::terminals::Terminals>,
    pub integrations: Arc<dyn crate::integrations::Integrations>,
}

/// Things that happen in a session without its agent: a file written through a door, a title found by a service.
#[async_trait]
pub trait Notes: Send + Sync + 'static {
    /// Puts it into the log, as if the author had done it there.
    async fn note(&self, session: &SessionId, author: Arc<Author>, happening: Happening) -> Result<Position, Failure>;
}
