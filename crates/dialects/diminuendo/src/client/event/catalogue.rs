//! Every kind of event, and which of them belong to a session or to a turn.

use serde_json::Value;

use super::*;
use crate::names::{lifecycle, told};

macro_rules! catalogue {
    ($($variant:ident($payload:ident) $name:path, $family:ident;)*) => {
        /// What the gateway says, and how the connection fares.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Event {
            /// The socket is open.
            Opened(Opened),
            /// The socket is not open any more.
            Disconnected(Disconnected),
            $($variant($payload),)*
            /// What this version does not know, or cannot read.
            Unknown {
                /// With underscores, however it was spelled.
                event_type: String,
                raw: Value,
            },
        }

        impl Event {
            /// Its name, with underscores.
            pub fn name(&self) -> &str {
                match self {
                    Event::Opened(_) => lifecycle::OPENED,
                    Event::Disconnected(_) => lifecycle::DISCONNECTED,
                    $(Event::$variant(_) => $name,)*
                    Event::Unknown { event_type, .. } => event_type,
                }
            }
            /// The session that it belongs to.
            pub fn session_id(&self) -> Option<&str> {
                let id = match self {
                    Event::Opened(_) | Event::Disconnected(_) => return None,
                    $(Event::$variant(payload) => catalogue!(@session payload $family),)*
                    Event::Unknown { raw, .. } => raw["sessionId"].as_str().unwrap_or_default(),
                };
                Some(id).filter(|id| !id.is_empty())
            }
            /// The turn that it belongs to.
            pub fn turn_id(&self) -> Option<&str> {
                let id = match self {
                    Event::Opened(_) | Event::Disconnected(_) => return None,
                    $(Event::$variant(payload) => catalogue!(@turn payload $family),)*
                    Event::Unknown { raw, .. } => raw["turnId"].as_str().unwrap_or_default(),
                };
                Some(id).filter(|id| !id.is_empty())
            }
            /// Its number in the session.
            pub fn seq(&self) -> Option<u64> {
                match self {
                    Event::Opened(_) | Event::Disconnected(_) => None,
                    $(Event::$variant(payload) => catalogue!(@seq payload $family),)*
                    Event::Unknown { raw, .. } => raw["seq"].as_u64(),
                }
            }
            /// Reads the text of an event whose name is known to be `name`.
            pub(super) fn typed(name: &str, text: &str) -> Option<Event> {
                match name {
                    $($name => serde_json::from_str(text).ok().map(Event::$variant),)*
                    _ => None,
                }
            }
        }

        $(impl Payload for $payload {
            const NAME: &'static str = $name;
            fn of(event: &Event) -> Option<&$payload> {
                match event {
                    Event::$variant(payload) => Some(payload),
                    _ => None,
                }
            }
        })*
    };
    (@session $payload:ident turn) => { $payload.session_id.as_str() };
    (@session $payload:ident session) => { $payload.session_id.as_str() };
    (@session $payload:ident of) => { $payload.session_id.as_str() };
    (@session $payload:ident meta) => { $payload.session.id.as_str() };
    (@session $payload:ident none) => {{ let _ = $payload; "" }};
    (@turn $payload:ident turn) => { $payload.turn_id.as_str() };
    (@turn $payload:ident $other:ident) => {{ let _ = $payload; "" }};
    (@seq $payload:ident turn) => { $payload.seq };
    (@seq $payload:ident session) => { $payload.seq };
    (@seq $payload:ident $other:ident) => {{ let _ = $payload; None }};
}

