//! Every name of the wire in one place. Some of them are proposals, because no source shows them: a correction is one line
//! here. What older or newer servers may say instead stands in [`ALIASES`].

/// The version that `welcome` announces.
pub const PROTOCOL_VERSION: u64 = 1;
/// The version whose extended events are spelled with dots.
pub const DOTTED_VERSION: u64 = 2;
/// The largest message a client may send.
pub const LARGEST_MESSAGE: usize = 1 << 20;
/// How often a client hears that the server is there.
pub const HEARTBEAT_MS: u64 = 30_000;
/// What a client that hears nothing for so long takes for a dead connection.
pub const STALE_MS: u64 = 35_000;

/// What a client tells its own handlers: the socket is open (a frame has this name too), and it is not open any more.
pub mod lifecycle {
    pub const OPENED: &str = "connected";
    pub const DISCONNECTED: &str = "disconnected";
}

/// What a client may say.
pub mod said {
    pub const AUTHENTICATE: &str = "authenticate";
    pub const LIST_SESSIONS: &str = "list_sessions";
    pub const CREATE_SESSION: &str = "create_session";
    pub const RENAME_SESSION: &str = "rename_session";
    pub const ARCHIVE_SESSION: &str = "archive_session";
    pub const UNARCHIVE_SESSION: &str = "unarchive_session";
    pub const DELETE_SESSION: &str = "delete_session";
    pub const JOIN_SESSION: &str = "join_session";
    pub const LEAVE_SESSION: &str = "leave_session";
    pub const RUN_TURN: &str = "run_turn";
    pub const STOP_TURN: &str = "stop_turn";
    pub const STEER: &str = "steer";
    pub const ANSWER_QUESTION: &str = "answer_question";
    pub const GET_HISTORY: &str = "get_history";
    pub const GET_EVENTS: &str = "get_events";
    pub const PING: &str = "ping";
    pub const LIST_FILES: &str = "list_files";
    pub const READ_FILE: &str = "read_file";
    pub const FILE_HISTORY: &str = "file_history";
    pub const FILE_AT_ITERATION: &str = "file_at_iteration";
    pub const MANAGE_MEMBERS: &str = "manage_members";
}

/// What a server says.
pub mod told {
    // Connection.
    pub const WELCOME: &str = "welcome";
    pub const CONNECTED: &str = "connected";
    pub const AUTHENTICATED: &str = "authenticated";
    pub const HEARTBEAT: &str = "heartbeat";
    // Sessions.
    pub const SESSION_LIST: &str = "session_list";
    pub const SESSION_CREATED: &str = "session_created";
    pub const SESSION_UPDATED: &str = "session_updated";
    pub const SESSION_ARCHIVED: &str = "session_archived";
    pub const SESSION_UNARCHIVED: &str = "session_unarchived";
    pub const SESSION_DELETED: &str = "session_deleted";
    pub const STATE_SNAPSHOT: &str = "state_snapshot";
    pub const SESSION_STATE: &str = "session_state";
    pub const SUBSCRIBER_COUNT: &str = "subscriber_count";
    // Turns.
    pub const TURN_STARTED: &str = "turn_started";
    pub const TEXT_DELTA: &str = "text_delta";
    pub const TURN_COMPLETE: &str = "turn_complete";
    pub const TURN_ERROR: &str = "turn_error";
    pub const MESSAGE_DELTA: &str = "message_delta";
    pub const THINKING_START: &str = "thinking_start";
    pub const THINKING_PROGRESS: &str = "thinking_progress";
    pub const THINKING_COMPLETE: &str = "thinking_complete";
    pub const TOOL_CALL_START: &str = "tool_call_start";
    pub const TOOL_CALL_DELTA: &str = "tool_call_delta";
    pub const TOOL_CALL: &str = "tool_call";
    pub const TOOL_RESULT: &str = "tool_result";
    pub const TOOL_ERROR: &str = "tool_error";
    // Asks and steering.
    pub const QUESTION_REQUESTED: &str = "question_requested";
    pub const PERMISSION_REQUESTED: &str = "permission_requested";
    pub const APPROVAL_RESOLVED: &str = "approval_resolved";
    pub const STEER_SENT: &str = "steer_sent";
    // The machine.
    pub const TERMINAL_STREAM: &str = "terminal_stream";
    pub const TERMINAL_COMPLETE: &str = "terminal_complete";
    pub const SANDBOX_PROVISIONING: &str = "sandbox_provisioning";
    pub const SANDBOX_INIT: &str = "sandbox_init";
    pub const SANDBOX_REMOVED: &str = "sandbox_removed";
    pub const INSTANCE_STATUS: &str = "instance_status";
    pub const PLAN_CREATED: &str = "plan_created";
    pub const PLAN_STEP_STARTED: &str = "plan_step_started";
    pub const PLAN_STEP_COMPLETED: &str = "plan_step_completed";
    pub const PLAN_REVISED: &str = "plan_revised";
    pub const FILE_CHANGED: &str = "file_changed";
    pub const USAGE_UPDATE: &str = "usage_update";
    pub const USAGE_CONTEXT: &str = "usage_context";
    pub const CREDITS_UPDATE: &str = "credits_update";
    // Answers.
    pub const HISTORY: &str = "history";
    pub const EVENTS: &str = "events";
    pub const PONG: &str = "pong";
    pub const FILE_LIST: &str = "file_list";
    pub const FILE_CONTENT: &str = "file_content";
    pub const FILE_HISTORY_RESULT: &str = "file_history_result";
    pub const MEMBER_LIST: &str = "member_list";
    pub const MEMBER_UPDATED: &str = "member_updated";
    pub const MEMBER_REMOVED: &str = "member_removed";
    pub const ERROR: &str = "error";
    pub const REPLAY_COMPLETE: &str = "replay_complete";
    pub const SERVER_SHUTDOWN: &str = "server_shutdown";
}

