//! The life of a built-in agent: one task that takes orders and thinks one turn at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::ask::{Ask, Settled};
use rejoin_core::happening::Happening;
use rejoin_core::header::AgentStatus;
use rejoin_core::id::TurnId;
use rejoin_core::turn::Prompt;
use rejoin_ports::agent::{HAPPENINGS, ORDERS, OpenAgent, Order};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::agent::Tasks;
use crate::inbox::{ChildEnd, Inbox};
use crate::turn::{End, Turn};
use crate::voice::Voice;

/// How long what an agent has left behind (a command that is being ended) may take, and how long its last words may wait
/// for somebody to take them. A command has two seconds to end and two more to be killed.
const FAREWELL: Duration = Duration::from_secs(6);
/// Letters of a prompt that a summary repeats.
const RECALLED: usize = 80;

/// What differs between built-in agents.
#[async_trait]
pub(crate) trait Mind: Send + Sync + 'static {
    /// Thinks a turn through. Dropped where it stands when the turn is interrupted.
    async fn think(&self, turn: &Turn) -> End;
    /// Until nothing is left of what dropped turns have begun.
    async fn settle(&self) {}
}

/// Opens an agent. Its task ends when it is closed, when either of its channels is, or when all agents are.
pub(crate) fn begin(mind: impl Mind, tasks: &Tasks) -> OpenAgent {
    let (orders, heard) = mpsc::channel(ORDERS);
    let (said, happenings) = mpsc::channel(HAPPENINGS);
    let life = Life {
        mind: Arc::new(mind),
        orders: heard,
        voice: Voice::new(said),
        turn: None,
        early: Vec::new(),
        prompts: 0,
        last: String::new(),
    };
    tasks.spawn(life.live(tasks.stop().clone()));
    OpenAgent { orders, happenings }
}

struct Life<M> {
    mind: Arc<M>,
    orders: mpsc::Receiver<Order>,
    voice: Voice,
    turn: Option<Thinking>,
    /// Steers that came before their turn; at most [`ORDERS`].
    early: Vec<(TurnId, String)>,
    prompts: u64,
    /// How the last prompt began.
    last: String,
}

/// A turn under way. Dropping it is how it is interrupted.
struct Thinking {
    id: TurnId,
    inbox: Arc<Inbox>,
    /// Ends with what the agent dies of, if it does.
    thought: Pin<Box<dyn Future<Output = Option<String>> + Send>>,
}

enum Ending {
    Closed,
    Died(String),
}

impl<M: Mind> Life<M> {
    async fn live(mut self, stop: CancellationToken) {
        let voice = self.voice.clone();
        let ending = tokio::select! {
            () = stop.cancelled() => Ending::Closed,
            () = voice.lost() => Ending::Closed,
            ending = self.serve() => ending,
        };
        // A turn that is dropped ends its command, if it has one; and nobody gives orders any more.
        let mind = self.mind.clone();
        drop(self);
        let last_words = async {
            match ending {
                Ending::Died(why) => tell(&voice, AgentStatus::Failed, Some(why)).await,
                Ending::Closed => {
                    tell(&voice, AgentStatus::Stopping, None).await;
                    mind.settle().await;
                    tell(&voice, AgentStatus::Stopped, None).await;
                }
            }
        };
        if tokio::time::timeout(FAREWELL, last_words).await.is_err() {
            tracing::warn!("an agent did not end in order");
        }
    }

    async fn serve(&mut self) -> Ending {
        tell(&self.voice, AgentStatus::Starting, None).await;
        tell(&self.voice, AgentStatus::Ready, None).await;
        loop {
            tokio::select! {
                // Orders first: an interrupt does not wait for a turn that always has more to say.
                biased;
                order = self.orders.recv() => match order {
                    None | Some(Order::Close) => return Ending::Closed,
                    Some(order) => self.obey(order).await,
                },
                died = thought(&mut self.turn) => {
                    self.turn = None;
                    if let Some(why) = died {
                        return Ending::Died(why);
                    }
                }
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Prompt { turn, prompt } => self.start(turn, prompt, Vec::new()),
            Order::Resume { turn, prompt, settled } => self.start(turn, prompt, settled),
            Order::Settled { turn, ask, settled } => {
                if let Some(inbox) = self.inbox(&turn) {
                    inbox.settled(ask.id, settled);
                }
            }
            Order::Started { turn, call } => {
                if let Some(inbox) = self.inbox(&turn) {
                    inbox.started(call);
                }
            }
            Order::Steer { turn, text } => match self.inbox(&turn) {
                Some(inbox) => inbox.steered(text),
                None if self.early.len() < ORDERS => self.early.push((turn, text)),
                None => tracing::warn!("a steer is dropped: its turn does not come"),
            },
            Order::Interrupt { turn, .. } => {
                self.turn.take_if(|thinking| thinking.id == turn);
            }
            Order::ChildEnded { turn, call, outcome, text, session: _ } => {
                if let Some(inbox) = self.inbox(&turn) {
                    inbox.child_ended(ChildEnd { call, outcome, text });
                }
            }
            Order::Configured { .. } => {} // it has nothing to set
            Order::Compact => {
                let happening = self.summed_up();
                let _ = self.voice.say(None, happening).await; // with nobody to hear it, we end anyway
            }
            Order::Close => {} // seen before
        }
    }

    /// A turn that still runs is over: nobody starts another before.
    fn start(&mut self, id: TurnId, prompt: Prompt, settled: Vec<(Ask, Settled)>) {
        self.prompts += 1;
        let line = prompt.text.lines().next().unwrap_or_default();
        self.last = line.chars().take(RECALLED).collect();
        let inbox = Arc::new(Inbox::default());
        for (turn, text) in self.early.drain(..) {
            if turn == id {
                inbox.steered(text);
            }
        }
        let turn = Turn { id: id.clone(), prompt, settled, voice: self.voice.clone(), inbox: inbox.clone() };
        let mind = self.mind.clone();
        let thought = Box::pin(async move {
            match mind.think(&turn).await {
                End::Died(why) => return Some(why),
                End::Done => turn.say(Happening::Done).await,
                End::Failed { code, message, retry_ms } => {
                    let failed = Happening::Failed { code, message, retry_ms };
                    turn.say(failed).await;
                }
            }
            None
        });
        self.turn = Some(Thinking { id, inbox, thought });
    }

    fn inbox(&self, turn: &TurnId) -> Option<&Inbox> {
        let thinking = self.turn.as_ref().filter(|thinking| thinking.id == *turn)?;
        Some(&thinking.inbox)
    }

    fn summed_up(&self) -> Happening {
        if self.turn.is_some() {
            let error = "a turn is running".to_owned();
            return Happening::CompactionFailed { error };
        }
        let summary = match self.prompts {
            0 => "Nothing was asked since the agent was opened.".to_owned(),
            1 => format!("One prompt so far. It began: {}", self.last),
            more => format!("{more} prompts so far. The last began: {}", self.last),
        };
        Happening::Compacted { summary }
    }
}

async fn tell(voice: &Voice, status: AgentStatus, detail: Option<String>) {
    // With nobody to hear it, the agent ends anyway.
    let _ = voice.say(None, Happening::Life { status, detail }).await;
}

async fn thought(turn: &mut Option<Thinking>) -> Option<String> {
    match turn {
        Some(thinking) => thinking.thought.as_mut().await,
        None => std::future::pending().await,
    }
}
