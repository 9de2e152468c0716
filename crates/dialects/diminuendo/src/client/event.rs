//! What the gateway says, as types.
//!
//! Fields that a gateway left out are empty, or absent where the type says so. What this version does not know, or cannot
//! read, comes as [`Event::Unknown`].

mod answer;
mod ask;
mod catalogue;
mod connection;
mod machine;
mod payload;
mod read;
mod session;
mod tool;
mod turn;

pub use answer::{EventsPage, FileContents, FileHistory, FileList, HistoryPage, Pong};
pub use answer::{ListedMember, MemberList, MemberRemoved, MemberRole, MemberUpdated};
pub use ask::{ApprovalResolved, PermissionRequested, Question, QuestionRequested, SteerSent};
pub use catalogue::Event;
pub use connection::{
    About, Authenticated, Connected, Disconnected, ErrorEvent, Heartbeat, Opened, ReplayComplete, ServerShutdown,
    Welcome,
};
pub use machine::{
    CreditsUpdate, FileChanged, InstanceStatus, PlanCreated, PlanRevised, PlanStepCompleted, PlanStepStarted,
    SandboxInit, SandboxProvisioning, SandboxRemoved, TerminalComplete, TerminalStream, UsageContext, UsageUpdate,
};
pub use payload::Payload;
pub(crate) use read::Label;
pub use session::{
    ActiveTurn, SessionArchived, SessionCreated, SessionDeleted, SessionList, SessionState, SessionUnarchived,
    SessionUpdated, StateSnapshot, SubscriberCount,
};
pub use tool::{ToolCall, ToolCallDelta, ToolCallStart, ToolError, ToolResult};
pub use turn::{
    MessageDelta, TextDelta, ThinkingComplete, ThinkingProgress, ThinkingStart, TurnComplete, TurnError, TurnStarted,
};
