//! Who somebody is: every carrier of a sign-in resolves to one identity.

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::who::{Identity, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::gateway::{Caller, Failure};

/// Why somebody was not let in. The text never says which part of a token was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    #[error("sign in first")]
    Missing,
    #[error("the key or token is not valid")]
    Invalid,
    #[error("the key or token has expired")]
    Expired,
    #[error("too many failed attempts; try again in {retry_ms} ms")]
    TooMany { retry_ms: u64 },
    #[error("sign-in cannot be checked at the moment")]
    Unavailable,
}

impl NotSignedIn {
    pub fn code(&self) -> &'static str {
        match self {
            NotSignedIn::Missing => "unauthenticated",
            NotSignedIn::Invalid => "invalid_token",
            NotSignedIn::Expired => "token_expired",
            NotSignedIn::TooMany { .. } => "too_many_attempts",
            NotSignedIn::Unavailable => "sign_in_unavailable",
        }
    }
}

/// What somebody shows, and where it came from.
#[derive(Clone)]
pub struct Carrier {
    /// The token as it came; `None` where nothing was shown.
    pub token: Option<String>,
    pub peer: Option<std::net::IpAddr>,
    /// The door, for what is switched off per door.
    pub door: &'static str,
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        out.debug_struct("Carrier").field("token", &token).field("peer", &self.peer).field("door", &self.door).finish()
    }
}

/// An identity and whether it still holds.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub identity: Identity,
    /// Becomes `Standing::Revoked` or `Changed` within a second of that; open sockets listen to it.
    pub standing: watch::Receiver<Standing>,
    /// When it ends by itself.
    pub expires_at: Option<Millis>,
}

/// Why a sign-in is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Revoked,
    Expired,
}

impl SignedIn {
    /// Returns when the sign-in is over.
    pub fn over(&self, clock: Arc<dyn Clock>) -> impl Future<Output = Over> + Send + use<> {
        let mut standing = self.standing.clone();
        let expires_at = self.expires_at;
        async move {
            let revoked = async {
                if standing.wait_for(|standing| *standing == Standing::Revoked).await.is_err() {
                    // Whoever would tell is gone, so nothing more is told.
                    std::future::pending::<()>().await;
                }
            };
            let Some(at) = expires_at else {
                revoked.await;
                return Over::Revoked;
            };
            tokio::select! {
                () = revoked => Over::Revoked,
                () = clock.until(at) => Over::Expired,
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// The role is another now.
    Changed(Role),
    Revoked,
}

#[async_trait]
pub trait SignIn: Send + Sync + 'static {
    async fn sign_in(&self, carrier: Carrier) -> Result<SignedIn, NotSignedIn>;
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    pub id: String,
    pub name: String,
    pub tenant: TenantId,
    pub user: UserId,
    pub role: Role,
    pub created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Millis>,
}

/// A key to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    #[serde(default)]
    pub name: String,
    /// Absent: the caller.
    #[serde(default)]
    pub user: Option<UserId>,
    /// Absent: the caller's; never above it.
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub expires_at: Option<Millis>,
}

/// API keys of the caller's tenant.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// The key's text is in the answer, and nowhere else ever again.
    async fn create(&self, caller: &Caller, new: NewKey) -> Result<(KeyInfo, String), Failure>;
    async fn list(&self, caller: &Caller) -> Result<Vec<KeyInfo>, Failure>;
    async fn revoke(&self, caller: &Caller, id: &str) -> Result<(), Failure>;
}

/// A person in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub role: Role,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// Members of the caller's tenant. The last owner can be neither removed nor made less.
#[async_trait]
pub trait Members: Send + Sync + 'static {
    async fn list(&self, caller: &Caller) -> Result<Vec<Member>, Failure>;
    async fn set_role(&self, caller: &Caller, user: &UserId, role: Role) -> Result<Member, Failure>;
    async fn remove(&self, caller: &Caller, user: &UserId) -> Result<(), Failure>;
}

/// A user who is known by a key of their own: they have proved to hold it, and need none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Stays the same for ever.
    pub id: String,
    /// What they were first known by, in its door's own spelling.
    pub subject: String,
    pub tenant: TenantId,
    pub user: UserId,
    pub created_at: Millis,
}

/// Accounts of doors whose clients bring keys of their own. Doors check the proof; this keeps who it is.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The account of a subject. Where there is none it is made under the id given, with a tenant of its own.
    async fn of_subject(
        &self,
        kind: &'static str,
        subject: &str,
        make: Option<String>,
    ) -> Result<Option<Account>, Failure>;
    async fn account(&self, id: &str) -> Result<Option<Account>, Failure>;
    /// Lets the account's user in, as the member they are.
    async fn enter(&self, account: &Account) -> Result<SignedIn, NotSignedIn>;
    /// From now on the subject acts as this user, who is a member already. An account that has been used stays what it is.
    async fn link(
        &self,
        caller: &Caller,
        kind: &'static str,
        subject: &str,
        user: &UserId,
        id: String,
    ) -> Result<Account, Failure>;
}
