//! What is inside the seals: the texts that servers carry and never read.
//!
//! Readers are generous. A field that is not known here is kept where things are read, changed and written again
//! ([`Metadata`], [`AgentState`], [`MachineMetadata`], [`DaemonState`]) and passed over elsewhere; a kind that is not known
//! arrives as it came, in a variant called `Other`.

mod acp;
mod agent;
mod agent_state;
mod artifact;
mod claude;
mod event;
mod file;
mod id;
mod machine;
mod message;
mod meta;
mod metadata;
mod permission;
mod protocol;
mod shell;
mod spawn;
mod usage;

pub use acp::{AcpMessage, AcpProvider};
pub use agent::{AgentContent, AgentMessage};
pub use agent_state::{AgentState, Completed, Decision, RequestStatus, ToolRequest};
pub use artifact::{ArtifactBody, ArtifactHeader};
pub use claude::ClaudeRecord;
pub use event::{Drive, SessionEvent};
pub use file::{
    EntryKind, FileEntry, GetDirectoryTree, ListDirectory, ListedDirectory, ReadFile, ReadFileDone, TreeDone, TreeNode,
    WriteFile, WriteFileDone,
};
pub use id::{cuid2, is_cuid2, subagent_of};
pub use machine::{DaemonState, MachineMetadata};
pub use message::{Message, UserContent, UserMessage};
pub use meta::{Meta, PermissionMode, Setting};
pub use metadata::{McpServer, Metadata, Summary};
pub use permission::PermissionAnswer;
pub use protocol::{Envelope, Ev, Image, SessionMessage, Speaker, TurnStatus};
pub use shell::{Bash, BashDone, ToolRun, ToolRunDone};
pub use spawn::{SpawnSession, Spawned};
pub use usage::{Cost, Tokens, Usage};

/// Fields that this version does not know.
pub type Extra = serde_json::Map<String, serde_json::Value>;
