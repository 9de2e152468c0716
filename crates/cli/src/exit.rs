//! What the process answers to its caller, and what it says when something went wrong.

use std::fmt;
use std::io::ErrorKind;

use rejoin_sdk::{CommandError, Error, Problem};

/// The exit codes. They are a contract; docs/cli.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    NotSignedIn = 5,
    Unreachable = 6,
    TurnFailed = 7,
    TurnInterrupted = 8,
}

/// As `--help` shows them.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  not found
  4  refused by the gateway
  5  not signed in
  6  the gateway cannot be reached
  7  the turn failed
  8  the turn was interrupted";

/// A failure of our own, with its exit code.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Told {
    pub(crate) fn error(exit: Exit, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Told { exit, message: message.into() })
    }
    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
        Told::error(Exit::Usage, message)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Told {}

fn of_problem(problem: &Problem) -> Exit {
    match problem.status {
        401 => Exit::NotSignedIn,
        404 => Exit::NotFound,
        400..=499 => Exit::Refused,
        _ if problem.code == "stopping" => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

fn of_client(error: &Error) -> Exit {
    match error {
        Error::Problem(problem) => of_problem(problem),
        Error::Transport { .. } => Exit::Unreachable,
        Error::Setting(_) => Exit::Usage,
        Error::Unreadable { .. } | Error::Closed => Exit::Failed,
    }
}

/// The exit code of an error; `None` where whoever read our output went away, which is no error.
pub(crate) fn of(error: &anyhow::Error) -> Option<Exit> {
    for cause in error.chain() {
        if let Some(told) = cause.downcast_ref::<Told>() {
            return Some(told.exit);
        }
        if let Some(error) = cause.downcast_ref::<Error>() {
            return Some(of_client(error));
        }
        match cause.downcast_ref::<CommandError>() {
            Some(CommandError::Refused(problem)) => return Some(of_problem(problem)),
            Some(CommandError::Closed(Some(error))) => return Some(of_client(error)),
            _ => {}
        }
        let io = cause.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            return None;
        }
    }
    Some(Exit::Failed)
}

/// An error as a person should read it.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some errors repeat their source in their own words.
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// An error as a program should read it.
pub(crate) fn json(error: &anyhow::Error, exit: Exit) -> serde_json::Value {
    let problem = error.chain().find_map(|cause| {
        let said = cause.downcast_ref::<Error>().and_then(Error::problem);
        said.or_else(|| match cause.downcast_ref::<CommandError>() {
            Some(CommandError::Refused(problem)) => Some(problem),
            _ => None,
        })
    });
    serde_json::json!({ "error": {
        "exit": exit as u8,
        "code": problem.map(|problem| problem.code.as_str()),
        "status": problem.map(|problem| problem.status),
        "detail": message(error),
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, code: &str) -> anyhow::Error {
        let body = serde_json::json!({ "status": status, "code": code, "detail": "no" });
        anyhow::Error::new(serde_json::from_value::<Problem>(body).map(Error::Problem).unwrap())
    }

    #[test]
    fn every_kind_of_failure_has_its_own_code() {
        assert_eq!(of(&problem(401, "invalid_token")), Some(Exit::NotSignedIn));
        assert_eq!(of(&problem(404, "not_found")), Some(Exit::NotFound));
        assert_eq!(of(&problem(409, "busy")), Some(Exit::Refused));
        assert_eq!(of(&problem(500, "internal")), Some(Exit::Failed));
        assert_eq!(of(&Told::usage("what?")), Some(Exit::Usage));
        let lost = std::io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(of(&anyhow::Error::new(lost).context("writing")), None);
    }

    #[test]
    fn a_program_is_told_the_gateways_own_word() {
        let error = problem(409, "busy").context("prompting");
        let told = json(&error, Exit::Refused);
        assert_eq!(told["error"]["code"], "busy");
        assert_eq!(told["error"]["exit"], 4);
    }
}
