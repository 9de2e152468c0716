//! Members of a tenant: how they come, what they may, and the rule that somebody stays its owner.

use async_trait::async_trait;
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Role, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::sign_in::{Member, Members, NotSignedIn};
use rejoin_ports::store::{Claim, CommitError, Expect, Owner, RecordWrite, StoreError, Work};
use serde::{Deserialize, Serialize};

use super::jwt::Claims;
use super::{Gate, MOST_TRIES, is_conflict, unavailable};
use crate::shelf::{Kept, put};

pub(super) const KIND: &str = "member";
/// Members that are listed. A tenant is a team or a company's department; its provider may know more people than come.
pub(crate) const MOST_MEMBERS: usize = 10_000;
/// A record that every change of an owner writes, so that of two at once one reads again.
const GUARD: (&str, &str) = ("guard", "owners");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub role: Role,
    /// Kept after the removal, or the next token would bring them back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Names made by this gateway. An identity provider that lets people choose names must not hand out these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ours: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
}

impl MemberRecord {
    pub(super) fn new(email: Option<String>, role: Role, now: Millis) -> MemberRecord {
        MemberRecord { email, role, removed: false, ours: false, created_at: now, updated_at: now }
    }

    fn shown(self, user: UserId) -> Member {
        Member { user, email: self.email, role: self.role, created_at: self.created_at, updated_at: self.updated_at }
    }
}

#[derive(Serialize, Deserialize)]
struct Guard {}

impl Gate {
    pub(super) async fn member(&self, tenant: &TenantId, user: &UserId) -> Result<Kept<MemberRecord>, StoreError> {
        self.shelf.get(&Owner::Tenant(tenant.clone()), KIND, user.as_str()).await
    }

    /// Makes somebody a member if they are none; for those whom the gateway itself brings.
    pub async fn ensure_member(&self, identity: &Identity) -> Result<(), CommitError> {
        let kept = self.member(&identity.tenant, &identity.user).await?;
        if kept.value.is_some() {
            return Ok(());
        }
        let mut member = MemberRecord::new(identity.email.clone(), identity.role, self.clock.now());
        member.ours = true;
        self.shelf.write(vec![member_write(&identity.tenant, &identity.user, kept.unchanged(), &member)]).await?;
        Ok(())
    }

    /// The role of somebody who comes with a token; the first one of a tenant becomes its owner.
    pub(super) async fn member_by_token(
        &self,
        claims: &Claims,
        default: Role,
        now: Millis,
    ) -> Result<Role, NotSignedIn> {
        for _ in 0..MOST_TRIES {
            let kept = self.member(&claims.tenant, &claims.user).await.map_err(unavailable)?;
            let expect = kept.unchanged();
            let before = kept.value.as_ref().map(|member| member.role);
            let (member, claim) = match kept.value {
                Some(member) if member.removed => return Err(NotSignedIn::Invalid),
                Some(member) if member.ours => {
                    tracing::warn!(user = %claims.user, tenant = %claims.tenant, "a token has the name of a user that this gateway made");
                    return Err(NotSignedIn::Invalid);
                }
                Some(member) => {
                    let role = claims.role.unwrap_or(member.role);
                    let email = claims.email.clone().or_else(|| member.email.clone());
                    if role == member.role && email == member.email {
                        return Ok(role);
                    }
                    // The provider is asked at every sign-in, so the list follows it, its last owner included.
                    (MemberRecord { role, email, updated_at: now, ..member }, None)
                }
                None => {
                    let first = self.is_empty(&claims.tenant).await.map_err(unavailable)?;
                    let role = claims.role.unwrap_or(if first { Role::Owner } else { default });
                    let claim = (first && claims.role.is_none()).then(|| Claim {
                        space: "first-owner",
                        key: claims.tenant.to_string(),
                        // With a blank, so that it is nobody else's id.
                        holder: format!("user {}", claims.user),
                    });
                    (MemberRecord::new(claims.email.clone(), role, now), claim)
                }
            };
            let work = Work {
                records: vec![member_write(&claims.tenant, &claims.user, expect, &member)],
                claims: claim.into_iter().collect(),
                ..Work::default()
            };
            match self.shelf.store().commit(work).await {
                Ok(_) => {
                    tracing::info!(user = %claims.user, tenant = %claims.tenant, role = ?member.role, "a member came by token");
                    if before.is_some_and(|before| before != member.role) {
                        // Their keys follow the list as well. Our caller sees that rights changed, and asks once more.
                        self.principals.member_changed(&claims.tenant, &claims.user, Some(member.role));
                    }
                    return Ok(member.role);
                }
                // Somebody else was first: now there is a member.
                Err(error) if is_conflict(&error) => continue,
                Err(CommitError::Store(error)) => return Err(unavailable(error)),
                Err(error) => {
                    tracing::error!(%error, "sign-in: keeping a new member");
                    return Err(NotSignedIn::Unavailable);
                }
            }
        }
        Err(NotSignedIn::Unavailable)
    }

