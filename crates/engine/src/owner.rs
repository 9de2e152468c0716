//! The owner of a live session: one task that decides and appends, so that nothing needs a lock.
//!
//! At most one append is under way. Meanwhile the owner goes on deciding, ahead of the log, and the next append takes all
//! of it. Whatever leaves the owner (answers, orders for the agent) leaves after the commit.

mod decide;
mod names;
mod receipts;
mod sealing;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rejoin_core::command::Command;
use rejoin_core::control::Control;
use rejoin_core::decide::Facts;
use rejoin_core::event::{Event, Logged};
use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::header::{AgentStatus, Header, SessionKind};
use rejoin_core::id::{CallId, CommandId, MessageId, SessionId};
use rejoin_core::position::{Millis, Seq, Tip};
use rejoin_core::session::{FOLD_VERSION, Session};
use rejoin_core::turn::Outcome;
use rejoin_core::who::Author;
use rejoin_ports::agent::Order;
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::store::{Append, CommitError, Committed, Receipt, Row, Work};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::agent::{Link, News};
use crate::effects::Effect;
use crate::engine::Inner;
use crate::follower::Loaded;
use crate::outgoing::Outgoing;
use crate::purses::{self, Purse};
use crate::sealed::{Put, Sealings};
use receipts::Receipts;
use sealing::NewLocal;

/// Commands waiting for one session. When it is full, whoever sends waits, and its socket with it.
const MAILBOX: usize = 64;
/// How much may be decided ahead of the log before the agent has to wait: events, and bytes of their text.
const AHEAD_EVENTS: usize = 4_096;
const AHEAD_BYTES: usize = 4 << 20;
/// What one append takes at most, so that one session does not hold up the commits of all others.
const APPEND_EVENTS: usize = 512;
const APPEND_BYTES: usize = 256 << 10;
/// How many events may pass before the fold is cached again.
const SNAPSHOT_EVERY: u64 = 2_000;
/// The same for a sealed session, whose events are quickly folded again; or how much its log may grow meanwhile.
const SEALED_SNAPSHOT_EVERY: u64 = 20_000;
const SEALED_SNAPSHOT_BYTES: u64 = 8 << 20;
/// When nothing more is decided until it is cached, so that what has to be read again stays bounded.
const OVERDUE: u64 = 4;
/// How many events make a cached fold worth writing when the owner leaves.
const SNAPSHOT_WORTH: u64 = 200;
/// How long the owner may take to write its last events when the gateway stops.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What somebody wants of an owner.
pub(crate) enum Request {
    Run {
        caller: Caller,
        id: CommandId,
        command: Command,
        body: [u8; 16],
        reply: Reply,
    },
    Seal {
        caller: Caller,
        wanted: Arc<Sealings>,
        reply: Reply,
    },
    Note {
        author: Arc<Author>,
        happening: Happening,
        reply: Reply,
    },
    /// The receipt of a command that another session has done for this one.
    Keep {
        receipt: Receipt,
        reply: Reply,
    },
    Delete {
        author: Arc<Author>,
        reply: Reply,
    },
    ChildEnded {
        child: SessionId,
        outcome: Outcome,
        text: String,
        reply: Reply,
    },
    Mirror {
        event: Box<Event>,
        reply: Reply,
    },
    /// A deadline has come, or somebody wants the session put in order.
    Wake {
        reply: Option<Reply>,
    },
}

pub(crate) type Reply = oneshot::Sender<Result<Done, Refused>>;

/// A command done.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) seq: u64,
    /// The ask belongs to this child session: answer there.
    pub(crate) redirect: Option<SessionId>,
    /// Where the sealed messages of the request are, in its order.
    pub(crate) sealed: Vec<Put>,
}

impl Done {
    pub(crate) fn at(seq: u64) -> Done {
        Done { seq, redirect: None, sealed: Vec::new() }
    }
}

#[derive(Debug)]
pub(crate) enum Refused {
    Failure(Failure),
    /// The owner left, or lost the session: ask its successor.
    Retry,
}

