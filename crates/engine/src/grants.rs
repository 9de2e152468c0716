//! Grants that hold in a whole workspace: records, kept in memory while their sessions are live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rejoin_core::event::Event;
use rejoin_core::grant::{Grant, Scope};
use rejoin_core::header::Header;
use rejoin_core::id::{GrantId, TenantId, WorkspaceId};
use rejoin_core::position::Millis;
use rejoin_ports::store::{Expect, Owner, RecordWrite, Store, StoreError};

/// The record kind; its key is the workspace's id, a blank, and the grant's.
pub(crate) const KIND: &str = "grant";
/// How many one workspace remembers.
const MOST: usize = 1_000;
type Key = (TenantId, WorkspaceId);

/// The grants of workspaces whose sessions are live.
#[derive(Default)]
pub(crate) struct WorkspaceGrants {
    known: Mutex<HashMap<Key, Known>>,
}

#[derive(Default)]
struct Known {
    grants: Arc<Vec<Grant>>,
    /// Owners that need them; the last one to leave takes them along.
    owners: usize,
    /// Counted up by every change, so that a read that began before it is read again.
    changes: u64,
    loaded: bool,
}

impl WorkspaceGrants {
    /// Reads them, if they are not in memory, and keeps them until [`WorkspaceGrants::release`].
    pub(crate) async fn load(&self, store: &dyn Store, header: &Header) -> Result<(), StoreError> {
        let Some(key) = key(header) else { return Ok(()) };
        loop {
            let seen = {
                let mut known = self.known.lock().expect("never poisoned");
                let entry = known.entry(key.clone()).or_default();
                if entry.loaded {
                    entry.owners += 1;
                    return Ok(());
                }
                entry.changes
            };
            let records = store.records(&Owner::Tenant(key.0.clone()), KIND, &format!("{} ", key.1), "", MOST).await?;
            let grants =
                records.iter().filter_map(|record| serde_json::from_slice(record.value.as_ref()?).ok()).collect();
            let mut known = self.known.lock().expect("never poisoned");
            let entry = known.entry(key.clone()).or_default();
            if entry.changes == seen {
                if !entry.loaded {
                    (entry.grants, entry.loaded) = (Arc::new(grants), true);
                }
                entry.owners += 1;
                return Ok(());
            }
        }
    }

    /// One owner less needs them.
    pub(crate) fn release(&self, header: &Header) {
        let Some(key) = key(header) else { return };
        let mut known = self.known.lock().expect("never poisoned");
        if let Some(entry) = known.get_mut(&key) {
            entry.owners = entry.owners.saturating_sub(1);
            if entry.owners == 0 {
                known.remove(&key);
            }
        }
    }

    pub(crate) fn of(&self, header: &Header) -> Vec<Grant> {
        let Some(key) = key(header) else {
            return Vec::new();
        };
        self.known.lock().expect("never poisoned").get(&key).map(|known| (*known.grants).clone()).unwrap_or_default()
    }

    /// Takes in what was committed.
    pub(crate) fn apply(&self, header: &Header, event: &Event) {
        let Some(key) = key(header) else { return };
        let mut known = self.known.lock().expect("never poisoned");
        let Some(entry) = known.get_mut(&key) else { return };
        if matches!(event, Event::GrantAdded { .. } | Event::GrantRevoked { .. }) {
            entry.changes += 1;
        }
        let grants = Arc::make_mut(&mut entry.grants);
        match event {
            Event::GrantAdded { grant } if grant.scope == Scope::Workspace => grants.push(grant.clone()),
            Event::GrantRevoked { grant } => grants.retain(|held| held.id != *grant),
            _ => {}
        }
    }
}

fn key(header: &Header) -> Option<Key> {
    Some((header.tenant.clone(), header.workspace.clone()?))
}

/// What an event means for the records; it is written in the same Work.
pub(crate) fn writes(header: &Header, held: &[Grant], event: &Event, at: Millis) -> Option<RecordWrite> {
    let (tenant, workspace) = key(header)?;
    let write = |grant: &GrantId, value: Option<Bytes>| RecordWrite {
        owner: Owner::Tenant(tenant.clone()),
        kind: KIND.to_owned(),
        key: format!("{workspace} {grant}"),
        expect: Expect::Anything,
        value,
        at,
    };
    match event {
        Event::GrantAdded { grant } if grant.scope == Scope::Workspace => {
            let value = serde_json::to_vec(grant).expect("a grant is plain data");
            Some(write(&grant.id, Some(value.into())))
        }
        Event::GrantRevoked { grant } if held.iter().any(|known| known.id == *grant) => Some(write(grant, None)),
        _ => None,
    }
}
