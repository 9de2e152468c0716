//! Codes of errors. They are stable: clients switch on them.

use crate::names::CodeStyle;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $upper:literal $pascal:literal)*) => {
        /// Why something was not done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            pub fn as_str(self) -> &'static str {
                self.spelled(CodeStyle::Upper)
            }
            pub fn spelled(self, style: CodeStyle) -> &'static str {
                match (self, style) {
                    $((Code::$name, CodeStyle::Upper) => $upper, (Code::$name, CodeStyle::Pascal) => $pascal,)*
                }
            }
        }
    };
}

codes! {
    // Of the transport: spelled the same in every style.
    InvalidJson "INVALID_JSON" "INVALID_JSON"
    InvalidMessage "INVALID_MESSAGE" "INVALID_MESSAGE"
    MessageTooLarge "MESSAGE_TOO_LARGE" "MESSAGE_TOO_LARGE"
    RateLimited "RATE_LIMITED" "RATE_LIMITED"
    AuthRateLimited "AUTH_RATE_LIMITED" "AUTH_RATE_LIMITED"
    // Of what was asked for.
    AuthFailed "AUTH_FAILED" "AuthFailed"
    Unauthenticated "UNAUTHENTICATED" "Unauthenticated"
    VersionMismatch "ProtocolVersionMismatch" "ProtocolVersionMismatch"
    Forbidden "FORBIDDEN" "Forbidden"
    SessionNotFound "SESSION_NOT_FOUND" "SessionNotFound"
    SessionArchived "SESSION_ARCHIVED" "SessionArchived"
    /// It was closed, or has ended.
    SessionClosed "SESSION_CLOSED" "SessionClosed"
    TurnInProgress "TURN_IN_PROGRESS" "TurnInProgress"
    NoActiveTurn "NO_ACTIVE_TURN" "NoActiveTurn"
    QuestionNotFound "QUESTION_NOT_FOUND" "QuestionNotFound"
    /// The answer does not fit the question.
    InvalidAnswer "INVALID_ANSWER" "InvalidAnswer"
    UnknownAgentType "UNKNOWN_AGENT_TYPE" "UnknownAgentType"
    AgentUnavailable "AGENT_UNAVAILABLE" "AgentUnavailable"
    InsufficientCredits "INSUFFICIENT_CREDITS" "InsufficientCredits"
    FileNotFound "FILE_NOT_FOUND" "FileNotFound"
    FileTooLarge "FILE_TOO_LARGE" "FileTooLarge"
    InvalidPath "INVALID_PATH" "InvalidPath"
    IterationNotFound "ITERATION_NOT_FOUND" "IterationNotFound"
    MemberNotFound "MEMBER_NOT_FOUND" "MemberNotFound"
    InvalidRole "INVALID_ROLE" "InvalidRole"
    LastOwner "LAST_OWNER" "LastOwner"
    /// More is under way than the server takes at once.
    TooBusy "TOO_BUSY" "TooBusy"
    /// The server is about to stop.
    ShuttingDown "SHUTTING_DOWN" "ShuttingDown"
    Internal "INTERNAL" "Internal"
}

/// Whether two spellings mean one code: neither underscores nor case tell codes apart.
pub fn same_code(one: &str, other: &str) -> bool {
    let letters = |code: &str| {
        code.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    letters(one) == letters(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_code_are_the_same() {
        for code in Code::ALL {
            assert!(same_code(code.as_str(), code.spelled(CodeStyle::Pascal)), "{code:?}");
        }
        assert!(!same_code("FORBIDDEN", "INTERNAL"));
    }
}
