//! Budgets of tenants, as doors ask for them.

use async_trait::async_trait;
use rejoin_core::id::{SessionId, TenantId};
use rejoin_core::position::Seq;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Kind, Verb};
use rejoin_ports::gateway::{Budget, Budgets, Caller, Failure};
use rejoin_ports::store::{Expect, Owner, RecordWrite, Work, tallied};

use crate::engine::Engine;
use crate::purses::{Allowance, BUDGET, SPENT, read_allowance, record};

/// How many sessions that waited for money are woken at once.
const WOKEN_AT_ONCE: usize = 64;

#[async_trait]
impl Budgets for Engine {
    async fn get(&self, caller: &Caller) -> Result<Option<Budget>, Failure> {
        let tenant = may(caller, Verb::Read)?;
        let (_, allowance) = read_allowance(record(&*self.inner.store, tenant, BUDGET).await?)?;
        let Some(Allowance { limit, before, since }) = allowance else { return Ok(None) };
        let spent_micros = self.spent(tenant).await?.saturating_sub(before);
        Ok(Some(Budget { limit_micros: limit, spent_micros, since }))
    }

    async fn set(&self, caller: &Caller, limit_micros: u64) -> Result<Budget, Failure> {
        let tenant = may(caller, Verb::Write)?;
        if Seq::new(limit_micros.max(1)).is_none() {
            let why = "it is more than 2^53 - 1, which not every client could read".into();
            return Err(Failure::Invalid { field: "limitMicros", why });
        }
        let since = self.inner.clock.now();
        // What is committed between this and the write was reported after `since`, and counts.
        let before = self.spent(tenant).await?;
        self.allow(tenant, Some(Allowance { limit: limit_micros, before, since })).await?;
        Ok(Budget { limit_micros, spent_micros: 0, since })
    }

    async fn clear(&self, caller: &Caller) -> Result<(), Failure> {
        let tenant = may(caller, Verb::Delete)?;
        match read_allowance(record(&*self.inner.store, tenant, BUDGET).await?)? {
            (_, None) => Ok(()),
            (_, Some(_)) => self.allow(tenant, None).await,
        }
    }
}

impl Engine {
    async fn spent(&self, tenant: &TenantId) -> Result<u64, Failure> {
        let record = record(&*self.inner.store, tenant, SPENT).await?;
        Ok(tallied(record.and_then(|record| record.value).as_deref()))
    }

    async fn allow(&self, tenant: &TenantId, allowance: Option<Allowance>) -> Result<(), Failure> {
        let value = allowance.map(|value| serde_json::to_vec(&value).expect("a budget is plain data").into());
        let write = RecordWrite {
            owner: Owner::Tenant(tenant.clone()),
            kind: BUDGET.0.to_owned(),
            key: BUDGET.1.to_owned(),
            expect: Expect::Anything,
            value,
            at: self.inner.clock.now(),
        };
        let committed = self.inner.store.commit(Work { records: vec![write], ..Work::default() }).await?;
        let version = committed.versions.first().copied().unwrap_or_default();
        let freed = self.inner.purses.allow(tenant, version, allowance);
        self.wake_all(freed);
        Ok(())
    }

    /// Lets sessions look again at what they have to do; nobody waits for it.
    fn wake_all(&self, sessions: Vec<SessionId>) {
        if sessions.is_empty() {
            return;
        }
        let inner = self.inner.clone();
        self.inner.tasks.spawn(async move {
            for some in sessions.chunks(WOKEN_AT_ONCE) {
                futures_util::future::join_all(some.iter().map(|session| inner.wake(session))).await;
            }
        });
    }
}

fn may(caller: &Caller, verb: Verb) -> Result<&TenantId, Failure> {
    match caller.identity.role.may(verb, Kind::Billing) {
        true => Ok(&caller.identity.tenant),
        false => Err(Refusal::Forbidden.into()),
    }
}
