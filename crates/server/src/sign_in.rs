//! Who comes in: keys of ours, tokens of an identity provider, and with `--dev` everybody.
//!
//! - [`key`] is a key's text, [`jwt`] and `jwks` read tokens; both end in one `Principal` per person and carrier.
//! - `keys` and `members` are the records, and the rules for changing them.
//! - `principals` remembers who is signed in, and tells open connections when their rights change.

mod accounts;
mod attempts;
mod jwks;
pub mod jwt;
mod key;
mod keys;
mod members;
mod owner_key;
mod principals;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::who::{Identity, Role};
use rejoin_ports::clock::Clock;
use rejoin_ports::sign_in::{Account, Carrier, NotSignedIn, SignIn, SignedIn, Standing};
use rejoin_ports::store::{CommitError, Store, StoreError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use attempts::{MOST_FAILURES, WINDOW_MS};
pub(crate) use key::{hex, unhex};
pub use owner_key::{FILE as OWNER_KEY_FILE, FirstKey, OwnerKeyError};

use crate::shelf::Shelf;
use attempts::Attempts;
use jwt::{Claims, Jwt, JwtConfig};
use key::Fingerprint;
use principals::{Bound, Principal, Principals, Stale};

/// Doors where `--dev` lets everybody in. Accounts of end-to-end encrypted clients are made of keys, and stay so.
const DEV_DOORS: &[&str] = &["native", "diminuendo", "jean2", "limacharlie"];
/// How often a sign-in is tried again because rights changed meanwhile. They do not change all the time.
const MOST_TRIES: usize = 5;
/// The longest text that is looked at as a key or a token.
const LONGEST: usize = jwt::LONGEST_TOKEN;

/// The gateway's sign-in, its keys and its members.
pub struct Gate {
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    principals: Principals,
    /// Accounts that were asked for, by their ids. They never change.
    accounts: Mutex<HashMap<String, Account>>,
    attempts: Attempts,
    jwt: Option<Jwt>,
    dev: Option<Developer>,
    /// Small writes that nobody waits for.
    tasks: TaskTracker,
}

/// Everybody, in `--dev`.
struct Developer {
    identity: Identity,
    /// Never changes; kept so that those who listen to it do not think that we are gone.
    standing: watch::Sender<Standing>,
}

/// Who everybody is in `--dev`.
pub fn developer() -> Identity {
    Identity {
        tenant: TenantId::new("dev").expect("a literal id"),
        user: UserId::new("dev-user-001").expect("a literal id"),
        role: Role::Owner,
        email: Some("developer@example.com".to_owned()),
    }
}

impl Gate {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, jwt: Option<JwtConfig>, dev: bool) -> Gate {
        Gate {
            shelf: Shelf::new(store),
            clock,
            principals: Principals::default(),
            accounts: Mutex::default(),
            attempts: Attempts::default(),
            jwt: jwt.map(Jwt::new),
            dev: dev.then(|| Developer { identity: developer(), standing: watch::Sender::new(Standing::Good) }),
            tasks: TaskTracker::new(),
        }
    }

    /// Waits for small writes under way; the store is about to close.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What is known without a look at the store. `None`: look.
    fn remembered(&self, token: &str, now: Millis) -> Option<SignedIn> {
        let Some(id) = key::id(token) else {
            return self.principals.token(Fingerprint::of(token), now);
        };
        let known = self.principals.key(id)?;
        let holds = known.fingerprint.is(&Fingerprint::of(token)) && known.expires_at.is_none_or(|at| now < at);
        if !holds {
            return None;
        }
        self.note_use(id, &known, now);
        Some(known.principal.signed_in(known.expires_at))
    }

    async fn look_up(&self, token: &str, now: Millis) -> Result<SignedIn, NotSignedIn> {
        if let Some(id) = key::id(token) {
            return self.read_key(id, token, now).await;
        }
        match &self.jwt {
            Some(jwt) if jwt::looks_like_one(token) => {
                let claims = jwt.verify(token, now).await?;
                self.admit(claims, Fingerprint::of(token), jwt.default_role(), now).await
            }
            _ => Err(NotSignedIn::Invalid),
        }
    }

    /// Lets the bearer of a token in, as the member they are or become.
    async fn admit(
        &self,
        claims: Claims,
        token: Fingerprint,
        default: Role,
        now: Millis,
    ) -> Result<SignedIn, NotSignedIn> {
        for _ in 0..MOST_TRIES {
            let seen = self.principals.changes();
            let member = self.member_by_token(&claims, default, now).await?;
            let bound = claims.role.map_or(Bound::Free, Bound::Exactly);
            let (tenant, user, email) = (claims.tenant.clone(), claims.user.clone(), claims.email.clone());
            let principal = Principal::new(tenant, user, email, bound, member);
            match self.principals.remember_token(seen, token, principal, claims.expires_at, now) {
                Ok(signed_in) => return Ok(signed_in),
                Err(Stale) => continue,
            }
        }
        Err(NotSignedIn::Unavailable)
    }
}

#[async_trait]
impl SignIn for Gate {
    async fn sign_in(&self, carrier: Carrier) -> Result<SignedIn, NotSignedIn> {
        if let Some(developer) = self.dev.as_ref().filter(|_| DEV_DOORS.contains(&carrier.door)) {
            return Ok(SignedIn {
                identity: developer.identity.clone(),
                standing: developer.standing.subscribe(),
                expires_at: None,
            });
        }
        let token = carrier.token.as_deref().filter(|token| !token.is_empty()).ok_or(NotSignedIn::Missing)?;
        let now = self.clock.now();
        if token.len() <= LONGEST
            && let Some(known) = self.remembered(token, now)
        {
            return Ok(known); // also from a peer that failed too often: others may sit behind the same address
        }
        if let Some(retry_ms) = carrier.peer.and_then(|peer| self.attempts.blocked(peer, now)) {
            return Err(NotSignedIn::TooMany { retry_ms });
        }
        let outcome = match token.len() <= LONGEST {
            true => self.look_up(token, now).await,
            false => Err(NotSignedIn::Invalid),
        };
        if let (Err(NotSignedIn::Invalid), Some(peer)) = (&outcome, carrier.peer) {
            self.attempts.failed(peer, now);
            tracing::info!(%peer, door = carrier.door, "a sign-in failed");
        }
        outcome
    }
}

/// Logs what the store says, and tells the one at the door no more than that it is not their fault.
fn unavailable(error: StoreError) -> NotSignedIn {
    tracing::error!(error = &error as &dyn std::error::Error, "sign-in: reading who it is");
    NotSignedIn::Unavailable
}

/// Whether somebody else was faster, so that reading again helps.
fn is_conflict(error: &CommitError) -> bool {
    matches!(error, CommitError::Record { .. } | CommitError::Claimed { .. })
}

#[cfg(test)]
mod tests;