#[derive(Clone)]
pub(crate) struct OwnerHandle {
    pub(crate) mailbox: mpsc::Sender<Request>,
    pub(crate) header: Arc<Header>,
}

type Flight = Pin<Box<dyn Future<Output = Result<Committed, CommitError>> + Send>>;

struct InFlight {
    commit: Flight,
    batch: Arc<Batch>,
    upto: Tip,
    /// Receipts are in memory only once they are kept.
    receipts: Vec<Receipt>,
    /// The same, of the local names of sealed messages.
    locals: Vec<[u8; 16]>,
    /// What its events report as spent.
    cost: u64,
}

pub(crate) struct Owner {
    inner: Arc<Inner>,
    id: SessionId,
    /// Ahead of the log by what is pending or in flight.
    session: Session,
    term: u64,
    /// What is in the log.
    kept: Tip,
    pending: Vec<Logged>,
    pending_bytes: usize,
    effects: VecDeque<(Seq, Effect)>,
    fresh_effects: Vec<(Seq, Effect)>,
    /// Who waits for which number; in order.
    askers: VecDeque<Asker>,
    new_receipts: Vec<Receipt>,
    receipts: Receipts,
    /// Local names of sealed messages that are on no way to the log yet, and all that are not kept.
    new_locals: Vec<NewLocal>,
    unkept_locals: HashMap<[u8; 16], u64>,
    /// Pending events that are kept together or not at all: the first and the last of each lot.
    whole: VecDeque<(Seq, Seq)>,
    flight: Option<InFlight>,
    /// How many appends were begun.
    appends: u64,
    link: Link,
    agent_author: Arc<Author>,
    gateway_author: Arc<Author>,
    /// Prompts of children that were decided and wait for their commit.
    tasks: VecDeque<String>,
    /// Which call each running child works for.
    calls: HashMap<SessionId, CallId>,
    open_message: Option<(MessageId, Seq)>,
    /// What the tenant has left to spend.
    purse: Arc<Purse>,
    /// What was counted there and is not committed yet.
    unkept_cost: u64,
    /// Orders for an agent that is off: they follow when it is brought back.
    held: Vec<Order>,
    outgoing: Arc<Outgoing>,
    /// The deadline that the store knows.
    kept_wake: Option<Millis>,
    row_is_old: bool,
    counted_as_running: bool,
    snapshot_at: u64,
    /// How much the log has grown since.
    grown: usize,
    deleted: bool,
    leaving: bool,
}

/// Somebody who waits for an answer: for a number to be kept, and for the append that carries the receipt.
struct Asker {
    seq: u64,
    append: u64,
    reply: Reply,
    done: Done,
}

/// What an owner leaves for its successor in the same process, so that it need not read the log again.
pub(crate) struct Legacy {
    pub(crate) session: Session,
    pub(crate) term: u64,
    pub(crate) receipts: Receipts,
    pub(crate) snapshot_at: u64,
}

impl Legacy {
    pub(crate) fn of_new(session: Session) -> Legacy {
        Legacy { session, term: 1, receipts: Receipts::complete(), snapshot_at: 0 }
    }
}

/// Why an owner could not begin.
enum NoStart {
    Gone,
    Failed(Failure),
}

impl Inner {
    /// The owner of a session, started if it is not live. `header` is what the caller was let in by.
    pub(crate) fn owner(self: &Arc<Self>, id: &SessionId, header: impl FnOnce() -> Arc<Header>) -> OwnerHandle {
        let mut shard = self.owners.shard(id);
        if let Some(handle) = shard.get(id).filter(|handle| !handle.mailbox.is_closed()) {
            return handle.clone();
        }
        let (mailbox, requests) = mpsc::channel(MAILBOX);
        let handle = OwnerHandle { mailbox, header: header() };
        shard.insert(id.clone(), handle.clone());
        drop(shard);
        let (inner, id, mailbox) = (self.clone(), id.clone(), handle.mailbox.downgrade());
        self.tasks.spawn(async move { live(inner, id, requests, mailbox).await });
        handle
    }
}