    async fn is_empty(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let owner = Owner::Tenant(tenant.clone());
        Ok(self.shelf.store().records(&owner, KIND, "", "", 1).await?.is_empty())
    }

    async fn members(&self, tenant: &TenantId) -> Result<Vec<(String, MemberRecord)>, StoreError> {
        let mut members = self.shelf.all::<MemberRecord>(&Owner::Tenant(tenant.clone()), KIND, MOST_MEMBERS).await?;
        members.retain(|(_, member)| !member.removed);
        Ok(members)
    }

    /// Says no if nobody but `user` owns the tenant. The write that comes with it fails if the owners change meanwhile.
    async fn keep_an_owner(&self, tenant: &TenantId, user: &UserId, now: Millis) -> Result<RecordWrite, Failure> {
        let owner = Owner::Tenant(tenant.clone());
        let guard = self.shelf.get::<Guard>(&owner, GUARD.0, GUARD.1).await?;
        let others = self.members(tenant).await?;
        let kept = others.iter().any(|(name, member)| member.role == Role::Owner && name != user.as_str());
        if !kept {
            return Err(Failure::LastOwner);
        }
        Ok(put(&owner, GUARD.0, GUARD.1, guard.unchanged(), Some(&Guard {}), now))
    }
}

#[async_trait]
impl Members for Gate {
    async fn list(&self, caller: &Caller) -> Result<Vec<Member>, Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Read, Kind::Member) {
            return Err(Refusal::Forbidden.into());
        }
        let members = self.members(&who.tenant).await?;
        let named = members.into_iter().filter_map(|(user, member)| Some(member.shown(UserId::new(user).ok()?)));
        Ok(named.collect())
    }

    /// Also brings somebody in who was not there, or who was removed.
    async fn set_role(&self, caller: &Caller, user: &UserId, role: Role) -> Result<Member, Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Write, Kind::Member) || role > who.role {
            return Err(Refusal::Forbidden.into());
        }
        for _ in 0..MOST_TRIES {
            let now = self.clock.now();
            let kept = self.member(&who.tenant, user).await?;
            let expect = kept.unchanged();
            let mut writes = Vec::with_capacity(2);
            let member = match kept.value {
                Some(member) if member.removed => MemberRecord { role, removed: false, updated_at: now, ..member },
                Some(member) if member.role > who.role => return Err(Refusal::Forbidden.into()),
                Some(member) if member.role == role => return Ok(member.shown(user.clone())),
                Some(member) => {
                    if member.role == Role::Owner {
                        writes.push(self.keep_an_owner(&who.tenant, user, now).await?);
                    }
                    MemberRecord { role, updated_at: now, ..member }
                }
                None => MemberRecord::new(None, role, now),
            };
            writes.push(member_write(&who.tenant, user, expect, &member));
            match self.shelf.write(writes).await {
                Ok(_) => {
                    self.principals.member_changed(&who.tenant, user, Some(role));
                    tracing::info!(%user, ?role, by = %who.user, "a member has another role");
                    return Ok(member.shown(user.clone()));
                }
                Err(error) if is_conflict(&error) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::TooBusy { retry_ms: 100 })
    }

    /// Takes their keys away as well.
    async fn remove(&self, caller: &Caller, user: &UserId) -> Result<(), Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Delete, Kind::Member) {
            return Err(Refusal::Forbidden.into());
        }
        for _ in 0..MOST_TRIES {
            let now = self.clock.now();
            let kept = self.member(&who.tenant, user).await?;
            let expect = kept.unchanged();
            let member = kept.value.filter(|member| !member.removed).ok_or(Failure::NotFound("member"))?;
            if member.role > who.role {
                return Err(Refusal::Forbidden.into());
            }
            let mut writes = self.removal_of_keys(&who.tenant, user, now).await?;
            if member.role == Role::Owner {
                writes.push(self.keep_an_owner(&who.tenant, user, now).await?);
            }
            let gone = MemberRecord { removed: true, updated_at: now, ..member };
            writes.push(member_write(&who.tenant, user, expect, &gone));
            match self.shelf.write(writes).await {
                Ok(_) => {
                    self.principals.member_changed(&who.tenant, user, None);
                    tracing::info!(%user, by = %who.user, "a member was removed");
                    return Ok(());
                }
                Err(error) if is_conflict(&error) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::TooBusy { retry_ms: 100 })
    }
}

pub(super) fn member_write(tenant: &TenantId, user: &UserId, expect: Expect, member: &MemberRecord) -> RecordWrite {
    put(&Owner::Tenant(tenant.clone()), KIND, user.as_str(), expect, Some(member), member.updated_at)
}
