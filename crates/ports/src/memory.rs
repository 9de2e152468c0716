//! A store in memory: the rules of [`Store`] in their plainest form, and quick enough for every test.

mod lists;
mod log;
mod rules;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::{digest, rand};
use bytes::Bytes;
use rejoin_core::id::{CommandId, MessageId, SessionId, TenantId, UserId, WorkspaceId};
use rejoin_core::position::{Epoch, Millis, Seq};

use crate::store::{
    BLOB_GRACE_MS, Claim, CommitError, Committed, FEED_KEPT, Fed, FeedEntry, FeedPage, FileVersion, ListFilter,
    LogPage, Owner, Receipt, Record, Store, StoreError, StoreFigures, Stored, Watcher, Work, receipt_name,
};
use log::Log;
pub use rules::is_solid;

/// Keeps everything for as long as the process lives.
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    epoch: Epoch,
    /// Which life of the process this is; rows remember theirs.
    life: u64,
    closed: AtomicBool,
    watcher: Mutex<Option<Arc<dyn Watcher>>>,
    /// Held from a change until it has been heard of, so that the watcher hears in order.
    turn: Mutex<()>,
    commits: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<SessionId, Log>,
    records: BTreeMap<(Owner, String, String), Record>,
    claims: BTreeMap<(&'static str, String), String>,
    feeds: BTreeMap<Owner, Feed>,
    files: BTreeMap<(WorkspaceId, String), Vec<(TenantId, FileVersion)>>,
    blobs: HashMap<(TenantId, String), (Bytes, Millis)>,
    snapshots: HashMap<(SessionId, u32), (Seq, Bytes)>,
}

#[derive(Default)]
struct Feed {
    newest: u64,
    items: std::collections::VecDeque<Fed>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let mut bytes = [0; 8];
        rand::fill(&mut bytes).expect("the system's source of randomness answers");
        // 48 bits, like every store's: short in a position, and never met twice.
        MemoryStore::of(Arc::default(), Epoch(u64::from_be_bytes(bytes) >> 16), 1)
    }
}