/// The life of an owner, panics included.
async fn live(
    inner: Arc<Inner>,
    id: SessionId,
    mut requests: mpsc::Receiver<Request>,
    mailbox: mpsc::WeakSender<Request>,
) {
    use futures_util::FutureExt;
    let life = async {
        match Owner::begin(inner.clone(), id.clone()).await {
            Ok(owner) => owner.serve(&mut requests).await,
            Err(NoStart::Gone) => {
                refuse_all(&mut requests, || Refused::Failure(Failure::NotFound("session")));
                None
            }
            Err(NoStart::Failed(failure)) => {
                inner.mend_later(id.clone());
                refuse_all(&mut requests, || Refused::Failure(failure.clone()));
                None
            }
        }
    };
    let legacy = match std::panic::AssertUnwindSafe(life).catch_unwind().await {
        Ok(legacy) => legacy,
        Err(_) => {
            tracing::error!(session.id = %id, "a rule was broken; the session is rebuilt from its log");
            inner.crashed(&id);
            inner.mend_later(id.clone());
            None
        }
    };
    if let Some(legacy) = legacy {
        inner.leave_warm(id.clone(), legacy);
    }
    let mut shard = inner.owners.shard(&id);
    let ours =
        shard.get(&id).is_some_and(|handle| mailbox.upgrade().is_some_and(|own| own.same_channel(&handle.mailbox)));
    if ours {
        shard.remove(&id);
    }
    drop(shard);
    // Nobody finds us any more; whoever already had sends to our successor.
    refuse_all(&mut requests, || Refused::Retry);
}

fn refuse_all(requests: &mut mpsc::Receiver<Request>, why: impl Fn() -> Refused) {
    requests.close();
    while let Ok(request) = requests.try_recv() {
        let reply = match request {
            Request::Run { reply, .. }
            | Request::Seal { reply, .. }
            | Request::Note { reply, .. }
            | Request::Keep { reply, .. }
            | Request::ChildEnded { reply, .. }
            | Request::Mirror { reply, .. }
            | Request::Delete { reply, .. } => Some(reply),
            Request::Wake { reply } => reply,
        };
        if let Some(reply) = reply {
            let _ = reply.send(Err(why()));
        }
    }
}

impl Owner {
    async fn begin(inner: Arc<Inner>, id: SessionId) -> Result<Owner, NoStart> {
        let failed = |error| NoStart::Failed(Failure::Store(error));
        let (legacy, stale, lift, row_is_old) = match inner.take_warm(&id) {
            Some(legacy) => (legacy, false, 0, false),
            None => {
                let stored = inner.store.take(&id).await.map_err(failed)?.ok_or(NoStart::Gone)?;
                let loaded = crate::follower::load(&*inner.store, &id).await.map_err(NoStart::Failed)?;
                if loaded.deleted {
                    // The process died between the last word of the log and its removal.
                    inner.store.delete(&id, Vec::new()).await.map_err(failed)?;
                    return Err(NoStart::Gone);
                }
                let Loaded { mut session, snapshot_at, .. } = loaded;
                session.tip = session.tip.max(stored.row.tip); // behind a restore, numbers go on where none was ever given
                let names = inner.store.receipts(&id, receipts::KNOWN).await.map_err(failed)?;
                let legacy = Legacy { session, term: stored.term, receipts: Receipts::of(names), snapshot_at };
                // A row may be ahead of a log whose append failed.
                let row_is_old = stored.stale || stored.row.header != legacy.session.header;
                (legacy, stored.stale, stored.lift, row_is_old)
            }
        };
        let purse = inner.purses.load(&*inner.store, &legacy.session.header.tenant).await.map_err(failed)?;
        if let Err(error) = inner.grants.load(&*inner.store, &legacy.session.header).await {
            inner.purses.leave(&purse);
            return Err(failed(error));
        }
        let Legacy { session, term, receipts, snapshot_at } = legacy;
        let mut owner = Owner {
            kept: session.tip,
            kept_wake: session.wake_at(),
            inner,
            id,
            session,
            term,
            pending: Vec::new(),
            pending_bytes: 0,
            effects: VecDeque::new(),
            fresh_effects: Vec::new(),
            askers: VecDeque::new(),
            new_receipts: Vec::new(),
            receipts,
            new_locals: Vec::new(),
            unkept_locals: HashMap::new(),
            whole: VecDeque::new(),
            flight: None,
            appends: 0,
            link: Link::Off,
            agent_author: Arc::new(Author::agent()),
            gateway_author: Arc::new(Author::gateway()),
            tasks: VecDeque::new(),
            calls: HashMap::new(),
            open_message: None,
            purse,
            unkept_cost: 0,
            held: Vec::new(),
            outgoing: Arc::default(),
            row_is_old,
            counted_as_running: false,
            snapshot_at,
            grown: 0,
            deleted: false,
            leaving: false,
        };
        owner.settle_in(stale, lift);
        Ok(owner)
    }

