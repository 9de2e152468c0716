//! API keys as records: made once, shown once, kept as fingerprints.

use async_trait::async_trait;
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Kind, Role, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::sign_in::{KeyInfo, Keys, NewKey, NotSignedIn, SignedIn};
use rejoin_ports::store::{Expect, Owner, RecordWrite, StoreError};
use serde::{Deserialize, Serialize};

use super::key::{self, Fingerprint};
use super::members::{self, MemberRecord};
use super::principals::{Bound, KnownKey, Principal, Stale};
use super::{Gate, MOST_TRIES, is_conflict, unavailable};
use crate::shelf::put;

const KIND: &str = "key";
/// Keys that a tenant may have. Each is read when they are listed.
pub(crate) const MOST_KEYS: usize = 1_000;
/// The longest name of a key, in bytes.
const LONGEST_NAME: usize = 200;
/// How often it is written down that a key is in use.
const USE_MS: Millis = 60_000;

/// The gateway's record of a key, found by its id. The tenant has a record of the same name, so that its keys can be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyRecord {
    name: String,
    tenant: TenantId,
    user: UserId,
    role: Role,
    /// Of the key's whole text, as hex.
    fingerprint: String,
    created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Millis>,
}

/// The tenant's record of a key: its name is all there is to say.
#[derive(Serialize, Deserialize)]
struct Listed {}

impl KeyRecord {
    pub(super) fn new(tenant: TenantId, user: UserId, role: Role, name: String, text: &str, now: Millis) -> KeyRecord {
        let fingerprint = Fingerprint::of(text).hex();
        KeyRecord { name, tenant, user, role, fingerprint, created_at: now, expires_at: None, last_used_at: None }
    }

    /// Both records of a new key.
    pub(super) fn writes(&self, id: &str) -> Vec<RecordWrite> {
        let tenant = Owner::Tenant(self.tenant.clone());
        vec![
            put(&Owner::Gateway, KIND, id, Expect::Absent, Some(self), self.created_at),
            put(&tenant, KIND, id, Expect::Absent, Some(&Listed {}), self.created_at),
        ]
    }

    fn info(self, id: &str) -> KeyInfo {
        KeyInfo {
            id: id.to_owned(),
            name: self.name,
            tenant: self.tenant,
            user: self.user,
            role: self.role,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
        }
    }
}

/// Takes both records of a key away.
fn removal(tenant: &TenantId, id: &str, now: Millis) -> [RecordWrite; 2] {
    let tenant = Owner::Tenant(tenant.clone());
    [&Owner::Gateway, &tenant].map(|owner| put::<Listed>(owner, KIND, id, Expect::Anything, None, now))
}

impl Gate {
    /// Reads a key that nobody used lately, and remembers it if it is the right one.
    pub(super) async fn read_key(&self, id: &str, text: &str, now: Millis) -> Result<SignedIn, NotSignedIn> {
        for _ in 0..MOST_TRIES {
            let seen = self.principals.changes();
            let kept = self.shelf.get::<KeyRecord>(&Owner::Gateway, KIND, id).await.map_err(unavailable)?;
            let record = kept.value.ok_or(NotSignedIn::Invalid)?;
            let fingerprint = Fingerprint::from_hex(&record.fingerprint).ok_or(NotSignedIn::Invalid)?;
            if !fingerprint.is(&Fingerprint::of(text)) {
                return Err(NotSignedIn::Invalid);
            }
            if record.expires_at.is_some_and(|at| at <= now) {
                return Err(NotSignedIn::Expired);
            }
            let member = self.member(&record.tenant, &record.user).await.map_err(unavailable)?;
            let Some(member) = member.value.filter(|member| !member.removed) else {
                return Err(NotSignedIn::Invalid);
            };
            let bound = Bound::AtMost(record.role);
            let principal = Principal::new(record.tenant, record.user, member.email, bound, member.role);
            let known = KnownKey::new(fingerprint, record.expires_at, principal.into(), record.last_used_at);
            match self.principals.remember_key(seen, id, known) {
                Ok(known) => {
                    self.note_use(id, &known, now);
                    return Ok(known.principal.signed_in(known.expires_at));
                }
                Err(Stale) => continue,
            }
        }
        Err(NotSignedIn::Unavailable)
    }

    /// Writes down that a key is in use, once in a while, and lets nobody wait for it.
    pub(super) fn note_use(&self, id: &str, known: &KnownKey, now: Millis) {
        if !known.is_news(now, USE_MS) || self.tasks.is_closed() {
            return;
        }
        let (shelf, id) = (self.shelf.clone(), id.to_owned());
        self.tasks.spawn(async move {
            let kept = shelf.get::<KeyRecord>(&Owner::Gateway, KIND, &id).await;
            let Ok(Some(mut record)) = kept.as_ref().map(|kept| kept.value.clone()) else {
                return;
            };
            record.last_used_at = Some(now);
            let expect = kept.map_or(Expect::Anything, |kept| kept.unchanged());
            // Whoever changed it meanwhile, or took it away, is right.
            if let Err(error) = shelf.write(vec![put(&Owner::Gateway, KIND, &id, expect, Some(&record), now)]).await {
                tracing::debug!(%error, "noting that a key is in use");
            }
        });
    }

