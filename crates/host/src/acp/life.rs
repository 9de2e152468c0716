//! The life of an agent in one session: it takes orders, and keeps one process warm that does the work.
//!
//! Everything is in one loop. What the agent says is heard only when all that it said before has found a place with the
//! engine: so it waits when the engine does, and orders never do.

mod configuring;
mod end;
mod hearing;
mod obeying;
mod state;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::header::AgentStatus;
use rejoin_core::id::TurnId;
use rejoin_ports::agent::{AgentSettings, FileChanged, HAPPENINGS, ORDERS, OpenAgent, Opening, Order, PlainMemory};
use serde_json::Value;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::crowd::Crowd;
use super::failure::Failure;
use super::files::{Watch, told};
use super::message::RpcError;
use super::recipe::{Keyring, Recipe};
use super::start::Starting;
use crate::agent::Tasks;
use crate::voice::{Gone, Voice};
use crate::workbench::Workbench;
use state::{Live, State, Step, Turn};

/// How long an agent may take to end in order, with all that it has left behind.
const FAREWELL: Duration = Duration::from_secs(8);
/// Requests of the agent that are worked on at a time: files to be read, commands to be waited for.
const MOST_WORKS: usize = 64;

/// Bytes of text that are heard in one go, when they have come already.
const GULP: usize = 4 << 10;
/// Messages of one go, whatever they say: orders do not wait for more.
const MOST_AT_ONCE: usize = 1_024;

/// What every agent of a kind has in common.
#[derive(Clone)]
pub(super) struct Kit {
    pub(super) recipe: Arc<Recipe>,
    pub(super) bench: Workbench,
    pub(super) keys: Arc<dyn Keyring>,
    pub(super) crowd: Crowd,
    /// What the agent could be set to when it last opened a session. Held while it is found out.
    pub(super) known: Arc<Mutex<Option<AgentSettings>>>,
}

impl Kit {
    /// What the agent can be set to; it is started once if nobody knows.
    pub(super) async fn settings(&self, opening: Opening) -> Result<AgentSettings, Failure> {
        let mut known = self.known.lock().await;
        if let Some(settings) = &*known {
            return Ok(settings.clone());
        }
        // In a session of its own: that of the agent in `opening` is left alone.
        let opening = Opening { memory: Arc::<PlainMemory>::default(), has_past: false, ..opening };
        let (_, opened) = Starting { kit: self.clone(), opening }.try_out().await?;
        let settings = opened?.told();
        *known = Some(settings.clone());
        Ok(settings)
    }
}

/// Opens an agent. Its task ends when it is closed, when either of its channels is, or when all agents are.
pub(super) fn begin(kit: Kit, opening: Opening, tasks: &Tasks) -> OpenAgent {
    let (orders, heard) = mpsc::channel(ORDERS);
    let (said, happenings) = mpsc::channel(HAPPENINGS);
    let life = Life {
        watch: Watch::new(opening.files.clone()),
        kit,
        opening,
        tasks: tasks.clone(),
        orders: heard,
        voice: Voice::new(said),
        outbox: VecDeque::new(),
        state: State::Off,
        turn: None,
        early: Vec::new(),
        works: JoinSet::new(),
        writes: HashSet::new(),
        lives: 0,
    };
    tasks.spawn(life.live(tasks.stop().clone()));
    OpenAgent { orders, happenings }
}

struct Life {
    kit: Kit,
    opening: Opening,
    tasks: Tasks,
    orders: mpsc::Receiver<Order>,
    voice: Voice,
    /// What is to be said. As much as one message of the agent means, and one end of a turn.
    outbox: VecDeque<FromAgent>,
    state: State,
    turn: Option<Turn>,
    /// Steers that came before their turn; at most [`ORDERS`].
    early: Vec<(TurnId, String)>,
    watch: Watch,
    /// At most [`MOST_WORKS`].
    works: JoinSet<Work>,
    /// Those works that write files: a turn does not end before they have.
    writes: HashSet<Id>,
    /// Processes so far. An answer is for the one that asked.
    lives: u64,
}

/// A request of the agent, done.
struct Work {
    life: u64,
    request: Value,
    outcome: Result<Value, RpcError>,
    changed: Option<FileChanged>,
}

