//! A gateway in memory: the real rules, one log per session, and no agents. Tests append what an agent would say, hold
//! commands back, and take positions, keys and sessions away.

mod beside;
mod follow;
mod integrations;
mod sessions;
mod terminals;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use rejoin_core::event::{Event, Logged};
use rejoin_core::id::{CommandId, CountedIds, SessionId, TenantId, UserId};
use rejoin_core::position::{Epoch, Millis, Position, Seq};
use rejoin_core::session::Session;
use rejoin_core::who::{Author, Identity, Role};
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Failure, FeedLine, Gateway, Ran, View};
use rejoin_ports::sign_in::{Carrier, NotSignedIn, SignIn, SignedIn, Standing};
use tokio::sync::watch;

pub(super) const EPOCH: Epoch = Epoch(0xe1);
pub(super) const NOW: Millis = 1_700_000_000_000;

/// What the fake knows. One lock: it is a test.
#[derive(Default)]
pub(super) struct State {
    pub(super) sessions: HashMap<SessionId, Kept>,
    pub(super) order: Vec<SessionId>,
    pub(super) feed: Vec<FeedLine>,
    pub(super) newest_fed: u64,
    pub(super) feed_reads: u64,
    pub(super) files: BTreeMap<String, Vec<Vec<u8>>>,
    pub(super) workspaces: Vec<rejoin_ports::gateway::Workspace>,
    pub(super) carriers: HashMap<String, Entry>,
    pub(super) terminals: Vec<terminals::Kept>,
    pub(super) budget: Option<rejoin_ports::gateway::Budget>,
    pub(super) link: rejoin_ports::integrations::Link,
    pub(super) shares: Vec<rejoin_ports::integrations::Share>,
    /// The next command, or read, fails like this.
    pub(super) failing: Option<Failure>,
    pub(super) ids: CountedIds,
    pub(super) signed_in: Vec<Carrier>,
    /// What every command came with.
    pub(super) callers: Vec<rejoin_ports::gateway::Caller>,
}

pub(super) struct Kept {
    pub(super) fold: Session,
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) receipts: HashMap<(UserId, CommandId), (String, Ran)>,
    /// Positions below this are gone.
    pub(super) oldest: u64,
    pub(super) state: watch::Sender<Life>,
}

/// What a waiting reader must wake up for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) tip: u64,
    pub(super) deleted: bool,
    pub(super) stopping: bool,
}

pub(super) struct Entry {
    identity: Identity,
    standing: watch::Sender<Standing>,
    expires_at: Option<Millis>,
}

/// Shared by all the traits.
#[derive(Clone)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    /// Whether commands wait.
    pub(super) held: Arc<watch::Sender<bool>>,
    pub(super) fed: Arc<watch::Sender<u64>>,
}

impl Fake {
    /// With the keys `ada` (owner), `eve` (viewer) of tenant `home`, and `mallory` (owner) of tenant `away`.
    pub(super) fn new() -> Fake {
        let fake = Fake { state: Arc::default(), held: Arc::default(), fed: Arc::default() };
        fake.admit("ada", "home", Role::Owner, None);
        fake.admit("eve", "home", Role::Viewer, None);
        fake.admit("mallory", "away", Role::Owner, None);
        fake
    }

