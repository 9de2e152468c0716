//! Accounts: users who are known by a key of their own, each with a tenant of their own unless they were linked to one.

use async_trait::async_trait;
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Kind, Role, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::sign_in::{Account, Accounts, NotSignedIn, SignedIn};
use rejoin_ports::store::{Claim, CommitError, Expect, Owner, StoreError, Work};
use serde::{Deserialize, Serialize};

use super::members::{MemberRecord, member_write};
use super::principals::{Bound, MOST_REMEMBERED, Principal, Stale};
use super::{Gate, MOST_TRIES, unavailable};
use crate::shelf::put;

const KIND: &str = "account";
/// Who a subject is. What holds a claim has a blank, so that it is nobody else's id.
const SPACE: &str = "account";
/// The longest subject: a public key in hex, or something like it.
const LONGEST_SUBJECT: usize = 256;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountRecord {
    kind: String,
    subject: String,
    tenant: TenantId,
    user: UserId,
    created_at: Millis,
}

impl Gate {
    async fn read_account(&self, id: &str) -> Result<Option<Account>, StoreError> {
        if let Some(known) = self.accounts.lock().expect("no holder of this lock panics").get(id) {
            return Ok(Some(known.clone()));
        }
        let kept = self.shelf.get::<AccountRecord>(&Owner::Gateway, KIND, id).await?;
        let Some(record) = kept.value else { return Ok(None) };
        let account = Account {
            id: id.to_owned(),
            subject: record.subject,
            tenant: record.tenant,
            user: record.user,
            created_at: record.created_at,
        };
        let mut known = self.accounts.lock().expect("no holder of this lock panics");
        if known.len() >= MOST_REMEMBERED {
            known.clear(); // those who are still there are read once more
        }
        known.insert(id.to_owned(), account.clone());
        Ok(Some(account))
    }

    async fn account_of(&self, kind: &str, subject: &str) -> Result<Option<Account>, StoreError> {
        let holder = self.shelf.store().claimed(SPACE, &format!("{kind} {subject}")).await?;
        match holder.as_deref().and_then(|holder| holder.strip_prefix("account ")) {
            Some(id) => self.read_account(id).await,
            None => Ok(None),
        }
    }

    /// Lets a member in for whom the gateway itself acts, with no more rights than `most`.
    pub(crate) async fn stand_for(
        &self,
        tenant: &TenantId,
        user: &UserId,
        most: Role,
    ) -> Result<SignedIn, NotSignedIn> {
        self.enter_as(tenant, user, Bound::AtMost(most)).await
    }

    async fn enter_as(&self, tenant: &TenantId, user: &UserId, bound: Bound) -> Result<SignedIn, NotSignedIn> {
        if let Some(signed_in) = self.principals.person(tenant, user, bound) {
            return Ok(signed_in);
        }
        for _ in 0..MOST_TRIES {
            let seen = self.principals.changes();
            let kept = self.member(tenant, user).await.map_err(unavailable)?;
            let member = kept.value.filter(|member| !member.removed).ok_or(NotSignedIn::Invalid)?;
            let principal = Principal::new(tenant.clone(), user.clone(), member.email, bound, member.role);
            match self.principals.enter(seen, principal) {
                Ok(signed_in) => return Ok(signed_in),
                Err(Stale) => continue,
            }
        }
        Err(NotSignedIn::Unavailable)
    }

    /// Keeps a new account, and its user as the owner of a new tenant. `false`: somebody else was first.
    async fn keep_account(&self, kind: &str, account: &Account, owns: bool) -> Result<bool, Failure> {
        let now = account.created_at;
        let record = AccountRecord {
            kind: kind.to_owned(),
            subject: account.subject.clone(),
            tenant: account.tenant.clone(),
            user: account.user.clone(),
            created_at: now,
        };
        let mut records = vec![put(&Owner::Gateway, KIND, &account.id, Expect::Absent, Some(&record), now)];
        if owns {
            let mut member = MemberRecord::new(None, Role::Owner, now);
            member.ours = true;
            records.push(member_write(&account.tenant, &account.user, Expect::Absent, &member));
        }
        let claim = Claim {
            space: SPACE,
            key: format!("{kind} {}", account.subject),
            holder: format!("account {}", account.id),
        };
        let work = Work { records, claims: vec![claim], ..Work::default() };
        match self.shelf.store().commit(work).await {
            Ok(_) => Ok(true),
            Err(CommitError::Claimed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Accounts for Gate {
    async fn of_subject(
        &self,
        kind: &'static str,
        subject: &str,
        make: Option<String>,
    ) -> Result<Option<Account>, Failure> {
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
            return Err(Failure::Invalid { field: "subject", why: format!("1 to {LONGEST_SUBJECT} bytes") });
        }
        if let Some(known) = self.account_of(kind, subject).await? {
            return Ok(Some(known));
        }
        let Some(id) = make else { return Ok(None) };
        let named = |_| Failure::Invalid { field: "id", why: "it is no name for a tenant".into() };
        let account = Account {
            tenant: TenantId::new(&id).map_err(named)?,
            user: UserId::new(&id).map_err(named)?,
            subject: subject.to_owned(),
            created_at: self.clock.now(),
            id,
        };
        if self.keep_account(kind, &account, true).await? {
            tracing::info!(account = %account.id, kind, "an account was made");
            return Ok(Some(account));
        }
        Ok(self.account_of(kind, subject).await?)
    }

    async fn account(&self, id: &str) -> Result<Option<Account>, Failure> {
        Ok(self.read_account(id).await?)
    }

    async fn enter(&self, account: &Account) -> Result<SignedIn, NotSignedIn> {
        self.enter_as(&account.tenant, &account.user, Bound::Free).await
    }

    async fn link(
        &self,
        caller: &Caller,
        kind: &'static str,
        subject: &str,
        user: &UserId,
        id: String,
    ) -> Result<Account, Failure> {
        let who = &caller.identity;
        if *user != who.user && !who.role.may(Verb::Write, Kind::Member) {
            return Err(Refusal::Forbidden.into());
        }
        let known = self.member(&who.tenant, user).await?.value.is_some_and(|member| !member.removed);
        if !known {
            return Err(Failure::NotFound("member"));
        }
        if let Some(account) = self.account_of(kind, subject).await? {
            let same = account.tenant == who.tenant && account.user == *user;
            return if same { Ok(account) } else { Err(Failure::Conflict { version: 1 }) };
        }
        let account = Account {
            id,
            subject: subject.to_owned(),
            tenant: who.tenant.clone(),
            user: user.clone(),
            created_at: self.clock.now(),
        };
        match self.keep_account(kind, &account, false).await? {
            true => Ok(account),
            false => Err(Failure::Conflict { version: 1 }),
        }
    }
}
