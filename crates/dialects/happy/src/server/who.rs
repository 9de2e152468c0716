//! Who asks: the account that a token names.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rejoin_core::who::{Author, Identity};
use rejoin_ports::gateway::Caller;
use rejoin_ports::sign_in::{Account, NotSignedIn, SignedIn, Standing};
use rejoin_ports::store::Owner;

use super::failure::Refused;
use super::{DOOR, Hall};

/// An account's user, signed in.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) account: Arc<Account>,
    pub(crate) signed: SignedIn,
}

impl Who {
    /// As it stands now: the role may have changed since.
    pub(crate) fn identity(&self) -> Identity {
        let mut identity = self.signed.identity.clone();
        if let Standing::Changed(role) = *self.signed.standing.borrow() {
            identity.role = role;
        }
        identity
    }

    /// The user as somebody who acts; over a socket of that name, or without one.
    pub(crate) fn caller(&self, connection: Option<&str>) -> Caller {
        let identity = self.identity();
        let author = Author {
            user: identity.user.clone(),
            door: DOOR.to_owned(),
            client: None,
            connection: connection.map(str::to_owned),
        };
        Caller { identity, author: Arc::new(author), capabilities: Vec::new(), speaks_control: false }
    }

    /// Whose the account's records and feed are.
    pub(crate) fn owner(&self) -> Owner {
        Owner::User(self.account.tenant.clone(), self.account.user.clone())
    }
}

impl Hall {
    /// The account that a token names. Whoever was removed since is not let in.
    pub(crate) async fn sign_in(&self, token: &str) -> Result<Who, NotSignedIn> {
        let id = self.tokens.read(token, self.options.clock.now()).ok_or(NotSignedIn::Invalid)?;
        let found = self.gateway.accounts.account(&id).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "happy: reading an account");
            NotSignedIn::Unavailable
        })?;
        let account = found.ok_or(NotSignedIn::Invalid)?;
        let signed = self.gateway.accounts.enter(&account).await?;
        Ok(Who { account: Arc::new(account), signed })
    }
}

/// A request with a bearer that is good.
pub(crate) struct Signed(pub(crate) Who);

impl FromRequestParts<Hall> for Signed {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, hall: &Hall) -> Result<Signed, Refused> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).ok_or(NotSignedIn::Missing)?;
        Ok(Signed(hall.sign_in(token.trim()).await?))
    }
}
