//! Why something was not done, in this dialect's codes. An error goes to whoever caused it and says nothing of our insides.

use rejoin_core::refusal::Refusal;
use rejoin_ports::agent::FileError;
use rejoin_ports::gateway::{Failure, FilesFailure};
use rejoin_ports::sign_in::NotSignedIn;
use serde_json::{Value, json};

use crate::names::{CodeStyle, told};
use crate::wire::Code;

/// The longest message of an error, in characters.
const LONGEST: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) retry_ms: Option<u64>,
}

impl Refused {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Refused {
        Refused { code, message: message.into(), retry_ms: None }
    }
    pub(super) fn no_session() -> Refused {
        Refused::new(Code::SessionNotFound, "Session does not exist")
    }
    pub(super) fn not_signed_in() -> Refused {
        Refused::new(Code::AuthFailed, "Authentication failed")
    }

    pub(super) fn to_frame(&self, style: CodeStyle) -> Value {
        let message: String = self.message.chars().take(LONGEST).collect();
        let mut frame = json!({ "type": told::ERROR, "code": self.code.spelled(style), "message": message });
        if let Some(retry_ms) = self.retry_ms {
            frame["retryAfterMs"] = retry_ms.into();
        }
        frame
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let code = match &refusal {
            Refusal::Forbidden | Refusal::NotController { .. } | Refusal::NotEligible => Code::Forbidden,
            Refusal::Busy => Code::TurnInProgress,
            Refusal::NotRunning => Code::NoActiveTurn,
            Refusal::Archived => Code::SessionArchived,
            Refusal::Closed | Refusal::Ended => Code::SessionClosed,
            // Those of other clients' making are none for this one.
            Refusal::Sealed => return Refused::no_session(),
            Refusal::NotWaiting(_) => Code::QuestionNotFound,
            Refusal::WrongAnswer => Code::InvalidAnswer,
            Refusal::BudgetExceeded => Code::InsufficientCredits,
            Refusal::Stopping => Code::ShuttingDown,
            _ => Code::InvalidMessage,
        };
        Refused::new(code, sentence(&refusal))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::NotFound("session") => Refused::no_session(),
            Failure::NotFound(what) => {
                let code = if what == "member" { Code::MemberNotFound } else { Code::InvalidMessage };
                Refused::new(code, format!("There is no such {what}"))
            }
            Failure::LastOwner => Refused::new(Code::LastOwner, sentence(&failure)),
            Failure::TooBusy { retry_ms } => {
                Refused { retry_ms: Some(retry_ms), ..Refused::new(Code::TooBusy, "Too much at once") }
            }
            Failure::Closing => Refused::new(Code::ShuttingDown, "The server is stopping"),
            Failure::HostAway | Failure::ReadOnly => Refused::new(Code::AgentUnavailable, sentence(&failure)),
            Failure::Invalid { .. } | Failure::IdReused | Failure::Conflict { .. } => {
                Refused::new(Code::InvalidMessage, sentence(&failure))
            }
            Failure::Store(error) => {
                tracing::error!(%error, "diminuendo: the store failed");
                Refused::new(Code::Internal, "Something went wrong on our side")
            }
        }
    }
}

impl From<FilesFailure> for Refused {
    fn from(failure: FilesFailure) -> Refused {
        let error = match failure {
            FilesFailure::Failed(failure) => return failure.into(),
            FilesFailure::File(error) => error,
        };
        let code = match &error {
            FileError::Outside | FileError::Invalid(_) | FileError::IsFolder | FileError::NotFolder => {
                Code::InvalidPath
            }
            FileError::NotFound => Code::FileNotFound,
            FileError::TooLarge { .. } => Code::FileTooLarge,
            FileError::Io(_) | FileError::Store(_) => {
                tracing::error!(%error, "diminuendo: a file could not be read");
                return Refused::new(Code::Internal, "Something went wrong on our side");
            }
        };
        Refused::new(code, sentence(&error))
    }
}

impl From<NotSignedIn> for Refused {
    fn from(why: NotSignedIn) -> Refused {
        match why {
            NotSignedIn::TooMany { retry_ms } => Refused {
                retry_ms: Some(retry_ms.max(1)),
                ..Refused::new(Code::AuthRateLimited, "Too many failed attempts")
            },
            NotSignedIn::Unavailable => Refused::new(Code::Internal, "Sign-in cannot be checked at the moment"),
            NotSignedIn::Missing | NotSignedIn::Invalid | NotSignedIn::Expired => Refused::not_signed_in(),
        }
    }
}

/// Our messages begin small, as parts of sentences; this dialect's are sentences.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}