impl Life {
    async fn live(mut self, stop: CancellationToken) {
        let voice = self.voice.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = voice.lost() => {}
            () = self.serve() => {}
        }
        if tokio::time::timeout(FAREWELL, self.end()).await.is_err() {
            tracing::warn!("an agent did not end in order");
        }
    }

    async fn serve(&mut self) {
        self.tell(AgentStatus::Starting, None);
        self.start();
        loop {
            self.advance().await;
            let is_heard = self.outbox.is_empty();
            let until = self.deadline();
            let news = self.state.news();
            tokio::select! {
                // Orders first: an interrupt does not wait for an agent that always has more to say.
                biased;
                order = self.orders.recv() => match order {
                    None | Some(Order::Close) => return,
                    Some(order) => self.obey(order).await,
                },
                said = deliver(&self.voice, &mut self.outbox), if !is_heard => if said.is_err() {
                    return;
                },
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => self.late(),
                done = self.works.join_next_with_id(), if is_heard && !self.works.is_empty() => {
                    self.worked(done).await;
                }
                found = self.watch.found(&self.tasks), if is_heard => self.found(found),
                () = notified(&news), if is_heard => self.show(),
                step = self.state.next(), if is_heard => self.step(step).await,
            }
        }
    }

    /// Begins to start a process.
    fn start(&mut self) {
        self.lives += 1;
        let starting = Starting { kit: self.kit.clone(), opening: self.opening.clone() };
        self.state = State::Starting(Box::pin(starting.start()));
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Started(Ok(ready)) => {
                let introduction = &ready.introduction;
                let detail = introduction.name.as_ref().map(|name| match &introduction.release {
                    Some(release) => format!("{name} {release}"),
                    None => name.clone(),
                });
                let live = Live::new(*ready, &self.kit.bench, &self.opening);
                if let Ok(mut known) = self.kit.known.try_lock() {
                    *known = Some(live.settings.told()); // whoever holds it is about to know it too
                }
                self.state = State::On(Box::new(live));
                self.tell(AgentStatus::Ready, detail);
                self.configure().await; // it may have been configured while it started
            }
            Step::Started(Err(failure)) => {
                tracing::info!(session.id = %self.opening.session, %failure, "an agent does not start");
                self.state = State::Off;
                // The next prompt tries again; until then it is as ready as it can be.
                self.tell(AgentStatus::Ready, Some(failure.message.clone()));
                self.fail(failure);
            }
            Step::Buried(failure) => {
                self.state = State::Off;
                // A turn that the lost process knew nothing of gets a fresh one, unless that was a fresh one already.
                let is_lost = |turn: &Turn| turn.ended.is_none() && (turn.prompt.is_none() || turn.starts > 0);
                if self.turn.as_ref().is_some_and(is_lost) {
                    self.fail(failure);
                } else {
                    tracing::info!(session.id = %self.opening.session, %failure, "an agent is gone between turns");
                }
            }
            Step::Heard(Ok(message)) => {
                self.heard(message).await;
                self.hear_on().await;
            }
            Step::Heard(Err(lost)) => self.lose(lost),
        }
    }

    /// The turn is over, badly.
    fn fail(&mut self, failure: Failure) {
        let Some(mut turn) = self.turn.take() else { return };
        self.watch.end(&self.tasks);
        let mut out = Vec::new();
        turn.telling.end(&failure.message, &mut out);
        let Failure { code, message } = failure;
        out.push(Happening::Failed { code: code.to_owned(), message, retry_ms: None });
        self.say_all(&turn.id, out);
    }

    /// The process is gone, or must go.
    fn lose(&mut self, lost: super::child::Lost) {
        match std::mem::replace(&mut self.state, State::Off) {
            State::On(live) => {
                self.lives += 1;
                live.terminals.end();
                self.watch.changed(&self.tasks);
                self.state = State::Burying(Box::pin(live.child.bury(lost)));
            }
            other => self.state = other,
        }
    }

    fn found(&mut self, changes: Vec<FileChanged>) {
        // Of no turn: a file has changed, whoever is interrupted.
        self.outbox.extend(changes.into_iter().map(|changed| FromAgent { turn: None, happening: told(changed) }));
    }

    fn tell(&mut self, status: AgentStatus, detail: Option<String>) {
        self.outbox.push_back(FromAgent { turn: None, happening: Happening::Life { status, detail } });
    }

    /// Text behind text is told as one.
    fn say_all(&mut self, turn: &TurnId, happenings: Vec<Happening>) {
        for happening in happenings {
            let before = self.outbox.back_mut().filter(|before| before.turn.as_ref() == Some(turn));
            match (before.map(|before| &mut before.happening), happening) {
                (Some(Happening::Text(before)), Happening::Text(text)) if before.len() < GULP => before.push_str(&text),
                (Some(Happening::Thinking(before)), Happening::Thinking(text)) if before.len() < GULP => {
                    before.push_str(&text);
                }
                (_, happening) => self.outbox.push_back(FromAgent { turn: Some(turn.clone()), happening }),
            }
        }
    }
}

/// Says as much as there is room for, and waits for room for the first of it. Safe to drop: what was not said stays.
async fn deliver(voice: &Voice, outbox: &mut VecDeque<FromAgent>) -> Result<(), Gone> {
    while let Some(next) = outbox.front() {
        let room = voice.room(&next.happening).await?;
        if let Some(said) = outbox.pop_front() {
            room.say(said);
        }
    }
    Ok(())
}

/// Until there is news; for ever, when none can come.
async fn notified(news: &Option<Arc<Notify>>) {
    match news {
        Some(news) => news.notified().await,
        None => std::future::pending().await,
    }
}
