//! What tenants have left to spend: counted in memory while their sessions are live, so that no decision asks the store.
//!
//! The truth is a tally in the store, written in the same Work as the events that report the cost. Here it runs ahead: a
//! report counts from the moment it is decided, so that of two sessions that spend the last cent at once one is told.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rejoin_core::event::{Event, Logged};
use rejoin_core::id::{SessionId, TenantId};
use rejoin_core::position::Millis;
use rejoin_ports::store::{Owner, Record, Store, StoreError, Tally, tallied};
use serde::{Deserialize, Serialize};

/// The records: kind and key, one of each for a tenant.
pub(crate) const BUDGET: (&str, &str) = ("budget", "tenant");
pub(crate) const SPENT: (&str, &str) = ("spent", "tenant");
/// How many sessions of a tenant are remembered whose prompts wait for money; beyond that their first touch does it.
const MOST_WAITING: usize = 4_096;

/// A budget as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Allowance {
    pub(crate) limit: u64,
    /// What the tally was when it was set.
    pub(crate) before: u64,
    pub(crate) since: Millis,
}

/// The purses of tenants with live sessions, or with sessions that wait for money.
#[derive(Default)]
pub(crate) struct Purses {
    known: Mutex<HashMap<TenantId, Known>>,
}

struct Known {
    purse: Arc<Purse>,
    /// Owners that have it.
    users: usize,
}

impl Known {
    fn is_idle(&self) -> bool {
        let state = self.purse.state.lock().expect("never poisoned");
        self.users == 0 && !state.wary && state.waiting.is_empty()
    }
}

pub(crate) struct Purse {
    tenant: TenantId,
    /// Asked at every decision, so it must cost nothing.
    empty: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All that was ever reported, what is not committed yet included.
    spent: u64,
    allowance: Option<Allowance>,
    /// The version of the budget's record.
    version: u64,
    loaded: bool,
    /// An owner left without knowing whether its last report was kept. From then on every owner that begins looks at the
    /// store: the session in doubt has been taken over by then, so that what was on its way has come or never will.
    wary: bool,
    waiting: HashSet<SessionId>,
}

impl Purses {
    /// The purse of a tenant, kept until [`Purses::leave`].
    pub(crate) async fn load(&self, store: &dyn Store, tenant: &TenantId) -> Result<Arc<Purse>, StoreError> {
        let purse = {
            let mut all = self.known.lock().expect("never poisoned");
            let known = all.entry(tenant.clone()).or_insert_with(|| Known {
                purse: Arc::new(Purse {
                    tenant: tenant.clone(),
                    empty: AtomicBool::new(false),
                    state: Mutex::default(),
                }),
                users: 0,
            });
            known.users += 1;
            known.purse.clone()
        };
        if let Err(error) = purse.load(store).await {
            self.leave(&purse);
            return Err(error);
        }
        Ok(purse)
    }

    /// One owner less needs it.
    pub(crate) fn leave(&self, purse: &Purse) {
        let mut all = self.known.lock().expect("never poisoned");
        if let Some(known) = all.get_mut(&purse.tenant) {
            known.users = known.users.saturating_sub(1);
            if known.is_idle() {
                all.remove(&purse.tenant);
            }
        }
    }

    /// Takes in a budget that was kept. Gives the sessions that may go on.
    pub(crate) fn allow(&self, tenant: &TenantId, version: u64, allowance: Option<Allowance>) -> Vec<SessionId> {
        let mut all = self.known.lock().expect("never poisoned");
        let Some(known) = all.get(tenant) else {
            return Vec::new(); // whoever needs it reads it
        };
        let freed = known.purse.change(|state| state.take(version, allowance));
        if known.is_idle() {
            all.remove(tenant);
        }
        freed
    }
}

impl Purse {
    pub(crate) fn is_empty(&self) -> bool {
        self.empty.load(Ordering::Acquire)
    }

    /// Counts what was reported, committed or not.
    pub(crate) fn spend(&self, cost: u64) {
        if cost > 0 {
            self.change(|state| state.spent = state.spent.saturating_add(cost));
        }
    }

    /// An owner left with this much of what it counted not committed, as far as it knows. Gives the sessions that may go on.
    pub(crate) fn give_back(&self, cost: u64) -> Vec<SessionId> {
        self.change(|state| {
            state.spent = state.spent.saturating_sub(cost);
            state.wary = true;
        })
    }

    /// The store's own count. Ours is never behind it but for reports that were given back and kept all the same.
    pub(crate) fn counted(&self, total: u64) {
        self.change(|state| state.spent = state.spent.max(total));
    }

    /// Remembers a session whose prompts wait for money. `false`: there is some, so it need not wait.
    pub(crate) fn wait(&self, session: &SessionId) -> bool {
        let mut state = self.state.lock().expect("never poisoned");
        let empty = state.is_empty();
        if empty && state.waiting.len() < MOST_WAITING {
            state.waiting.insert(session.clone());
        }
        empty
    }

    async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let known = {
            let state = self.state.lock().expect("never poisoned");
            state.loaded && !state.wary
        };
        if known {
            return Ok(());
        }
        let (spent, budget) = futures_util::try_join!(record(store, &self.tenant, SPENT), async {
            read_allowance(record(store, &self.tenant, BUDGET).await?)
        })?;
        self.change(|state| {
            state.spent = state.spent.max(tallied(spent.and_then(|spent| spent.value).as_deref()));
            state.take(budget.0, budget.1);
            state.loaded = true;
        });
        Ok(())
    }

    /// Changes what is known, and gives the sessions that may go on because of it.
    fn change(&self, change: impl FnOnce(&mut State)) -> Vec<SessionId> {
        let mut state = self.state.lock().expect("never poisoned");
        change(&mut state);
        let empty = state.is_empty();
        self.empty.store(empty, Ordering::Release);
        if empty { Vec::new() } else { state.waiting.drain().collect() }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.allowance.is_some_and(|allowance| self.spent.saturating_sub(allowance.before) >= allowance.limit)
    }

    /// What is read and what is written may cross; the newer one counts.
    fn take(&mut self, version: u64, allowance: Option<Allowance>) {
        if version > self.version {
            (self.version, self.allowance) = (version, allowance);
        }
    }
}

pub(crate) async fn record(
    store: &dyn Store,
    tenant: &TenantId,
    (kind, key): (&str, &str),
) -> Result<Option<Record>, StoreError> {
    store.record(&Owner::Tenant(tenant.clone()), kind, key).await
}

/// A budget's version and value.
pub(crate) fn read_allowance(record: Option<Record>) -> Result<(u64, Option<Allowance>), StoreError> {
    let Some(record) = record else { return Ok((0, None)) };
    let read = |bytes: &[u8]| {
        serde_json::from_slice(bytes)
            .map_err(|error| StoreError::Corrupt { doing: "reading a budget", why: error.to_string() })
    };
    Ok((record.version, record.value.as_deref().map(read).transpose()?))
}

/// What events report as spent.
pub(crate) fn cost(events: &[Logged]) -> u64 {
    let costs = events.iter().filter_map(|logged| match &logged.event {
        Event::UsageReported { usage, .. } => usage.cost_micros,
        _ => None,
    });
    costs.fold(0, u64::saturating_add)
}

/// Counts a cost in the store.
pub(crate) fn tally(tenant: &TenantId, by: u64, at: Millis) -> Option<Tally> {
    let owner = Owner::Tenant(tenant.clone());
    (by > 0).then(|| Tally { owner, kind: SPENT.0.to_owned(), key: SPENT.1.to_owned(), by, at })
}
