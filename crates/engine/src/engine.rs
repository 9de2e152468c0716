//! The engine: what live sessions share, and how it starts and stops.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rejoin_core::id::{Ids, SessionId};
use rejoin_core::position::Millis;
use rejoin_ports::agent::{AgentHost, Workplaces};
use rejoin_ports::clock::Clock;
use rejoin_ports::store::{Append, Owner as FeedOwner, Store, Watcher};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::follower::Followers;
use crate::grants::WorkspaceGrants;
use crate::owner::OwnerHandle;
use crate::purses::Purses;
use crate::registry::Registry;
use crate::sealed::Places;
use crate::sessions::Memory;
use crate::upkeep::Upkeep;

/// How many agents may be starting at once: real ones are processes.
const AGENTS_STARTING: usize = 4;
/// How many readers that fell out of their ring may read log pages at once.
const PAGES_READING: usize = 4;
/// How long a stop waits for the last events to be written, and how long when it is hurried.
const LAST_WRITES: Duration = Duration::from_secs(15);
const HURRIED_WRITES: Duration = Duration::from_secs(2);
/// How many broken sessions wait to be put in order again; beyond that their first touch does it.
pub(crate) const MOST_BROKEN: usize = 4_096;

/// What an engine is made of.
pub struct EngineParts {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub host: Arc<dyn AgentHost>,
    pub workplaces: Arc<dyn Workplaces>,
    /// How long an idle session is kept in memory.
    pub linger: Duration,
}

/// Live sessions over a store.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) host: Arc<dyn AgentHost>,
    pub(crate) workplaces: Arc<dyn Workplaces>,
    pub(crate) linger: Duration,
    pub(crate) owners: Registry<OwnerHandle>,
    pub(crate) followers: Arc<Followers>,
    pub(crate) grants: WorkspaceGrants,
    pub(crate) purses: Purses,
    pub(crate) starting: Arc<Semaphore>,
    pub(crate) paging: Arc<Semaphore>,
    pub(crate) copying: Semaphore,
    pub(crate) tasks: TaskTracker,
    /// No new turns.
    pub(crate) stopping: AtomicBool,
    /// Turns that are under way are cut short now.
    pub(crate) stop: CancellationToken,
    /// Something gained an earlier deadline, or a session broke.
    pub(crate) alarm: Notify,
    pub(crate) next_alarm: AtomicU64,
    pub(crate) broken: Mutex<Vec<SessionId>>,
    pub(crate) turns: watch::Sender<i64>,
    pub(crate) counts: Counts,
    pub(crate) memory: Mutex<Memory>,
    pub(crate) upkeep: Upkeep,
    /// Where sealed messages are.
    pub(crate) places: Places,
}

/// What the engine counts, for the metrics.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) commands: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) agents: AtomicU64,
    pub(crate) ring_misses: AtomicU64,
    pub(crate) restarts: AtomicU64,
}

/// What an engine is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub sessions: usize,
    pub followed: usize,
    pub readers: u64,
    pub agents: u64,
    pub turns: i64,
    pub commands: u64,
    pub refused: u64,
    pub ring_misses: u64,
    pub restarts: u64,
}

impl Engine {
    /// Starts over a store. Answers at once; what another life of the process left is put in order in the background.
    pub fn start(parts: EngineParts) -> Engine {
        let EngineParts { store, clock, host, workplaces, linger } = parts;
        let inner = Arc::new(Inner {
            followers: Followers::new(store.clone()),
            store,
            clock,
            host,
            workplaces,
            linger,
            owners: Registry::new(),
            grants: WorkspaceGrants::default(),
            purses: Purses::default(),
            starting: Arc::new(Semaphore::new(AGENTS_STARTING)),
            paging: Arc::new(Semaphore::new(PAGES_READING)),
            copying: Semaphore::new(1),
            tasks: TaskTracker::new(),
            stopping: AtomicBool::new(false),
            stop: CancellationToken::new(),
            alarm: Notify::new(),
            next_alarm: AtomicU64::new(0),
            broken: Mutex::default(),
            turns: watch::Sender::new(0),
            counts: Counts::default(),
            memory: Mutex::default(),
            upkeep: Upkeep::default(),
            places: Places::default(),
        });
        inner.store.watch(Arc::new(Notices(Arc::downgrade(&inner))));
        inner.tasks.spawn(crate::alarm::run(inner.clone()));
        inner.tasks.spawn(crate::alarm::repair(inner.clone()));
        inner.tasks.spawn(crate::upkeep::run(inner.clone()));
        Engine { inner }
    }

