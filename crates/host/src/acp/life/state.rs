//! How an agent stands: its process, the turn that it works on, and what it waits for.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rejoin_core::id::{AskId, CallId, TurnId};
use rejoin_core::turn::Prompt;
use rejoin_ports::agent::Opening;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::configuring::Wish;
use crate::acp::child::{Child, Lost};
use crate::acp::elicitation::Form;
use crate::acp::failure::Failure;
use crate::acp::memory::Remembered;
use crate::acp::message::Message;
use crate::acp::permission::Options;
use crate::acp::start::Ready;
use crate::acp::telling::Telling;
use crate::acp::terminals::{Shown, Terminals};
use crate::acp::wire::setup::{Abilities, Settings};
use crate::acp::wire::update::{Update, Used};
use crate::workbench::Workbench;

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(super) enum State {
    Off,
    Starting(Later<Result<Ready, Failure>>),
    On(Box<Live>),
    /// Its process is being ended, and asked what became of it.
    Burying(Later<Failure>),
}

pub(super) enum Step {
    Started(Result<Box<Ready>, Failure>),
    Heard(Result<Message, Lost>),
    Buried(Failure),
}

impl State {
    /// What happens next. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Step {
        match self {
            State::Off => std::future::pending().await,
            State::Starting(starting) => Step::Started(starting.await.map(Box::new)),
            State::On(live) => Step::Heard(live.child.next().await),
            State::Burying(burying) => Step::Buried(burying.await),
        }
    }

    /// Heard of when a terminal that is shown has more to show.
    pub(super) fn news(&self) -> Option<Arc<Notify>> {
        match self {
            State::On(live) if !live.shown.is_empty() => Some(live.terminals.news()),
            _ => None,
        }
    }
}

/// An agent that takes prompts.
pub(super) struct Live {
    pub(super) child: Child,
    pub(super) session: String,
    pub(super) can: Abilities,
    pub(super) remembered: Remembered,
    pub(super) lost: Option<String>,
    pub(super) settings: Settings,
    /// Settings that it was asked for and has not confirmed, by the numbers of the requests; at most
    /// [`ORDERS`](rejoin_ports::agent::ORDERS).
    pub(super) asked_for: HashMap<u64, Wish>,
    /// What it told between turns: the next turn tells it on. Bounded where it is added.
    pub(super) news: Vec<Update>,
    pub(super) flight: Option<Flight>,
    /// The rules allow 64 at a time, and end the turn that asks more.
    pub(super) asks: HashMap<AskId, Asked>,
    pub(super) terminals: Terminals,
    pub(super) shown: HashMap<CallId, Shown>,
    /// When it was last heard, or told something that it waited for.
    pub(super) heard_at: Instant,
}

/// A prompt that the agent works on.
pub(super) struct Flight {
    /// Of the request whose answer ends it.
    pub(super) number: u64,
    pub(super) turn: TurnId,
    /// It was asked to stop, and must have by then.
    pub(super) stop_by: Option<Instant>,
}

/// Something that the agent wants to know.
pub(super) struct Asked {
    pub(super) request: Value,
    pub(super) what: Wanted,
}

pub(super) enum Wanted {
    Permission(Options),
    Form(Form),
}

impl Live {
    pub(super) fn new(ready: Ready, bench: &Workbench, opening: &Opening) -> Live {
        Live {
            child: ready.child,
            session: ready.session,
            can: ready.introduction.can,
            remembered: ready.remembered,
            lost: ready.lost,
            settings: ready.settings,
            asked_for: HashMap::new(),
            news: ready.early,
            flight: None,
            asks: HashMap::new(),
            terminals: Terminals::new(bench, opening),
            shown: HashMap::new(),
            heard_at: Instant::now(),
        }
    }
}

/// A turn as the engine began it.
pub(super) struct Turn {
    pub(super) id: TurnId,
    /// Until it is sent.
    pub(super) prompt: Option<Prompt>,
    /// What was said meanwhile; at most [`ORDERS`](rejoin_ports::agent::ORDERS).
    pub(super) steers: VecDeque<String>,
    pub(super) telling: Telling,
    pub(super) asked: u64,
    pub(super) used: Option<Used>,
    /// Whether the look at the workspace before it has begun.
    pub(super) is_watched: bool,
    /// Processes that were started because this turn needed one.
    pub(super) starts: u32,
    /// How it ends, once the files that it changed are known.
    pub(super) ended: Option<Result<(), Failure>>,
}

impl Turn {
    pub(super) fn new(id: TurnId, prompt: Prompt) -> Turn {
        Turn {
            telling: Telling::new(&id),
            id,
            prompt: Some(prompt),
            steers: VecDeque::new(),
            asked: 0,
            used: None,
            is_watched: false,
            starts: 0,
            ended: None,
        }
    }

    /// A name for what the agent asks next: the same in no other turn.
    pub(super) fn next_ask(&mut self) -> AskId {
        self.asked += 1;
        self.telling.ask_id(self.asked)
    }
}
