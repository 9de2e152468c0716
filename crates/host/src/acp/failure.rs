//! Why an agent could not do a turn.

/// A code that stays, and words for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

/// The command is not there.
pub const MISSING: &str = "agent_missing";
/// Too many agents run already.
pub const CROWDED: &str = "agent_crowded";
/// It could not be started, or its session could not.
pub const START: &str = "agent_start";
/// It ended in the middle of something.
pub const CRASHED: &str = "agent_crashed";
/// It said what the protocol does not allow.
pub const PROTOCOL: &str = "agent_protocol";
/// It did not answer in time.
pub const TIMEOUT: &str = "agent_timeout";
/// It wants somebody to sign in first.
pub const UNAUTHENTICATED: &str = "agent_unauthenticated";
/// It does not have what the session is configured for.
pub const CONFIG: &str = "agent_config";
/// It answered a prompt with an error of its own.
pub const ERROR: &str = "agent_error";
/// It stopped the turn by itself.
pub const STOPPED: &str = "agent_stopped";
/// The model's answer was too long.
pub const MAX_TOKENS: &str = "max_tokens";
/// It has asked the model as often as it may in one turn.
pub const MAX_REQUESTS: &str = "max_turn_requests";
/// The model refuses to go on.
pub const REFUSED: &str = "refused";

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

/// At most so many bytes of a text, whole letters, and a mark where it was cut.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}