    /// Stops: no new turns at once; turns that still run at the deadline are interrupted; then readers are told.
    ///
    /// `hurry` skips the deadline.
    pub async fn stop(&self, deadline: Duration, hurry: CancellationToken) {
        let inner = &self.inner;
        inner.stopping.store(true, Ordering::SeqCst);
        let mut turns = inner.turns.subscribe();
        tokio::select! {
            _ = turns.wait_for(|running| *running <= 0) => {}
            () = tokio::time::sleep(deadline) => {}
            () = hurry.cancelled() => {}
        }
        inner.stop.cancel();
        inner.tasks.close();
        let slack = async {
            tokio::select! {
                () = tokio::time::sleep(LAST_WRITES) => {}
                () = async {
                    hurry.cancelled().await;
                    tokio::time::sleep(HURRIED_WRITES).await;
                } => {}
            }
        };
        tokio::select! {
            () = inner.tasks.wait() => {}
            // Something hangs that is not ours: a mount, a disk. What was shown is kept already.
            () = slack => tracing::warn!("stopping without waiting for everything"),
        }
        inner.followers.stop();
    }

    /// No new turns from now on: the first step of stopping.
    pub fn refuse_turns(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
    }

    pub fn figures(&self) -> Figures {
        let inner = &self.inner;
        Figures {
            sessions: inner.owners.len(),
            followed: inner.followers.len(),
            readers: inner.followers.readers(),
            agents: inner.counts.agents.load(Ordering::Relaxed),
            turns: *inner.turns.borrow(),
            commands: inner.counts.commands.load(Ordering::Relaxed),
            refused: inner.counts.refused.load(Ordering::Relaxed),
            ring_misses: inner.counts.ring_misses.load(Ordering::Relaxed),
            restarts: inner.counts.restarts.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// A deadline was written; if it is earlier than the one we sleep for, we must know.
    pub(crate) fn wake_by(&self, at: Millis) {
        if at < self.next_alarm.load(Ordering::SeqCst) {
            self.alarm.notify_one();
        }
    }

    /// Whether an agent can go on with a turn of an earlier life.
    pub(crate) fn is_resumable(&self, agent: &str) -> bool {
        self.host.find(agent).is_some_and(|agent| agent.resumable)
    }

    /// Somebody has to look at this session again soon.
    pub(crate) fn mend_later(&self, session: SessionId) {
        let mut broken = self.broken.lock().expect("no holder of this lock panics");
        if broken.len() < MOST_BROKEN && !broken.contains(&session) {
            broken.push(session);
        }
        self.alarm.notify_one();
    }
}

/// Hears of commits on the store's thread, and passes them to followers.
struct Notices(std::sync::Weak<Inner>);

impl Watcher for Notices {
    fn committed(&self, append: &Append) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        inner.followers.publish(append);
        if let Some(at) = append.row.wake_at {
            inner.wake_by(at);
        }
    }
    fn fed(&self, owner: &FeedOwner, seq: u64) {
        if let Some(inner) = self.0.upgrade() {
            inner.followers.fed(owner, seq);
        }
    }
}

/// New ids: in the order of time, so that what is made later sorts later.
pub(crate) struct TimeIds;

impl Ids for TimeIds {
    fn mint(&mut self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}