    async fn tenants_keys(&self, tenant: &TenantId) -> Result<Vec<(String, KeyRecord)>, StoreError> {
        let listed = self.shelf.all::<Listed>(&Owner::Tenant(tenant.clone()), KIND, MOST_KEYS).await?;
        let mut keys = Vec::with_capacity(listed.len());
        for (id, _) in listed {
            if let Some(record) = self.shelf.get(&Owner::Gateway, KIND, &id).await?.value {
                keys.push((id, record));
            }
        }
        Ok(keys)
    }

    /// What takes all keys of a user away, and their ids.
    pub(super) async fn removal_of_keys(
        &self,
        tenant: &TenantId,
        user: &UserId,
        now: Millis,
    ) -> Result<Vec<RecordWrite>, StoreError> {
        let keys = self.tenants_keys(tenant).await?;
        let theirs = keys.iter().filter(|(_, record)| record.user == *user);
        Ok(theirs.flat_map(|(id, _)| removal(tenant, id, now)).collect())
    }
}

#[async_trait]
impl Keys for Gate {
    async fn create(&self, caller: &Caller, new: NewKey) -> Result<(KeyInfo, String), Failure> {
        let who = &caller.identity;
        let now = self.clock.now();
        if !who.role.may(Verb::Create, Kind::Key) {
            return Err(Refusal::Forbidden.into());
        }
        if new.name.len() > LONGEST_NAME {
            return Err(Failure::Invalid { field: "name", why: format!("at most {LONGEST_NAME} bytes") });
        }
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Failure::Invalid { field: "expiresAt", why: "it is in the past".to_owned() });
        }
        if self.tenants_keys(&who.tenant).await?.len() >= MOST_KEYS {
            return Err(Failure::Invalid { field: "name", why: format!("there are {MOST_KEYS} keys already") });
        }
        let user = new.user.unwrap_or_else(|| who.user.clone());
        for _ in 0..MOST_TRIES {
            let kept = self.member(&who.tenant, &user).await?;
            let member = kept.value.as_ref().filter(|member| !member.removed);
            // Who acts for somebody above them would act above themselves.
            if member.is_some_and(|member| member.role > who.role && user != who.user) {
                return Err(Refusal::Forbidden.into());
            }
            let role = match (new.role, member) {
                (Some(role), _) => role,
                (None, Some(member)) => member.role.min(who.role),
                (None, None) => Role::Member.min(who.role),
            };
            if role > who.role {
                return Err(Refusal::Forbidden.into());
            }
            let (id, text) = key::mint();
            let mut record = KeyRecord::new(who.tenant.clone(), user.clone(), role, new.name.clone(), &text, now);
            record.expires_at = new.expires_at;
            let mut writes = record.writes(&id);
            if member.is_none() {
                // A key for somebody new makes them a member, so that they are listed and can be removed.
                let newcomer = MemberRecord::new(None, role, now);
                writes.push(put(
                    &Owner::Tenant(who.tenant.clone()),
                    members::KIND,
                    user.as_str(),
                    kept.unchanged(),
                    Some(&newcomer),
                    now,
                ));
            }
            match self.shelf.write(writes).await {
                Ok(_) => {
                    if member.is_none() {
                        self.principals.member_changed(&who.tenant, &user, Some(role));
                    }
                    return Ok((record.info(&id), text));
                }
                Err(error) if is_conflict(&error) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::TooBusy { retry_ms: 100 })
    }

    async fn list(&self, caller: &Caller) -> Result<Vec<KeyInfo>, Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Read, Kind::Key) {
            return Err(Refusal::Forbidden.into());
        }
        let keys = self.tenants_keys(&who.tenant).await?;
        let mut keys: Vec<_> = keys.into_iter().map(|(id, record)| record.info(&id)).collect();
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    async fn revoke(&self, caller: &Caller, id: &str) -> Result<(), Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Delete, Kind::Key) {
            return Err(Refusal::Forbidden.into());
        }
        let kept = self.shelf.get::<KeyRecord>(&Owner::Gateway, KIND, id).await?;
        let record = kept.value.filter(|record| record.tenant == who.tenant).ok_or(Failure::NotFound("key"))?;
        if record.role > who.role {
            return Err(Refusal::Forbidden.into());
        }
        self.shelf.write(removal(&who.tenant, id, self.clock.now()).into()).await?;
        self.principals.key_revoked(id);
        tracing::info!(key = id, by = %who.user, "a key was revoked");
        Ok(())
    }
}
