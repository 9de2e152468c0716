//! What agents remember of their sessions: a record for each.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::header::Header;
use rejoin_ports::agent::{AgentMemory, LONGEST_MEMORY, MEMORY_KIND};
use rejoin_ports::clock::Clock;
use rejoin_ports::store::{CommitError, Expect, Owner, RecordWrite, Store, StoreError, Work};

pub(super) struct Memory {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: Owner,
    key: String,
}

impl Memory {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, header: &Header) -> Memory {
        Memory { store, clock, owner: Owner::Tenant(header.tenant.clone()), key: header.id.as_str().to_owned() }
    }
}

#[async_trait]
impl AgentMemory for Memory {
    async fn recall(&self) -> Result<Option<String>, StoreError> {
        let kept = self.store.record(&self.owner, MEMORY_KIND, &self.key).await?;
        Ok(kept.and_then(|record| record.value).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()))
    }

    async fn remember(&self, text: String) -> Result<(), StoreError> {
        let failed = |why: String| StoreError::Io { doing: "keeping what an agent remembers", why };
        if text.len() > LONGEST_MEMORY {
            return Err(failed(format!("it is longer than {LONGEST_MEMORY} bytes")));
        }
        let write = RecordWrite {
            owner: self.owner.clone(),
            kind: MEMORY_KIND.to_owned(),
            key: self.key.clone(),
            expect: Expect::Anything,
            value: Some(Bytes::from(text)),
            at: self.clock.now(),
        };
        match self.store.commit(Work { records: vec![write], ..Work::default() }).await {
            Ok(_) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
            Err(other) => Err(failed(other.to_string())),
        }
    }
}