    async fn serve(mut self, requests: &mut mpsc::Receiver<Request>) -> Option<Legacy> {
        let mut gathered = Vec::new();
        let mut waiting = VecDeque::new();
        let mut said = Vec::new();
        let mut idle_since = Instant::now();
        let stop = self.inner.stop.clone();
        let inner = self.inner.clone();
        let (mut stopping, mut closed) = (false, false);
        let mut last_words = Instant::now();
        loop {
            while self.has_room()
                && !self.deleted
                && let Some(request) = waiting.pop_front()
            {
                self.handle(request).await;
            }
            self.begin_append();
            if self.deleted && self.is_settled() {
                return None;
            }
            if self.leaving && self.is_settled() && waiting.is_empty() && requests.is_empty() {
                return Some(self.legacy().await);
            }
            let room = self.has_room();
            let rest = self.rests() && waiting.is_empty();
            tokio::select! {
                biased;
                outcome = landing(&mut self.flight) => {
                    idle_since = Instant::now();
                    if !self.landed(outcome) {
                        return None;
                    }
                }
                count = requests.recv_many(&mut gathered, MAILBOX), if room && !self.deleted && !closed => {
                    idle_since = Instant::now();
                    closed = count == 0; // then nobody can ask any more
                    self.leaving = closed || stopping;
                    waiting.extend(gathered.drain(..));
                }
                news = self.link.news(&inner, &mut said), if room => {
                    idle_since = Instant::now();
                    self.heard(news, &mut said);
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    last_words = Instant::now() + LAST_WORDS;
                    self.stop();
                }
                () = tokio::time::sleep_until(idle_since + inner.linger), if rest && !self.leaving => {
                    self.rest();
                }
                () = tokio::time::sleep_until(last_words), if stopping => return None,
            }
        }
    }

    /// Whether more may be decided ahead of the log.
    fn has_room(&self) -> bool {
        // A fold that was not cached for long has a moment when nothing is ahead of the log.
        let catches_breath = self.is_due(OVERDUE) && !self.is_settled();
        self.pending.len() < AHEAD_EVENTS && self.pending_bytes < AHEAD_BYTES && !catches_breath
    }

    /// Whether the fold was not cached for so many times as long as it should.
    fn is_due(&self, times: u64) -> bool {
        let since = self.kept.map_or(0, Seq::get).saturating_sub(self.snapshot_at);
        match self.session.header.kind {
            SessionKind::Hosted => since >= SNAPSHOT_EVERY * times,
            SessionKind::Sealed => {
                since >= SEALED_SNAPSHOT_EVERY * times || self.grown as u64 >= SEALED_SNAPSHOT_BYTES * times
            }
        }
    }

    /// Whether everything that was decided is in the log.
    fn is_settled(&self) -> bool {
        self.flight.is_none() && self.pending.is_empty() && self.askers.is_empty() && self.new_receipts.is_empty()
    }

