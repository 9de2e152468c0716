//! What the engine asks of agents. The engine owns turns, asks, queue and log; an agent owns only its thinking.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rejoin_core::ask::{Ask, Settled};
use rejoin_core::event::FileChange;
use rejoin_core::happening::FromAgent;
use rejoin_core::header::{Config, Header, Model};
use rejoin_core::id::{CallId, SessionId, TenantId, TurnId};
use rejoin_core::turn::{Outcome, Prompt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::store::StoreError;

/// Orders that wait for an agent. They are few and small; an agent that lets this many lie is hung.
pub const ORDERS: usize = 64;
/// Happenings that wait for the engine. When full, the agent waits: that is its backpressure.
pub const HAPPENINGS: usize = 1024;

/// Everything an agent is told when it is opened in a session.
#[derive(Clone)]
pub struct Opening {
    pub session: SessionId,
    pub tenant: TenantId,
    pub agent: String,
    /// The workspace's folder. It exists.
    pub folder: PathBuf,
    pub config: Config,
    pub model: Option<Model>,
    pub files: Arc<dyn AgentFiles>,
    pub memory: Arc<dyn AgentMemory>,
    /// Something was said in the session before: in earlier turns, or in the session that it is a copy of.
    pub has_past: bool,
}

/// An open agent: a way in and a way out. Dropping both ends it; so does [`Order::Close`].
pub struct OpenAgent {
    pub orders: mpsc::Sender<Order>,
    pub happenings: mpsc::Receiver<FromAgent>,
}

/// What the engine tells an agent. Orders of one turn come in order; an interrupt may be followed at once by a prompt.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "orders are few, and moved once")]
pub enum Order {
    Prompt {
        turn: TurnId,
        prompt: Prompt,
    },
    /// Go on with a turn that another life of the process began: `ask` was settled, and nothing was heard since.
    Resume {
        turn: TurnId,
        prompt: Prompt,
        settled: Vec<(Ask, Settled)>,
    },
    Settled {
        turn: TurnId,
        ask: Ask,
        settled: Settled,
    },
    /// The start of this call, which the agent told as `ToolStarted`, is committed: now it may really run. An agent whose
    /// tools change the world waits for this, so that a crash never leaves a run that nobody knows of.
    Started {
        turn: TurnId,
        call: CallId,
    },
    Steer {
        turn: TurnId,
        text: String,
    },
    /// The turn is over for everybody else already.
    Interrupt {
        turn: TurnId,
        reason: String,
    },
    /// A child session that the agent's task started is done.
    ChildEnded {
        turn: TurnId,
        session: SessionId,
        call: Option<CallId>,
        outcome: Outcome,
        text: String,
    },
    /// Sum up what was said so far; the answer is a happening.
    Compact,
    /// The session is configured anew.
    Configured {
        config: Box<Config>,
        model: Option<Model>,
    },
    Close,
}

/// What is known of an agent without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentInfo {
    pub name: String,
    pub title: String,
    pub description: String,
    /// Whether a parked turn of it survives a restart.
    pub resumable: bool,
    pub steerable: bool,
}

/// What an agent can be set to, by its own names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentSettings {
    /// The mode that its sessions begin in, unless they say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    pub modes: Vec<AgentChoice>,
    pub options: Vec<AgentOption>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentChoice {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentOption {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `model`, say: what it is about, where the agent says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub value: String,
    /// Empty: it is `true` or `false`.
    pub values: Vec<AgentChoice>,
}

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("there is no agent {0}")]
    Unknown(String),
    #[error("agent {name}: {why}")]
    CannotOpen { name: String, why: String },
}

/// Opens agents.
#[async_trait]
pub trait AgentHost: Send + Sync + 'static {
    fn agents(&self) -> Vec<AgentInfo>;
    /// Whether sessions may be created for this agent, and what it can do.
    fn find(&self, name: &str) -> Option<AgentInfo>;
    async fn open(&self, opening: Opening) -> Result<OpenAgent, AgentError>;
    /// What the agent can be set to in such a session. Nothing, for most; and finding out may mean starting it once.
    async fn settings(&self, _: Opening) -> Result<AgentSettings, AgentError> {
        Ok(AgentSettings::default())
    }
}

/// One change of a file, with its version already kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChanged {
    pub path: String,
    pub change: FileChange,
    pub version: u64,
    pub hash: Option<String>,
    pub size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the path leads outside the workspace")]
    Outside,
    #[error("there is no such file or folder")]
    NotFound,
    #[error("the path names a folder")]
    IsFolder,
    #[error("the path does not name a folder")]
    NotFolder,
    #[error("the file is larger than {most} bytes")]
    TooLarge { most: u64 },
    #[error("that is no path: {0}")]
    Invalid(String),
    #[error("the file system says: {0}")]
    Io(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FileError {
    pub fn code(&self) -> &'static str {
        match self {
            FileError::Outside => "path_outside_workspace",
            FileError::NotFound => "file_not_found",
            FileError::IsFolder => "is_a_folder",
            FileError::NotFolder => "not_a_folder",
            FileError::TooLarge { .. } => "file_too_large",
            FileError::Invalid(_) => "invalid_path",
            FileError::Io(_) => "file_failed",
            FileError::Store(error) => error.code(),
        }
    }
}

/// Files of a session's workspace, as its agent changes them: each change is a version, and must be told as a happening.
#[async_trait]
pub trait AgentFiles: Send + Sync + 'static {
    async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<FileChanged, FileError>;
    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
    /// Remembers how the workspace looks, before something changes it behind our back.
    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError>;
}

/// A look at a workspace, to be compared with it later.
#[async_trait]
pub trait ChangesSince: Send {
    /// Keeps a version of every file that changed since.
    async fn after(self: Box<Self>) -> Result<Vec<FileChanged>, FileError>;
}

/// The longest text that an agent may remember of a session.
pub const LONGEST_MEMORY: usize = 64 << 10;
/// The kind of the record that it is kept in; its owner is the tenant, its key the session.
pub const MEMORY_KIND: &str = "agent-memory";

/// What an agent remembers of one session from one of its lives to the next: the name under which it knows the session
/// itself, say. It goes when the session is deleted.
#[async_trait]
pub trait AgentMemory: Send + Sync + 'static {
    async fn recall(&self) -> Result<Option<String>, StoreError>;
    /// Replaces what was remembered. At most [`LONGEST_MEMORY`].
    async fn remember(&self, text: String) -> Result<(), StoreError>;
}

/// Remembers as long as it lives.
#[derive(Debug, Default)]
pub struct PlainMemory(Mutex<Option<String>>);

#[async_trait]
impl AgentMemory for PlainMemory {
    async fn recall(&self) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().expect("no holder of this lock panics").clone())
    }
    async fn remember(&self, text: String) -> Result<(), StoreError> {
        *self.0.lock().expect("no holder of this lock panics") = Some(text);
        Ok(())
    }
}

/// Where a session's agent works.
#[derive(Clone)]
pub struct Workplace {
    /// An absolute folder, and it exists.
    pub folder: PathBuf,
    pub files: Arc<dyn AgentFiles>,
    pub memory: Arc<dyn AgentMemory>,
}

/// Finds, or makes, the workplace of a session.
#[async_trait]
pub trait Workplaces: Send + Sync + 'static {
    async fn workplace(&self, header: &Header) -> Result<Workplace, FileError>;
    /// The session was archived, or is over: what people have running in it ends.
    async fn vacate(&self, _header: &Header) {}
    /// The session was deleted: what was made for it alone goes with it.
    async fn abandon(&self, _header: &Header) -> Result<(), FileError> {
        Ok(())
    }
}
