//! Named bytes of sessions.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::header::Header;
use rejoin_core::id::SessionId;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Verb};
use rejoin_ports::gateway::{Blobs, Caller, Failure, LARGEST_BLOB, LONGEST_BLOB_NAME};
use rejoin_ports::store::{Naming, Work};

use crate::engine::Engine;

#[async_trait]
impl Blobs for Engine {
    async fn put(&self, caller: &Caller, session: &SessionId, name: &str, bytes: Bytes) -> Result<(), Failure> {
        let header = self.let_write(caller, session).await?;
        if !(1..=LONGEST_BLOB_NAME).contains(&name.len()) || bytes.len() > LARGEST_BLOB {
            return Err(Refusal::TooLong.into());
        }
        let hash = self.inner.store.put_blob(&header.tenant, bytes).await?;
        self.name(session, name, Some(hash)).await
    }

    async fn get(&self, identity: &Identity, session: &SessionId, name: &str) -> Result<Option<Bytes>, Failure> {
        let header = self.let_in(identity, session).await?;
        let Some(hash) = self.inner.store.named(session, name).await? else { return Ok(None) };
        Ok(self.inner.store.blob(&header.tenant, &hash).await?)
    }

    async fn remove(&self, caller: &Caller, session: &SessionId, name: &str) -> Result<bool, Failure> {
        self.let_write(caller, session).await?;
        let was_there = self.inner.store.named(session, name).await?.is_some();
        if was_there {
            self.name(session, name, None).await?;
        }
        Ok(was_there)
    }
}

impl Engine {
    /// A session that the caller may see and change.
    async fn let_write(&self, caller: &Caller, session: &SessionId) -> Result<Arc<Header>, Failure> {
        let header = self.let_in(&caller.identity, session).await?;
        let may = caller.identity.role.may(Verb::Write, Kind::Session);
        if may { Ok(header) } else { Err(Refusal::Forbidden.into()) }
    }

    async fn name(&self, session: &SessionId, name: &str, hash: Option<String>) -> Result<(), Failure> {
        let naming = Naming { session: session.clone(), name: name.to_owned(), hash };
        self.inner.store.commit(Work { blobs: vec![naming], ..Work::default() }).await?;
        Ok(())
    }
}