    /// Whether nothing is going on but, perhaps, people thinking about an answer.
    fn rests(&self) -> bool {
        let parked = self.session.turn.as_ref().is_none_or(|turn| {
            turn.is_parked(&self.session.asks) && self.inner.is_resumable(&self.session.header.agent)
        });
        self.is_settled() && parked && !self.session.compacting && !matches!(self.link, Link::Opening { .. })
    }

    /// Nobody has needed us for a while: the agent ends, and then we do.
    fn rest(&mut self) {
        if !self.link.is_off() {
            let inner = self.inner.clone();
            self.link.off(&inner);
            self.decide_as_gateway(|decider| decider.agent_closed("idle"));
        }
        self.leaving = true;
    }

    /// The gateway stops: what runs is cut short, and says so; what only waits for people stays.
    fn stop(&mut self) {
        let parked = self.session.turn.as_ref().is_some_and(|turn| turn.is_parked(&self.session.asks));
        let resumable = self.inner.is_resumable(&self.session.header.agent);
        self.decide_as_gateway(|decider| {
            if !(parked && resumable) {
                decider.end_turn(Outcome::Interrupted { reason: "restart".into() });
            }
            decider.agent_closed("restart");
        });
        let inner = self.inner.clone();
        self.link.off(&inner);
        self.leaving = true;
    }

    async fn legacy(mut self) -> Legacy {
        let tip = self.kept.map_or(0, Seq::get);
        if tip.saturating_sub(self.snapshot_at) >= SNAPSHOT_WORTH {
            self.keep_snapshot().await;
        }
        // In a sealed log there are no deltas that could fade.
        let fades = self.session.header.kind == SessionKind::Hosted && self.session.turn.is_none();
        if let Some(tip) = self.kept.filter(|_| fades) {
            self.inner.upkeep.later(self.id.clone(), tip, self.inner.clock.now());
        }
        let receipts = std::mem::replace(&mut self.receipts, Receipts::unknown());
        Legacy { session: self.session.clone(), term: self.term, receipts, snapshot_at: self.snapshot_at }
    }

    /// Caches the fold. Only when nothing is ahead of the log, and only as a help: a failure is no harm.
    async fn keep_snapshot(&mut self) {
        let Some(tip) = self.kept.filter(|_| self.is_settled()) else {
            return;
        };
        (self.snapshot_at, self.grown) = (tip.get(), 0);
        if let Ok(state) = serde_json::to_vec(&self.session) {
            let kept = self.inner.store.keep_snapshot(&self.id, FOLD_VERSION, tip, state.into()).await;
            if let Err(error) = kept {
                tracing::debug!(session.id = %self.id, %error, "fold not cached");
            }
        }
    }