impl MemoryStore {
    fn of(state: Arc<Mutex<State>>, epoch: Epoch, life: u64) -> MemoryStore {
        MemoryStore {
            state,
            epoch,
            life,
            closed: AtomicBool::new(false),
            watcher: Mutex::default(),
            turn: Mutex::default(),
            commits: AtomicU64::new(0),
            events: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// What the next process finds: the same truth, seen from another life. This store is closed by it.
    pub fn next_life(&self) -> MemoryStore {
        let _turn = self.turn.lock().expect("no holder of this lock panics");
        self.closed.store(true, Ordering::Release);
        MemoryStore::of(self.state.clone(), self.epoch, self.life + 1)
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        // A few moves, never across an await: a plain mutex will do.
        Ok(self.state.lock().expect("no holder of this lock panics"))
    }

    /// Tells the watcher what was just kept. `fed` is in the order of the entries.
    fn tell(&self, work: &Work, fed: &[u64]) {
        let watcher = self.watcher.lock().expect("a watcher is only put in").clone();
        let Some(watcher) = watcher else { return };
        if let Some(append) = &work.stream {
            watcher.committed(append);
        }
        for (entry, seq) in work.feed.iter().zip(fed) {
            watcher.fed(&entry.owner, *seq);
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        *self.watcher.lock().expect("a watcher is only put in") = Some(watcher);
    }

    async fn commit(&self, work: Work) -> Result<Committed, CommitError> {
        let _turn = self.turn.lock().expect("no holder of this lock panics");
        let (committed, fed) = {
            let mut state = self.state()?;
            state.check(&work)?;
            state.keep(&work, self.life)
        };
        self.commits.fetch_add(1, Ordering::Relaxed);
        if let Some(append) = &work.stream {
            self.events.fetch_add(append.batch.len() as u64, Ordering::Relaxed);
            self.bytes.fetch_add(append.batch.lines().len() as u64, Ordering::Relaxed);
        }
        self.tell(&work, &fed);
        Ok(committed)
    }

    async fn take(&self, session: &SessionId) -> Result<Option<Stored>, StoreError> {
        let mut state = self.state()?;
        Ok(state.sessions.get_mut(session).map(|log| {
            log.term += 1;
            log.stored(self.life)
        }))
    }

    async fn stored(&self, session: &SessionId) -> Result<Option<Stored>, StoreError> {
        let state = self.state()?;
        Ok(state.sessions.get(session).map(|log| log.stored(self.life)))
    }

    async fn read(&self, session: &SessionId, after: u64, most: usize) -> Result<LogPage, StoreError> {
        let state = self.state()?;
        let none = Log::default_page(session, self.epoch);
        Ok(state.sessions.get(session).map_or(none, |log| log.page(self.epoch, after, most)))
    }

    async fn read_back(&self, session: &SessionId, upto: u64) -> Result<LogPage, StoreError> {
        let state = self.state()?;
        let none = Log::default_page(session, self.epoch);
        Ok(state.sessions.get(session).map_or(none, |log| log.page_back(self.epoch, upto)))
    }

    async fn receipt(
        &self,
        session: &SessionId,
        user: &UserId,
        command: &CommandId,
    ) -> Result<Option<Receipt>, StoreError> {
        let state = self.state()?;
        let found =
            state.sessions.get(session).and_then(|log| log.receipts.get(&(user.clone(), command.clone())).cloned());
        Ok(found)
    }

    async fn receipts(&self, session: &SessionId, most: usize) -> Result<Vec<[u8; 16]>, StoreError> {
        let state = self.state()?;
        let known = state.sessions.get(session).into_iter().flat_map(|log| log.receipts.keys());
        Ok(known.map(|(user, command)| receipt_name(user, command)).take(most).collect())
    }

    async fn receipts_named(&self, session: &SessionId, names: &[[u8; 16]]) -> Result<Vec<Option<u64>>, StoreError> {
        let state = self.state()?;
        let known = state.sessions.get(session).into_iter().flat_map(|log| &log.receipts);
        let known: HashMap<[u8; 16], u64> =
            known.map(|((user, command), receipt)| (receipt_name(user, command), receipt.seq)).collect();
        Ok(names.iter().map(|name| known.get(name).copied()).collect())
    }

    async fn place(&self, session: &SessionId, message: &MessageId) -> Result<Option<(Seq, Seq)>, StoreError> {
        let state = self.state()?;
        Ok(state.sessions.get(session).and_then(|log| log.places.get(message).copied()))
    }

    async fn list(&self, filter: ListFilter) -> Result<Vec<Stored>, StoreError> {
        Ok(self.state()?.list(&filter, self.life))
    }

    async fn delete(&self, session: &SessionId, feed: Vec<FeedEntry>) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().expect("no holder of this lock panics");
        let work = Work { feed, ..Work::default() };
        let fed = {
            let mut state = self.state()?;
            if !state.forget(session) {
                return Ok(false);
            }
            state.feed(&work.feed)
        };
        self.tell(&work, &fed);
        Ok(true)
    }

    async fn due(&self, now: Millis, most: usize) -> Result<(Vec<SessionId>, Option<Millis>), StoreError> {
        Ok(self.state()?.due(now, most))
    }

    async fn unsettled(&self, after: Option<&SessionId>, most: usize) -> Result<Vec<SessionId>, StoreError> {
        let state = self.state()?;
        let left = state
            .sessions
            .iter()
            .filter(|(id, log)| Some(*id) > after && log.is_stale(self.life))
            .map(|(id, _)| id.clone());
        Ok(left.take(most).collect())
    }

    async fn record(&self, owner: &Owner, kind: &str, key: &str) -> Result<Option<Record>, StoreError> {
        let state = self.state()?;
        let place = (owner.clone(), kind.to_owned(), key.to_owned());
        Ok(state.records.get(&place).cloned())
    }

    async fn records(
        &self,
        owner: &Owner,
        kind: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let state = self.state()?;
        let from = (owner.clone(), kind.to_owned(), after.max(prefix).to_owned());
        let found = state
            .records
            .range(from..)
            .take_while(|((at, of, key), _)| at == owner && of == kind && key.starts_with(prefix))
            .filter(|((_, _, key), record)| record.value.is_some() && (after.is_empty() || key.as_str() > after))
            .map(|(_, record)| record.clone());
        Ok(found.take(most).collect())
    }

    async fn claimed(&self, space: &'static str, key: &str) -> Result<Option<String>, StoreError> {
        let state = self.state()?;
        Ok(state.claims.get(&(space, key.to_owned())).cloned())
    }

    async fn feed(&self, owner: &Owner, after: u64, most: usize) -> Result<FeedPage, StoreError> {
        let state = self.state()?;
        let Some(feed) = state.feeds.get(owner) else {
            return Ok(FeedPage { items: Vec::new(), oldest: 1, newest: 0 });
        };
        let first = feed.items.partition_point(|fed| fed.seq <= after);
        Ok(FeedPage {
            items: feed.items.iter().skip(first).take(most).cloned().collect(),
            oldest: feed.items.front().map_or(feed.newest + 1, |fed| fed.seq),
            newest: feed.newest,
        })
    }

    async fn file_versions(
        &self,
        workspace: &WorkspaceId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, StoreError> {
        Ok(self.state()?.file_versions(workspace, path, before, most))
    }

    async fn put_blob(&self, tenant: &TenantId, bytes: Bytes) -> Result<String, StoreError> {
        let hash: String =
            digest::digest(&digest::SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as Millis;
        let place = (tenant.clone(), hash.clone());
        self.state()?.blobs.insert(place, (bytes, now));
        Ok(hash)
    }

    async fn blob(&self, tenant: &TenantId, hash: &str) -> Result<Option<Bytes>, StoreError> {
        let state = self.state()?;
        let place = (tenant.clone(), hash.to_owned());
        Ok(state.blobs.get(&place).map(|(bytes, _)| bytes.clone()))
    }

    async fn named(&self, session: &SessionId, name: &str) -> Result<Option<String>, StoreError> {
        let state = self.state()?;
        Ok(state.sessions.get(session).and_then(|log| log.named.get(name).cloned()))
    }

    async fn snapshot(&self, session: &SessionId, fold: u32) -> Result<Option<(Seq, Bytes)>, StoreError> {
        let state = self.state()?;
        Ok(state.snapshots.get(&(session.clone(), fold)).cloned())
    }

    async fn keep_snapshot(&self, session: &SessionId, fold: u32, at: Seq, bytes: Bytes) -> Result<(), StoreError> {
        let mut state = self.state()?;
        if state.sessions.contains_key(session) {
            state.snapshots.insert((session.clone(), fold), (at, bytes));
        }
        Ok(())
    }

    /// Memory fades nothing: a log that was never trimmed is what trimmed ones are measured by.
    async fn trim(&self, _session: &SessionId, _upto: Seq) -> Result<bool, StoreError> {
        drop(self.state()?);
        Ok(false)
    }

    async fn tidy(&self, now: Millis) -> Result<bool, StoreError> {
        let mut state = self.state()?;
        for feed in state.feeds.values_mut() {
            let surplus = feed.items.len().saturating_sub(FEED_KEPT);
            feed.items.drain(..surplus);
        }
        state.sweep(now.saturating_sub(BLOB_GRACE_MS));
        Ok(false)
    }

    async fn backup(&self, _into: &std::path::Path) -> Result<(), StoreError> {
        drop(self.state()?);
        Err(StoreError::Io { doing: "making a backup", why: "what is only in memory has no files to copy".to_owned() })
    }

    async fn close(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().expect("no holder of this lock panics");
        self.closed.store(true, Ordering::Release);
        Ok(())
    }

    fn figures(&self) -> StoreFigures {
        let commits = self.commits.load(Ordering::Relaxed);
        let state = self.state.lock().expect("no holder of this lock panics");
        StoreFigures {
            commits,
            works: commits,
            events: self.events.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            sessions: state.sessions.len() as u64,
            ..StoreFigures::default()
        }
    }
}

impl State {
    /// Gives a claim's holder, if somebody else has it.
    fn held_by_another(&self, claim: &Claim) -> Option<&String> {
        self.claims.get(&(claim.space, claim.key.clone())).filter(|holder| **holder != claim.holder)
    }
}