    pub(super) fn gateway(&self) -> Gateway {
        let fake = Arc::new(self.clone());
        Gateway {
            sessions: fake.clone(),
            sealed: fake.clone(),
            blobs: fake.clone(),
            follow: fake.clone(),
            records: fake.clone(),
            files: fake.clone(),
            workspaces: fake.clone(),
            agents: fake.clone(),
            sign_in: fake.clone(),
            keys: fake.clone(),
            members: fake.clone(),
            accounts: fake.clone(),
            budgets: fake.clone(),
            terminals: fake.clone(),
            integrations: fake,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn admit(&self, token: &str, tenant: &str, role: Role, expires_at: Option<Millis>) {
        let identity =
            Identity { tenant: TenantId::new(tenant).unwrap(), user: UserId::new(token).unwrap(), role, email: None };
        let entry = Entry { identity, standing: watch::Sender::new(Standing::Good), expires_at };
        self.state().carriers.insert(token.to_owned(), entry);
    }

    pub(super) fn now_stands(&self, token: &str, standing: Standing) {
        self.state().carriers[token].standing.send_replace(standing);
    }

    pub(super) fn fail_next(&self, failure: impl Into<Failure>) {
        self.state().failing = Some(failure.into());
    }

    pub(super) fn failing(&self) -> Result<(), Failure> {
        self.state().failing.take().map_or(Ok(()), Err)
    }

    /// The session, if it is there for this identity.
    pub(super) fn visible<T>(
        &self,
        identity: &Identity,
        id: &SessionId,
        look: impl FnOnce(&mut Kept) -> T,
    ) -> Result<T, Failure> {
        let mut state = self.state();
        let kept = state.sessions.get_mut(id);
        let kept = kept.filter(|kept| kept.fold.header.tenant == identity.tenant);
        kept.map(look).ok_or(Failure::NotFound("session"))
    }

    /// Puts events into a log as one batch, as if the agent had caused them.
    pub(super) fn append(&self, id: &str, events: Vec<Event>) -> Position {
        let mut state = self.state();
        let kept = state.sessions.get_mut(id).unwrap();
        let mut batch = Vec::new();
        for event in events {
            let logged = Logged::new(kept.fold.next_seq(), NOW, Arc::new(Author::agent()), event);
            kept.fold.apply(&logged);
            batch.push(logged);
        }
        kept.commit(batch)
    }

    /// A named note in the log: small, and told apart by its text.
    pub(super) fn note(&self, id: &str, text: &str) -> Position {
        self.append(id, vec![note(text)])
    }

    pub(super) fn forget_before(&self, id: &str, oldest: u64) {
        self.state().sessions.get_mut(id).unwrap().oldest = oldest;
    }

    pub(super) fn stop(&self, id: &str) {
        let state = self.state();
        state.sessions[id].state.send_modify(|life| life.stopping = true);
    }
}

pub(super) fn note(text: &str) -> Event {
    Event::SessionRenamed { title: Some(text.to_owned()) }
}

impl Kept {
    pub(super) fn commit(&mut self, batch: Vec<Logged>) -> Position {
        if !batch.is_empty() {
            let id = self.fold.header.id.clone();
            self.batches.push(Arc::new(Batch::of(id, EPOCH, batch)));
        }
        let tip = self.position().seq;
        self.state.send_modify(|life| life.tip = tip);
        self.position()
    }

    pub(super) fn position(&self) -> Position {
        Position { epoch: EPOCH, seq: self.fold.tip.map_or(0, Seq::get) }
    }

    pub(super) fn view(&self) -> View {
        View {
            session: self.fold.header.clone(),
            config: self.fold.config.clone(),
            position: self.position(),
            open_turn: self.fold.turn.clone(),
            asks: self.fold.asks.values().cloned().collect(),
            queue: self.fold.queue.clone(),
            control: self.fold.control.clone(),
            registers: self.fold.registers.clone(),
            recent: Vec::new(),
            more: false,
        }
    }
}

#[async_trait]
impl SignIn for Fake {
    async fn sign_in(&self, carrier: Carrier) -> Result<SignedIn, NotSignedIn> {
        let mut state = self.state();
        state.signed_in.push(carrier.clone());
        let token = carrier.token.ok_or(NotSignedIn::Missing)?;
        if token == "busy" {
            return Err(NotSignedIn::TooMany { retry_ms: 2_500 });
        }
        let entry = state.carriers.get(&token).ok_or(NotSignedIn::Invalid)?;
        Ok(SignedIn {
            identity: entry.identity.clone(),
            standing: entry.standing.subscribe(),
            expires_at: entry.expires_at,
        })
    }
}
