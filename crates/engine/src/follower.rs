//! Followers: for each session that somebody reads, its fold and a bounded ring of what was committed last.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use rejoin_core::event::Event;
use rejoin_core::header::Header;
use rejoin_core::id::SessionId;
use rejoin_core::position::{Seq, Tip};
use rejoin_core::session::{FOLD_VERSION, Session};
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Append, Owner as FeedOwner, PAGE_BYTES, Store, StoreError};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;

/// What a ring keeps of recent batches: enough for readers that are a moment behind, and little enough for many sessions.
const RING_BYTES: usize = 2 << 20;
const RING_BATCHES: usize = 256;
/// What all rings may keep together, and what each may keep when that is used up: then readers read the log sooner.
const ALL_RINGS_BYTES: usize = 256 << 20;
const SMALL_RING_BYTES: usize = 64 << 10;
/// Pages kept for readers behind the ring, per session.
const KEPT_PAGES: usize = 8;
/// How many folds are kept for whoever comes next.
const KEPT_FOLDS: usize = 256;
/// How many owners' feeds are watched at once; one that nobody watches is forgotten when there are more.
const WATCHED_FEEDS: usize = 10_000;

pub(crate) struct Followers {
    store: Arc<dyn Store>,
    live: Registry<Weak<Follower>>,
    recent: Mutex<VecDeque<Arc<Follower>>>,
    feeds: Mutex<HashMap<FeedOwner, watch::Sender<u64>>>,
    readers: AtomicU64,
    /// What all rings keep.
    ring_bytes: AtomicUsize,
    pub(crate) stopped: CancellationToken,
}

/// One followed session.
pub(crate) struct Follower {
    pub(crate) id: SessionId,
    state: Mutex<State>,
    tip: watch::Sender<u64>,
    loaded: OnceCell<()>,
    followers: Weak<Followers>,
    /// Readers of this session.
    pub(crate) readers: AtomicU64,
    /// Pages of the log that readers behind the ring asked for last, by what they had heard: a crowd reads each page once.
    pages: Mutex<VecDeque<(u64, Arc<Batch>)>>,
}

pub(crate) struct State {
    /// The fold of everything up to `folded`. Absent until it is loaded.
    fold: Option<Arc<Session>>,
    folded: u64,
    pub(crate) ring: VecDeque<Arc<Batch>>,
    ring_weight: usize,
    /// The ring has everything behind this number.
    pub(crate) floor: u64,
    pub(crate) tip: u64,
    pub(crate) lifted: Tip,
    pub(crate) deleted: bool,
}

impl Followers {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Followers> {
        Arc::new(Followers {
            store,
            live: Registry::new(),
            recent: Mutex::default(),
            feeds: Mutex::default(),
            readers: AtomicU64::new(0),
            ring_bytes: AtomicUsize::new(0),
            stopped: CancellationToken::new(),
        })
    }

    /// The follower of a session, loaded. `None`: there is no such session.
    ///
    /// `warm` is what its last owner may have left, so that its log need not be read.
    pub(crate) async fn of(
        self: &Arc<Self>,
        id: &SessionId,
        warm: impl FnOnce() -> Option<Session>,
    ) -> Result<Option<Arc<Follower>>, Failure> {
        let follower = {
            let mut shard = self.live.shard(id);
            match shard.get(id).and_then(Weak::upgrade) {
                Some(follower) => follower,
                None => {
                    let follower = Arc::new(Follower::new(id.clone(), Arc::downgrade(self)));
                    shard.insert(id.clone(), Arc::downgrade(&follower));
                    follower
                }
            }
        };
        // From here on every commit is in its ring, so nothing is missed between loading and reading.
        let loading = follower.loaded.get_or_try_init(|| follower.load(&*self.store, warm)).await;
        match loading {
            Ok(()) => {}
            Err(Missing::Gone) => return Ok(None),
            Err(Missing::Failed(failure)) => return Err(failure),
        }
        self.keep(&follower);
        Ok(Some(follower))
    }

