//! What keeps a shared session from going on, each for a thing that can be done about it.

use rejoin_happy::client::Error as Happy;
use rejoin_ports::gateway::Failure;
use rejoin_ports::sign_in::NotSignedIn;
use rejoin_ports::store::StoreError;

use crate::secrets::VaultError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Another attempt may help.
    #[error("{0}")]
    Passing(String),
    /// Nobody is let in with the link any more.
    #[error("{0}")]
    Refused(String),
    /// The session was deleted there.
    #[error("it was deleted in the app; share it again to begin anew")]
    Removed,
    /// It was deleted here, or its person may not see it any more.
    #[error("the session is gone")]
    Gone,
    /// It is not shared any more, or somebody else looks after it now.
    #[error("it is not shared")]
    Over,
    #[error("the gateway is stopping")]
    Stopping,
}

/// What an error says, with its causes.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<Happy> for Trouble {
    fn from(error: Happy) -> Trouble {
        match &error {
            error if error.is_refused() => Trouble::Refused(words(error)),
            error if error.is_not_found() => Trouble::Removed,
            error => Trouble::Passing(words(error)),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::NotFound(_) => Trouble::Gone,
            Failure::Closing => Trouble::Stopping,
            Failure::Conflict { .. } => Trouble::Over,
            other => Trouble::Passing(words(&other)),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::from(Failure::Store(error))
    }
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Trouble {
        Trouble::Passing(words(&error))
    }
}

impl From<NotSignedIn> for Trouble {
    fn from(error: NotSignedIn) -> Trouble {
        match error {
            NotSignedIn::Unavailable => Trouble::Passing(words(&error)),
            _ => Trouble::Gone,
        }
    }
}
