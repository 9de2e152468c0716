//! Who is signed in right now, kept in memory: so that signing in again costs no read, and so that a change of somebody's
//! rights reaches whoever is connected.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::who::{Identity, Role};
use rejoin_ports::sign_in::{SignedIn, Standing};
use tokio::sync::watch;

use super::key::Fingerprint;

/// Keys, and verified tokens, that are remembered. One takes some 300 bytes. Keys with open connections stay beyond it.
pub(crate) const MOST_REMEMBERED: usize = 10_000;
/// How long a verified token is believed without another look.
pub(crate) const TOKEN_MS: Millis = 5 * 60_000;

/// One person through one carrier, with one right to speak of.
pub(crate) struct Principal {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    email: Option<String>,
    /// What the carrier itself says of the role.
    pub(crate) bound: Bound,
    role: Mutex<Role>,
    standing: watch::Sender<Standing>,
}

/// How a carrier bounds the role that its user has among the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bound {
    /// It says nothing.
    Free,
    /// A key never gives more than this.
    AtMost(Role),
    /// A token's claim, whatever the members' list says.
    Exactly(Role),
}

impl Bound {
    pub(crate) fn apply(self, role: Role) -> Role {
        match self {
            Bound::Free => role,
            Bound::AtMost(most) => role.min(most),
            Bound::Exactly(role) => role,
        }
    }
}

impl Principal {
    pub(crate) fn new(tenant: TenantId, user: UserId, email: Option<String>, bound: Bound, member: Role) -> Principal {
        Principal {
            tenant,
            user,
            email,
            bound,
            role: Mutex::new(bound.apply(member)),
            standing: watch::Sender::new(Standing::Good),
        }
    }

    pub(crate) fn signed_in(&self, expires_at: Option<Millis>) -> SignedIn {
        let identity = Identity {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            role: *self.role(),
            email: self.email.clone(),
        };
        SignedIn { identity, standing: self.standing.subscribe(), expires_at }
    }

    fn role(&self) -> MutexGuard<'_, Role> {
        self.role.lock().expect("no holder of this lock panics")
    }

    fn is_connected(&self) -> bool {
        self.standing.receiver_count() > 0
    }

    fn revoke(&self) {
        self.standing.send_replace(Standing::Revoked);
    }

    /// The members' list says otherwise now.
    fn change(&self, member: Role) {
        let role = self.bound.apply(member);
        let before = std::mem::replace(&mut *self.role(), role);
        if before != role {
            self.standing.send_replace(Standing::Changed(role));
        }
    }
}

/// A key in memory.
pub(crate) struct KnownKey {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) expires_at: Option<Millis>,
    pub(crate) principal: Arc<Principal>,
    used_at: AtomicU64,
}

impl KnownKey {
    pub(crate) fn new(
        fingerprint: Fingerprint,
        expires_at: Option<Millis>,
        principal: Arc<Principal>,
        used_at: Option<Millis>,
    ) -> KnownKey {
        KnownKey { fingerprint, expires_at, principal, used_at: AtomicU64::new(used_at.unwrap_or(0)) }
    }