    /// The follower of a session, if there is one.
    pub(crate) fn loaded(&self, id: &SessionId) -> Option<Arc<Follower>> {
        let follower = self.live.shard(id).get(id).and_then(Weak::upgrade);
        let follower = follower.filter(|follower| follower.loaded.initialized())?;
        self.keep(&follower);
        Some(follower)
    }

    fn keep(&self, follower: &Arc<Follower>) {
        let mut recent = self.recent.lock().expect("never poisoned");
        match recent.iter().position(|kept| Arc::ptr_eq(kept, follower)) {
            Some(0) => return,
            Some(at) => drop(recent.remove(at)),
            None => {}
        }
        recent.push_front(follower.clone());
        let dropped = if recent.len() > KEPT_FOLDS { recent.pop_back() } else { None };
        drop(recent);
        drop(dropped); // it leaves the registry, which takes a lock of its own
    }

    /// Called by the store for every commit, before the committer hears of it.
    pub(crate) fn publish(&self, append: &Append) {
        let follower = self.live.shard(&append.session).get(&append.session).and_then(Weak::upgrade);
        if let Some(follower) = follower {
            follower.publish(&append.batch);
        }
    }

    pub(crate) fn fed(&self, owner: &FeedOwner, seq: u64) {
        if let Some(feed) = self.feeds.lock().expect("never poisoned").get(owner) {
            feed.send_replace(seq);
        }
    }

    /// The newest number of a feed, if it has grown since somebody watches it.
    pub(crate) fn fed_to(&self, owner: &FeedOwner) -> Option<u64> {
        let newest = *self.feeds.lock().expect("never poisoned").get(owner)?.borrow();
        (newest > 0).then_some(newest)
    }

    /// Tells when an owner's feed grows.
    pub(crate) fn watch_feed(&self, owner: FeedOwner) -> watch::Receiver<u64> {
        let mut feeds = self.feeds.lock().expect("never poisoned");
        if feeds.len() >= WATCHED_FEEDS {
            feeds.retain(|_, feed| feed.receiver_count() > 0);
        }
        feeds.entry(owner).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Forgets a deleted session.
    pub(crate) fn forget(&self, id: &SessionId) {
        let mut recent = self.recent.lock().expect("never poisoned");
        let at = recent.iter().position(|kept| kept.id == *id);
        let dropped = at.and_then(|at| recent.remove(at));
        drop(recent);
        drop(dropped);
        // Whoever still reads it keeps it; a session that has its name later is followed by another.
        let known = self.live.shard(id).get(id).and_then(Weak::upgrade);
        if let Some(gone) = known.filter(|known| known.state().deleted) {
            let mut shard = self.live.shard(id);
            if shard.get(id).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(&gone))) {
                shard.remove(id);
            }
        }
    }

    /// Everybody reads to the tip, and then hears that we stop.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }
    pub(crate) fn readers(&self) -> u64 {
        self.readers.load(Ordering::Relaxed)
    }
    pub(crate) fn reader_came(&self, follower: &Follower) {
        self.readers.fetch_add(1, Ordering::Relaxed);
        follower.readers.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn reader_left(&self, follower: &Follower) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
        if follower.readers.fetch_sub(1, Ordering::Relaxed) == 1 {
            follower.pages.lock().expect("never poisoned").clear();
        }
    }
    /// Whether anybody is attached to this session.
    pub(crate) fn is_read(&self, id: &SessionId) -> bool {
        let follower = self.live.shard(id).get(id).and_then(Weak::upgrade);
        follower.is_some_and(|follower| follower.readers.load(Ordering::Relaxed) > 0)
    }
}

enum Missing {
    Gone,
    Failed(Failure),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Missing {
        Missing::Failed(error.into())
    }
}