    /// Starts the next append, if none is under way and there is something to write.
    fn begin_append(&mut self) {
        let nothing = self.pending.is_empty() && self.new_receipts.is_empty() && !self.row_is_old;
        if self.flight.is_some() || nothing {
            return;
        }
        let (mut count, mut bytes) = (0, 0);
        for logged in &self.pending {
            if count == APPEND_EVENTS || bytes > APPEND_BYTES {
                break;
            }
            bytes += weight(&logged.event);
            count += 1;
        }
        let count = self.cut_between(count);
        let bytes: usize = self.pending[..count].iter().map(|logged| weight(&logged.event)).sum();
        let rest = self.pending.split_off(count);
        let events = std::mem::replace(&mut self.pending, rest);
        let all = self.pending.is_empty();
        self.pending_bytes = if all { 0 } else { self.pending_bytes.saturating_sub(bytes) };
        let upto = events.last().map(|last| last.seq).or(self.kept);
        // Receipts name numbers; one that is still to come waits for its append.
        let reached = upto.map_or(0, Seq::get);
        let (receipts, later): (Vec<Receipt>, Vec<Receipt>) =
            std::mem::take(&mut self.new_receipts).into_iter().partition(|receipt| receipt.seq <= reached);
        self.new_receipts = later;
        let settled = self.whole.partition_point(|(_, last)| last.get() <= reached);
        self.whole.drain(..settled);
        let ready = self.new_locals.partition_point(|local| local.receipt.seq <= reached);
        let locals: Vec<NewLocal> = self.new_locals.drain(..ready).collect();
        let header = &self.session.header;
        let held = self.inner.grants.of(header);
        let records =
            events.iter().filter_map(|logged| crate::grants::writes(header, &held, &logged.event, logged.at)).collect();
        let feed = crate::feed::entries(header, &events);
        let places = crate::effects::places(&events, &mut self.open_message);
        let files = crate::effects::files(&self.session, &events);
        let cost = purses::cost(&events);
        let tallies = purses::tally(&header.tenant, cost, self.inner.clock.now()).into_iter().collect();
        let wake_at = self.session.wake_at();
        // The header is that of everything decided. If some of it is not in this append, the row must not promise that
        // all is well should this append be the last.
        let unsettled = !all || self.deleted || self.is_unsettled();
        let row = Arc::new(Row { header: header.clone(), tip: upto, wake_at, unsettled });
        let batch = Arc::new(Batch::of(self.id.clone(), self.inner.store.epoch(), events));
        let (locals, own): (Vec<_>, Vec<_>) = locals.into_iter().map(|local| (local.name, local.receipt)).unzip();
        let append = Append {
            session: self.id.clone(),
            after: self.kept,
            term: self.term,
            batch: batch.clone(),
            receipts: receipts.iter().cloned().chain(own).collect(),
            row,
            places,
            files,
        };
        let work = Work { stream: Some(append), records, tallies, feed, ..Work::default() };
        let store = self.inner.store.clone();
        self.kept_wake = wake_at;
        self.row_is_old = false;
        self.appends += 1;
        self.flight = Some(InFlight {
            commit: Box::pin(async move { store.commit(work).await }),
            batch,
            upto,
            receipts,
            locals,
            cost,
        });
    }

    fn is_unsettled(&self) -> bool {
        let session = &self.session;
        session.turn.is_some()
            || session.compacting
            || session.header.agent_status != AgentStatus::Stopped
            || session.control != Control::Free
            || !session.queue.is_empty()
    }