/// Other spellings of events, and ours. Dots are taken for underscores before this is looked at.
pub const ALIASES: &[(&str, &str)] = &[
    ("thinking_update", told::THINKING_PROGRESS),
    ("session_renamed", told::SESSION_UPDATED),
    ("sessions", told::SESSION_LIST),
    ("history_result", told::HISTORY),
    ("events_result", told::EVENTS),
    ("file_list_result", told::FILE_LIST),
    ("file_history", told::FILE_HISTORY_RESULT),
    ("file_at_iteration_result", told::FILE_CONTENT),
    ("members", told::MEMBER_LIST),
];

/// Families whose names are spelled with a dot in version 2: what stands before the dot.
pub const DOTTED: &[&str] = &["thinking", "terminal", "sandbox", "plan", "memory", "message"];

/// Fields of requests that clients spell differently: ours first.
pub mod fields {
    pub const STEER_TEXT: &[&str] = &["content", "text", "message"];
    pub const AFTER: &[&str] = &["afterSeq", "after", "offset"];
    pub const USER: &[&str] = &["userId", "targetUserId"];
    /// The extension that names a request, so that its answer need not be guessed; questions have a `requestId` of their own.
    pub const REQUEST_ID: &str = "requestId";
    pub const CLIENT_REQUEST_ID: &str = "clientRequestId";
}

/// The key of a plain ask's answer, and of a permission's.
pub const ANSWER: &str = "answer";
pub const DECISION: &str = "decision";
pub const ALLOW: &str = "allow";
pub const DENY: &str = "deny";
pub const ALLOW_ALWAYS: &str = "allow_always";

/// How a session changes other than by being created or deleted is told to whoever changed it and to its tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionChange {
    /// `session_archived` and `session_unarchived` for these.
    #[default]
    Specific,
    /// `session_updated` for everything.
    Updated,
}

/// How extended events are spelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    #[default]
    V1,
    Dotted,
}

/// How the codes of errors are spelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeStyle {
    /// `SESSION_NOT_FOUND`
    #[default]
    Upper,
    /// `SessionNotFound`, except for codes of the transport.
    Pascal,
}

/// A name as we know it: dots are underscores, and other spellings ours.
pub fn canonical(name: &str) -> std::borrow::Cow<'_, str> {
    let plain = match name.contains('.') {
        true => std::borrow::Cow::Owned(name.replace('.', "_")),
        false => std::borrow::Cow::Borrowed(name),
    };
    match ALIASES.iter().find(|(other, _)| *other == plain) {
        Some((_, ours)) => std::borrow::Cow::Borrowed(*ours),
        None => plain,
    }
}

/// A name as `naming` spells it.
pub fn spelled(name: &str, naming: Naming) -> std::borrow::Cow<'_, str> {
    let dotted = || name.split_once('_').filter(|(family, _)| DOTTED.contains(family));
    match naming {
        Naming::Dotted => match dotted() {
            Some((family, rest)) => std::borrow::Cow::Owned(format!("{family}.{rest}")),
            None => std::borrow::Cow::Borrowed(name),
        },
        Naming::V1 => std::borrow::Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_name_are_one() {
        for (name, dotted) in [
            (told::THINKING_PROGRESS, "thinking.progress"),
            (told::TERMINAL_STREAM, "terminal.stream"),
            (told::PLAN_STEP_STARTED, "plan.step_started"),
            (told::TEXT_DELTA, "text_delta"),
        ] {
            assert_eq!(spelled(name, Naming::Dotted), dotted);
            assert_eq!(spelled(name, Naming::V1), name);
            assert_eq!(canonical(dotted), name);
        }
        assert_eq!(canonical("thinking.update"), told::THINKING_PROGRESS);
    }
}