impl Follower {
    fn new(id: SessionId, followers: Weak<Followers>) -> Follower {
        let state = State {
            fold: None,
            folded: 0,
            ring: VecDeque::new(),
            ring_weight: 0,
            floor: 0,
            tip: 0,
            lifted: None,
            deleted: false,
        };
        Follower {
            id,
            state: Mutex::new(state),
            tip: watch::Sender::new(0),
            loaded: OnceCell::new(),
            followers,
            readers: AtomicU64::new(0),
            pages: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("folding does not panic")
    }

    /// A page that somebody read before, for a reader that has heard exactly as much as that one had.
    pub(crate) fn page(&self, after: u64) -> Option<Arc<Batch>> {
        let pages = self.pages.lock().expect("never poisoned");
        pages.iter().rev().find(|(heard, _)| *heard == after).map(|(_, page)| page.clone())
    }

    pub(crate) fn keep_page(&self, after: u64, page: Arc<Batch>) {
        let mut pages = self.pages.lock().expect("never poisoned");
        pages.push_back((after, page));
        if pages.len() > KEPT_PAGES {
            pages.pop_front();
        }
    }

    pub(crate) fn tip(&self) -> watch::Receiver<u64> {
        self.tip.subscribe()
    }

    async fn load(&self, store: &dyn Store, warm: impl FnOnce() -> Option<Session>) -> Result<(), Missing> {
        let stored = store.stored(&self.id).await?.ok_or(Missing::Gone)?;
        let Loaded { session, deleted, .. } = match warm().filter(|session| session.tip == stored.row.tip) {
            Some(session) => Loaded { session, snapshot_at: 0, deleted: false },
            None => load(store, &self.id).await.map_err(Missing::Failed)?,
        };
        let folded = session.tip.map_or(0, Seq::get);
        let mut state = self.state();
        state.fold = Some(Arc::new(session));
        state.folded = folded;
        state.lifted = stored.lifted;
        state.deleted |= deleted;
        // What was published meanwhile and is in the fold already is not needed again.
        while state.ring.front().is_some_and(|batch| batch.last().map_or(0, Seq::get) <= folded) {
            let batch = state.ring.pop_front().expect("just seen");
            state.ring_weight -= batch.weight();
            if let Some(followers) = self.followers.upgrade() {
                followers.ring_bytes.fetch_sub(batch.weight(), Ordering::Relaxed);
            }
        }
        state.floor =
            state.ring.front().and_then(|batch| batch.first()).map_or(folded, |first| first.get() - 1).min(folded);
        state.tip = state.tip.max(folded);
        let tip = state.tip;
        drop(state);
        self.tip.send_replace(tip);
        Ok(())
    }

    fn publish(&self, batch: &Arc<Batch>) {
        let Some(last) = batch.last() else { return };
        let followers = self.followers.upgrade();
        let crowded = followers.as_ref().is_some_and(|all| all.ring_bytes.load(Ordering::Relaxed) > ALL_RINGS_BYTES);
        // Whoever comes when nobody reads begins with the fold, which has it all.
        let unread = self.readers.load(Ordering::Relaxed) == 0;
        let most = if crowded || unread { SMALL_RING_BYTES } else { RING_BYTES };
        let mut state = self.state();
        let before = state.ring_weight;
        state.tip = last.get();
        state.ring_weight += batch.weight();
        state.ring.push_back(batch.clone());
        if let Ok([.., end]) = batch.events()
            && matches!(end.event, Event::SessionDeleted {})
        {
            state.deleted = true;
        }
        while state.ring.len() > 1
            && (state.ring_weight > most || state.ring.len() > RING_BATCHES)
            && state.fold.is_some()
        {
            state.fold_one();
            let oldest = state.ring.pop_front().expect("longer than one");
            state.ring_weight -= oldest.weight();
            state.floor = oldest.last().map_or(state.floor, Seq::get);
        }
        if let Some(followers) = &followers {
            followers.ring_bytes.fetch_add(state.ring_weight, Ordering::Relaxed);
            followers.ring_bytes.fetch_sub(before, Ordering::Relaxed);
        }
        drop(state);
        self.tip.send_replace(last.get());
    }
}

impl State {
    /// Makes sure that the oldest batch of the ring is in the fold.
    fn fold_one(&mut self) {
        let (Some(fold), Some(batch)) = (&mut self.fold, self.ring.front()) else {
            return;
        };
        let fold = Arc::make_mut(fold);
        for logged in batch.events().unwrap_or_default().iter().skip(batch.behind(self.folded)) {
            fold.apply(logged);
        }
        self.folded = self.folded.max(batch.last().map_or(0, Seq::get));
    }

