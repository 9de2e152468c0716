//! A store that can be told to fail, as disks do.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::id::{CommandId, MessageId, SessionId, TenantId, UserId, WorkspaceId};
use rejoin_core::position::{Epoch, Millis, Seq};
use rejoin_ports::store::*;
use tokio::sync::watch;

/// Passes everything on to another store, until it is told to fail or to hold writes back.
pub struct Faulty {
    inner: Arc<dyn Store>,
    writes_fail: Mutex<Option<StoreError>>,
    reads_fail: Mutex<Option<StoreError>>,
    held: watch::Sender<bool>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Store>) -> Faulty {
        Faulty { inner, writes_fail: Mutex::default(), reads_fail: Mutex::default(), held: watch::Sender::new(false) }
    }
    /// Every commit fails with this, until `None` is given.
    pub fn fail_writes(&self, error: Option<StoreError>) {
        *self.writes_fail.lock().expect("never poisoned") = error;
    }
    pub fn fail_reads(&self, error: Option<StoreError>) {
        *self.reads_fail.lock().expect("never poisoned") = error;
    }
    /// Commits wait, as on a slow disk, until they are let go.
    pub fn hold_writes(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    fn trouble(&self, write: bool) -> Result<(), StoreError> {
        let trouble = if write { &self.writes_fail } else { &self.reads_fail };
        trouble.lock().expect("never poisoned").clone().map_or(Ok(()), Err)
    }
    async fn slow(&self) {
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| !held).await; // the sender is ours
    }
}

#[async_trait]
impl Store for Faulty {
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.inner.watch(watcher)
    }

    async fn commit(&self, work: Work) -> Result<Committed, CommitError> {
        self.trouble(true)?;
        self.slow().await;
        self.inner.commit(work).await
    }

    async fn take(&self, session: &SessionId) -> Result<Option<Stored>, StoreError> {
        self.trouble(false)?;
        self.inner.take(session).await
    }

    async fn stored(&self, session: &SessionId) -> Result<Option<Stored>, StoreError> {
        self.trouble(false)?;
        self.inner.stored(session).await
    }

    async fn read(&self, session: &SessionId, after: u64, most: usize) -> Result<LogPage, StoreError> {
        self.trouble(false)?;
        self.inner.read(session, after, most).await
    }

    async fn read_back(&self, session: &SessionId, upto: u64) -> Result<LogPage, StoreError> {
        self.trouble(false)?;
        self.inner.read_back(session, upto).await
    }

    async fn receipt(
        &self,
        session: &SessionId,
        user: &UserId,
        command: &CommandId,
    ) -> Result<Option<Receipt>, StoreError> {
        self.trouble(false)?;
        self.inner.receipt(session, user, command).await
    }

    async fn receipts(&self, session: &SessionId, most: usize) -> Result<Vec<[u8; 16]>, StoreError> {
        self.trouble(false)?;
        self.inner.receipts(session, most).await
    }

    async fn receipts_named(&self, session: &SessionId, names: &[[u8; 16]]) -> Result<Vec<Option<u64>>, StoreError> {
        self.trouble(false)?;
        self.inner.receipts_named(session, names).await
    }

    async fn place(&self, session: &SessionId, message: &MessageId) -> Result<Option<(Seq, Seq)>, StoreError> {
        self.trouble(false)?;
        self.inner.place(session, message).await
    }

    async fn list(&self, filter: ListFilter) -> Result<Vec<Stored>, StoreError> {
        self.trouble(false)?;
        self.inner.list(filter).await
    }

    async fn delete(&self, session: &SessionId, feed: Vec<FeedEntry>) -> Result<bool, StoreError> {
        self.trouble(false)?;
        self.inner.delete(session, feed).await
    }

    async fn due(&self, now: Millis, most: usize) -> Result<(Vec<SessionId>, Option<Millis>), StoreError> {
        self.trouble(false)?;
        self.inner.due(now, most).await
    }

    async fn unsettled(&self, after: Option<&SessionId>, most: usize) -> Result<Vec<SessionId>, StoreError> {
        self.trouble(false)?;
        self.inner.unsettled(after, most).await
    }

    async fn record(&self, owner: &Owner, kind: &str, key: &str) -> Result<Option<Record>, StoreError> {
        self.trouble(false)?;
        self.inner.record(owner, kind, key).await
    }

    async fn records(
        &self,
        owner: &Owner,
        kind: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.trouble(false)?;
        self.inner.records(owner, kind, prefix, after, most).await
    }

    async fn claimed(&self, space: &'static str, key: &str) -> Result<Option<String>, StoreError> {
        self.trouble(false)?;
        self.inner.claimed(space, key).await
    }

    async fn feed(&self, owner: &Owner, after: u64, most: usize) -> Result<FeedPage, StoreError> {
        self.trouble(false)?;
        self.inner.feed(owner, after, most).await
    }

    async fn file_versions(
        &self,
        workspace: &WorkspaceId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, StoreError> {
        self.trouble(false)?;
        self.inner.file_versions(workspace, path, before, most).await
    }

    async fn put_blob(&self, tenant: &TenantId, bytes: Bytes) -> Result<String, StoreError> {
        self.trouble(false)?;
        self.inner.put_blob(tenant, bytes).await
    }

    async fn blob(&self, tenant: &TenantId, hash: &str) -> Result<Option<Bytes>, StoreError> {
        self.trouble(false)?;
        self.inner.blob(tenant, hash).await
    }

    async fn named(&self, session: &SessionId, name: &str) -> Result<Option<String>, StoreError> {
        self.trouble(false)?;
        self.inner.named(session, name).await
    }

    async fn snapshot(&self, session: &SessionId, fold: u32) -> Result<Option<(Seq, Bytes)>, StoreError> {
        self.trouble(false)?;
        self.inner.snapshot(session, fold).await
    }

    async fn keep_snapshot(&self, session: &SessionId, fold: u32, at: Seq, state: Bytes) -> Result<(), StoreError> {
        self.trouble(false)?;
        self.inner.keep_snapshot(session, fold, at, state).await
    }

    async fn trim(&self, session: &SessionId, upto: Seq) -> Result<bool, StoreError> {
        self.trouble(false)?;
        self.inner.trim(session, upto).await
    }

    async fn tidy(&self, now: Millis) -> Result<bool, StoreError> {
        self.trouble(false)?;
        self.inner.tidy(now).await
    }

    async fn backup(&self, into: &std::path::Path) -> Result<(), StoreError> {
        self.trouble(false)?;
        self.inner.backup(into).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.trouble(false)?;
        self.inner.close().await
    }

    fn figures(&self) -> StoreFigures {
        self.inner.figures()
    }
}