    /// An append came back. `false`: this owner's state is worth nothing any more.
    fn landed(&mut self, outcome: Result<Committed, CommitError>) -> bool {
        let Some(InFlight { batch, upto, receipts, locals, cost, .. }) = self.flight.take() else {
            return true;
        };
        match outcome {
            Ok(committed) => {
                self.kept = upto;
                self.unkept_cost = self.unkept_cost.saturating_sub(cost);
                committed.tallies.iter().for_each(|total| self.purse.counted(*total));
                self.grown += batch.lines().len();
                receipts.iter().for_each(|receipt| self.receipts.remember(receipt));
                for name in locals {
                    self.unkept_locals.remove(&name);
                    self.receipts.remember_name(name);
                }
                for logged in batch.events().unwrap_or_default() {
                    self.inner.grants.apply(&self.session.header, &logged.event);
                }
                self.release();
                self.count_running();
                let tip = self.kept.map_or(0, Seq::get);
                if self.is_due(1) && self.is_settled() && !self.deleted {
                    self.cache_fold(tip);
                }
                true
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Caches the fold beside the work: nothing waits for it.
    fn cache_fold(&mut self, tip: u64) {
        let (Some(at), Ok(state)) = (Seq::new(tip), serde_json::to_vec(&self.session)) else {
            return;
        };
        (self.snapshot_at, self.grown) = (tip, 0);
        let (store, id) = (self.inner.store.clone(), self.id.clone());
        self.inner.tasks.spawn(async move {
            let _ = store.keep_snapshot(&id, FOLD_VERSION, at, state.into()).await; // a cache
        });
    }

    /// Lets go what waited for its commit: answers and effects, in the order of their numbers.
    fn release(&mut self) {
        let kept = self.kept.map_or(0, Seq::get);
        while self.effects.front().is_some_and(|(seq, _)| seq.get() <= kept) {
            let (_, effect) = self.effects.pop_front().expect("just seen");
            self.perform(effect);
        }
        while self.askers.front().is_some_and(|asker| asker.seq <= kept && asker.append <= self.appends) {
            let asker = self.askers.pop_front().expect("just seen");
            let _ = asker.reply.send(Ok(asker.done)); // the asker may have hung up; what happened has happened
        }
    }

    /// The append failed: nothing of what was decided has happened.
    fn fail(&mut self, error: CommitError) {
        let retry = !matches!(error, CommitError::Store(_) | CommitError::Gone);
        if retry {
            tracing::info!(session.id = %self.id, %error, "the session is reloaded");
        } else {
            tracing::warn!(session.id = %self.id, %error, "nothing of this was shown");
        }
        for Asker { reply, .. } in self.askers.drain(..) {
            let refused = if retry { Refused::Retry } else { Refused::Failure(error.clone().into()) };
            let _ = reply.send(Err(refused));
        }
        let inner = self.inner.clone();
        self.link.off(&inner);
        if self.counted_as_running {
            inner.turns.send_modify(|running| *running -= 1);
            self.counted_as_running = false;
        }
        if !matches!(error, CommitError::Gone) {
            inner.mend_later(self.id.clone());
        }
    }

    fn heard(&mut self, news: News, said: &mut Vec<FromAgent>) {
        match news {
            News::Opened => {}
            News::Said => {
                for from in said.drain(..) {
                    self.happened(from);
                }
            }
            News::Lost(why) => {
                let detail = Some(why);
                self.happened(FromAgent {
                    turn: None,
                    happening: Happening::Life { status: AgentStatus::Failed, detail },
                });
            }
        }
    }

    /// How many turns run, for those who wait until none does.
    fn count_running(&mut self) {
        let running = self.session.turn.as_ref().is_some_and(|turn| !turn.is_parked(&self.session.asks));
        if running != self.counted_as_running {
            self.counted_as_running = running;
            self.inner.turns.send_modify(|count| *count += if running { 1 } else { -1 });
        }
    }

    fn facts(&self) -> Facts {
        Facts { stopping: self.inner.is_stopping(), broke: self.purse.is_empty(), ..Facts::default() }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let inner = self.inner.clone();
        inner.grants.release(&self.session.header);
        if self.unkept_cost > 0 {
            self.purse.give_back(self.unkept_cost).into_iter().for_each(|session| inner.mend_later(session));
        }
        inner.purses.leave(&self.purse);
        self.link.off(&inner);
        if self.counted_as_running {
            inner.turns.send_modify(|running| *running -= 1);
        }
    }
}

/// Waits for the append that is under way; for ever, when there is none.
async fn landing(flight: &mut Option<InFlight>) -> Result<Committed, CommitError> {
    match flight {
        Some(flight) => (&mut flight.commit).await,
        None => std::future::pending().await,
    }
}

/// Roughly how long an event is when it is written.
pub(crate) fn weight(event: &Event) -> usize {
    use rejoin_core::part::{Part, PartBody, ToolState};
    fn part(part: &Part) -> usize {
        match &part.body {
            PartBody::Tool(call) => match &call.state {
                ToolState::Completed { output: serde_json::Value::String(output), .. } => output.len(),
                ToolState::Completed { .. } => 4_096,
                _ => call.arguments.as_ref().map_or(0, String::len),
            },
            body => body.text().map_or(0, str::len),
        }
    }
    let own = match event {
        Event::PartDelta { text, .. } | Event::ToolOutput { text, .. } | Event::TurnEnded { text, .. } => text.len(),
        Event::PartStarted { part: it } | Event::PartUpdated { part: it } | Event::PartCompleted { part: it, .. } => {
            part(it)
        }
        Event::MessageAdded { parts, .. } => parts.iter().map(part).sum(),
        Event::SealedAdded { content, .. } => content.len(),
        Event::RegisterSet { value, .. } => value.as_ref().map_or(0, String::len),
        _ => 0,
    };
    own + 256
}