    /// What it is of, unless that was deleted.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.fold.as_ref().map(|fold| &fold.header).filter(|_| !self.deleted)
    }

    /// The batch of the ring with the first event behind this number, if it is there.
    pub(crate) fn fresh(&self, after: u64) -> Option<Arc<Batch>> {
        if self.deleted || after < self.floor {
            return None;
        }
        let at = self.ring.partition_point(|batch| batch.last().map_or(0, Seq::get) <= after);
        self.ring.get(at).cloned()
    }

    /// The fold of everything there is.
    pub(crate) fn fold(&mut self) -> Arc<Session> {
        let shared = self.fold.as_mut().expect("loaded before anybody sees it");
        if self.folded >= self.tip {
            return shared.clone();
        }
        let fold = Arc::make_mut(shared);
        for batch in self.ring.iter().filter(|batch| batch.last().is_some_and(|last| last.get() > self.folded)) {
            for logged in batch.events().unwrap_or_default().iter().skip(batch.behind(self.folded)) {
                fold.apply(logged);
            }
        }
        self.folded = self.tip.max(self.folded);
        shared.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(followers) = self.followers.upgrade() {
            let kept = self.state.get_mut().map_or(0, |state| state.ring_weight);
            followers.ring_bytes.fetch_sub(kept, Ordering::Relaxed);
            let mut shard = followers.live.shard(&self.id);
            // A successor may stand there already.
            if shard.get(&self.id).is_some_and(|known| known.strong_count() == 0) {
                shard.remove(&self.id);
            }
        }
    }
}

/// A session's fold as it was read.
pub(crate) struct Loaded {
    pub(crate) session: Session,
    /// Where the cached fold stood.
    pub(crate) snapshot_at: u64,
    /// The last word of the log: it was about to be removed.
    pub(crate) deleted: bool,
}

/// Reads a session's fold: the cached one, if there is one, and what followed it.
pub(crate) async fn load(store: &dyn Store, id: &SessionId) -> Result<Loaded, Failure> {
    let cached = store.snapshot(id, FOLD_VERSION).await.unwrap_or_default();
    let cached = cached.and_then(|(at, state)| Some((at, serde_json::from_slice::<Session>(&state).ok()?)));
    let mut after = cached.as_ref().map_or(0, |(at, _)| at.get());
    let snapshot_at = after;
    let mut session = cached.map(|(_, session)| session);
    let mut deleted = false;
    loop {
        let page = store.read(id, after, PAGE_BYTES * 4).await?;
        let unreadable = |error: &dyn std::fmt::Display| {
            let doing = "reading a session's log";
            Failure::Store(StoreError::Corrupt { doing, why: error.to_string() })
        };
        for logged in page.batch.events().map_err(|error| unreadable(&error))? {
            match &mut session {
                Some(session) => session.apply(logged),
                None => session = Some(Session::begin(logged).map_err(|error| unreadable(&error))?),
            }
            after = logged.seq.get();
            deleted = matches!(logged.event, Event::SessionDeleted {});
        }
        if !page.more {
            break;
        }
    }
    let session = session.ok_or(Failure::NotFound("session"))?;
    Ok(Loaded { session, snapshot_at, deleted })
}