// What it belongs to: a turn and its session, both with a number; a session, with a number; a session, without one; a
// session by its description; nothing.
catalogue! {
    Welcome(Welcome) told::WELCOME, none;
    Connected(Connected) told::CONNECTED, none;
    Authenticated(Authenticated) told::AUTHENTICATED, none;
    Heartbeat(Heartbeat) told::HEARTBEAT, session;
    SessionList(SessionList) told::SESSION_LIST, none;
    SessionCreated(SessionCreated) told::SESSION_CREATED, meta;
    SessionUpdated(SessionUpdated) told::SESSION_UPDATED, meta;
    SessionArchived(SessionArchived) told::SESSION_ARCHIVED, meta;
    SessionUnarchived(SessionUnarchived) told::SESSION_UNARCHIVED, meta;
    SessionDeleted(SessionDeleted) told::SESSION_DELETED, session;
    StateSnapshot(StateSnapshot) told::STATE_SNAPSHOT, meta;
    SessionState(SessionState) told::SESSION_STATE, session;
    SubscriberCount(SubscriberCount) told::SUBSCRIBER_COUNT, session;
    TurnStarted(TurnStarted) told::TURN_STARTED, turn;
    TextDelta(TextDelta) told::TEXT_DELTA, turn;
    TurnComplete(TurnComplete) told::TURN_COMPLETE, turn;
    TurnError(TurnError) told::TURN_ERROR, turn;
    MessageDelta(MessageDelta) told::MESSAGE_DELTA, turn;
    ThinkingStart(ThinkingStart) told::THINKING_START, turn;
    ThinkingProgress(ThinkingProgress) told::THINKING_PROGRESS, turn;
    ThinkingComplete(ThinkingComplete) told::THINKING_COMPLETE, turn;
    ToolCallStart(ToolCallStart) told::TOOL_CALL_START, turn;
    ToolCallDelta(ToolCallDelta) told::TOOL_CALL_DELTA, turn;
    ToolCall(ToolCall) told::TOOL_CALL, turn;
    ToolResult(ToolResult) told::TOOL_RESULT, turn;
    ToolError(ToolError) told::TOOL_ERROR, turn;
    QuestionRequested(QuestionRequested) told::QUESTION_REQUESTED, turn;
    PermissionRequested(PermissionRequested) told::PERMISSION_REQUESTED, turn;
    ApprovalResolved(ApprovalResolved) told::APPROVAL_RESOLVED, turn;
    SteerSent(SteerSent) told::STEER_SENT, turn;
    TerminalStream(TerminalStream) told::TERMINAL_STREAM, turn;
    TerminalComplete(TerminalComplete) told::TERMINAL_COMPLETE, turn;
    SandboxProvisioning(SandboxProvisioning) told::SANDBOX_PROVISIONING, session;
    SandboxInit(SandboxInit) told::SANDBOX_INIT, session;
    SandboxRemoved(SandboxRemoved) told::SANDBOX_REMOVED, session;
    InstanceStatus(InstanceStatus) told::INSTANCE_STATUS, session;
    PlanCreated(PlanCreated) told::PLAN_CREATED, turn;
    PlanStepStarted(PlanStepStarted) told::PLAN_STEP_STARTED, turn;
    PlanStepCompleted(PlanStepCompleted) told::PLAN_STEP_COMPLETED, turn;
    PlanRevised(PlanRevised) told::PLAN_REVISED, turn;
    FileChanged(FileChanged) told::FILE_CHANGED, session;
    UsageUpdate(UsageUpdate) told::USAGE_UPDATE, turn;
    UsageContext(UsageContext) told::USAGE_CONTEXT, turn;
    CreditsUpdate(CreditsUpdate) told::CREDITS_UPDATE, session;
    History(HistoryPage) told::HISTORY, of;
    Events(EventsPage) told::EVENTS, of;
    Pong(Pong) told::PONG, none;
    FileList(FileList) told::FILE_LIST, of;
    FileContent(FileContents) told::FILE_CONTENT, of;
    FileHistory(FileHistory) told::FILE_HISTORY_RESULT, of;
    MemberList(MemberList) told::MEMBER_LIST, none;
    MemberUpdated(MemberUpdated) told::MEMBER_UPDATED, none;
    MemberRemoved(MemberRemoved) told::MEMBER_REMOVED, none;
    Error(ErrorEvent) told::ERROR, none;
    ReplayComplete(ReplayComplete) told::REPLAY_COMPLETE, of;
    ServerShutdown(ServerShutdown) told::SERVER_SHUTDOWN, none;
}

impl Payload for Opened {
    const NAME: &'static str = lifecycle::OPENED;
    fn of(event: &Event) -> Option<&Opened> {
        match event {
            Event::Opened(payload) => Some(payload),
            _ => None,
        }
    }
}

impl Payload for Disconnected {
    const NAME: &'static str = lifecycle::DISCONNECTED;
    fn of(event: &Event) -> Option<&Disconnected> {
        match event {
            Event::Disconnected(payload) => Some(payload),
            _ => None,
        }
    }
}