    /// Whether this use is to be written down: the first one after `every`.
    pub(crate) fn is_news(&self, now: Millis, every: Millis) -> bool {
        let before = self.used_at.load(Ordering::Relaxed);
        now >= before.saturating_add(every)
            && self.used_at.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

struct KnownToken {
    principal: Arc<Principal>,
    expires_at: Millis,
    believed_until: Millis,
}

#[derive(Default)]
pub(crate) struct Principals {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Grows with every change of rights. What was read before one is not remembered after it.
    changes: u64,
    keys: HashMap<String, Arc<KnownKey>>,
    tokens: HashMap<Fingerprint, KnownToken>,
    people: HashMap<(TenantId, UserId, Bound), Arc<Principal>>,
}

/// Rights have changed since they were read: read them again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

impl Principals {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn changes(&self) -> u64 {
        self.inner().changes
    }

    pub(crate) fn key(&self, id: &str) -> Option<Arc<KnownKey>> {
        self.inner().keys.get(id).cloned()
    }

    /// Remembers a key as it was read when the count of changes was `seen`.
    pub(crate) fn remember_key(&self, seen: u64, id: &str, key: KnownKey) -> Result<Arc<KnownKey>, Stale> {
        let mut inner = self.inner();
        if inner.changes != seen {
            return Err(Stale);
        }
        // Of two who read it at once, the first one's connections must hear of changes too.
        if let Some(known) = inner.keys.get(id) {
            return Ok(known.clone());
        }
        if inner.keys.len() >= MOST_REMEMBERED {
            inner.keys.retain(|_, key| key.principal.is_connected());
        }
        let key = Arc::new(key);
        inner.keys.insert(id.to_owned(), key.clone());
        Ok(key)
    }

    pub(crate) fn token(&self, token: Fingerprint, now: Millis) -> Option<SignedIn> {
        let inner = self.inner();
        let known = inner.tokens.get(&token)?;
        let holds = now < known.believed_until && now < known.expires_at;
        holds.then(|| known.principal.signed_in(Some(known.expires_at)))
    }

    pub(crate) fn remember_token(
        &self,
        seen: u64,
        token: Fingerprint,
        principal: Principal,
        expires_at: Millis,
        now: Millis,
    ) -> Result<SignedIn, Stale> {
        let mut inner = self.inner();
        if inner.changes != seen {
            return Err(Stale);
        }
        if inner.tokens.len() >= MOST_REMEMBERED {
            inner.tokens.retain(|_, known| now < known.believed_until && now < known.expires_at);
        }
        if inner.tokens.len() >= MOST_REMEMBERED {
            // All of them fresh: half must go, whichever.
            let mut keep = false;
            inner.tokens.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
        if inner.people.len() >= MOST_REMEMBERED {
            inner.people.retain(|_, known| known.is_connected() || Arc::strong_count(known) > 1);
        }
        let person = (principal.tenant.clone(), principal.user.clone(), principal.bound);
        let principal = inner.people.entry(person).or_insert_with(|| Arc::new(principal)).clone();
        let signed_in = principal.signed_in(Some(expires_at));
        let believed_until = now.saturating_add(TOKEN_MS);
        inner.tokens.insert(token, KnownToken { principal, expires_at, believed_until });
        Ok(signed_in)
    }

    /// Somebody who needs no carrier of ours, as they were read when the count of changes was `seen`.
    pub(crate) fn enter(&self, seen: u64, principal: Principal) -> Result<SignedIn, Stale> {
        let mut inner = self.inner();
        if inner.changes != seen {
            return Err(Stale);
        }
        if inner.people.len() >= MOST_REMEMBERED {
            inner.people.retain(|_, known| known.is_connected() || Arc::strong_count(known) > 1);
        }
        let person = (principal.tenant.clone(), principal.user.clone(), principal.bound);
        let principal = inner.people.entry(person).or_insert_with(|| Arc::new(principal));
        Ok(principal.signed_in(None))
    }

    /// The same, if they were read before.
    pub(crate) fn person(&self, tenant: &TenantId, user: &UserId, bound: Bound) -> Option<SignedIn> {
        let person = (tenant.clone(), user.clone(), bound);
        self.inner().people.get(&person).map(|principal| principal.signed_in(None))
    }

    pub(crate) fn key_revoked(&self, id: &str) {
        let mut inner = self.inner();
        inner.changes += 1;
        if let Some(key) = inner.keys.remove(id) {
            key.principal.revoke();
        }
    }

    /// Somebody's role among the members is another now, or they are no member any more.
    pub(crate) fn member_changed(&self, tenant: &TenantId, user: &UserId, role: Option<Role>) {
        let mut inner = self.inner();
        inner.changes += 1;
        let is_them = |who: &Principal| who.tenant == *tenant && who.user == *user;
        match role {
            Some(role) => {
                let keys = inner.keys.values().map(|key| &key.principal);
                keys.chain(inner.people.values()).filter(|who| is_them(who)).for_each(|who| who.change(role));
            }
            None => {
                let keys = inner.keys.values().map(|key| &key.principal);
                keys.chain(inner.people.values()).filter(|who| is_them(who)).for_each(|who| who.revoke());
                inner.keys.retain(|_, key| !is_them(&key.principal));
                inner.tokens.retain(|_, token| !is_them(&token.principal));
                inner.people.retain(|_, who| !is_them(who));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(user: &str, bound: Bound) -> Principal {
        Principal::new(TenantId::new("t").unwrap(), UserId::new(user).unwrap(), None, bound, Role::Member)
    }

    fn key(user: &str) -> KnownKey {
        KnownKey::new(Fingerprint::of(user), None, Arc::new(principal(user, Bound::AtMost(Role::Admin))), None)
    }

    fn member(principals: &Principals, user: &str, role: Option<Role>) {
        principals.member_changed(&TenantId::new("t").unwrap(), &UserId::new(user).unwrap(), role);
    }

    #[test]
    fn a_change_of_role_reaches_open_connections_as_far_as_their_key_goes() {
        let principals = Principals::default();
        let known = principals.remember_key(0, "k", key("u")).unwrap();
        let mut open = known.principal.signed_in(None);
        assert_eq!(open.identity.role, Role::Member);
        member(&principals, "u", Some(Role::Owner));
        assert!(open.standing.has_changed().unwrap());
        assert_eq!(*open.standing.borrow_and_update(), Standing::Changed(Role::Admin));
        assert_eq!(known.principal.signed_in(None).identity.role, Role::Admin);
        member(&principals, "other", Some(Role::Viewer));
        assert!(!open.standing.has_changed().unwrap());
        member(&principals, "u", None);
        assert_eq!(*open.standing.borrow(), Standing::Revoked);
        assert!(principals.key("k").is_none());
    }

    #[test]
    fn rights_read_before_a_change_are_not_remembered_after_it() {
        let principals = Principals::default();
        let seen = principals.changes();
        member(&principals, "u", Some(Role::Viewer));
        assert!(principals.remember_key(seen, "k", key("u")).is_err());
        let token = Fingerprint::of("t");
        assert!(principals.remember_token(seen, token, principal("u", Bound::Free), 10, 0).is_err());
        assert!(principals.remember_token(principals.changes(), token, principal("u", Bound::Free), 10, 0).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_connected_keys_stay() {
        let principals = Principals::default();
        let open = principals.remember_key(0, "open", key("u")).unwrap().principal.signed_in(None);
        for n in 0..MOST_REMEMBERED as u64 + 5 {
            principals.remember_key(0, &n.to_string(), key("u")).unwrap();
            let token = Fingerprint::of(&n.to_string());
            let who = principal(&n.to_string(), Bound::Free);
            principals.remember_token(0, token, who, Millis::MAX, 0).unwrap();
        }
        let inner = principals.inner();
        assert!(inner.keys.len() <= MOST_REMEMBERED && inner.keys.contains_key("open"));
        assert!(inner.tokens.len() <= MOST_REMEMBERED);
        assert!(inner.people.len() <= MOST_REMEMBERED);
        drop(inner);
        principals.key_revoked("open");
        assert_eq!(*open.standing.borrow(), Standing::Revoked);
    }

    #[test]
    fn a_token_is_believed_for_some_minutes_and_never_beyond_its_end() {
        let principals = Principals::default();
        let remember = |text: &str, ends| {
            let token = Fingerprint::of(text);
            principals.remember_token(0, token, principal("u", Bound::Free), ends, 0).unwrap();
            token
        };
        let (long, short) = (remember("long", Millis::MAX), remember("short", 10));
        assert!(principals.token(short, 9).is_some() && principals.token(short, 10).is_none());
        assert!(principals.token(long, TOKEN_MS - 1).is_some() && principals.token(long, TOKEN_MS).is_none());
    }

    #[test]
    fn uses_of_a_key_are_news_once_in_a_while() {
        let key = key("u");
        assert!(key.is_news(60_000, 60_000));
        assert!(!key.is_news(60_001, 60_000) && !key.is_news(119_999, 60_000));
        assert!(key.is_news(120_000, 60_000));
    }
}
