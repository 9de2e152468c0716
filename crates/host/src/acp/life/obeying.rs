//! What the engine orders.

use rejoin_core::ask::Settled;
use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::id::{AskId, TurnId};
use rejoin_core::queue::LONGEST_PROMPT;
use rejoin_core::turn::Prompt;
use rejoin_ports::agent::{ORDERS, Order};
use serde_json::json;
use tokio::time::Instant;

use super::Life;
use super::state::{Flight, State, Turn, Wanted};
use crate::acp::child::Lost;
use crate::acp::failure::Failure;
use crate::acp::prompt::blocks;
use crate::acp::wire::content::Block;
use crate::acp::wire::update::Update;
use crate::acp::{elicitation, permission};

impl Life {
    pub(super) async fn obey(&mut self, order: Order) {
        match order {
            Order::Prompt { turn, prompt } | Order::Resume { turn, prompt, .. } => self.begin_turn(turn, prompt),
            Order::Settled { ask, settled, .. } => self.settle(&ask.id, &settled).await,
            Order::Steer { turn, text } => self.steer(turn, text).await,
            Order::Interrupt { turn, .. } => {
                if self.turn.take_if(|current| current.id == turn).is_some() {
                    self.stop_flight(false).await;
                }
            }
            Order::Compact => {
                let error = "this agent sums up by itself when it needs to".to_owned();
                self.outbox.push_back(FromAgent { turn: None, happening: Happening::CompactionFailed { error } });
            }
            Order::Configured { config, model } => self.configured(*config, model).await,
            // Its tools run when it wants; we hear of them.
            Order::Started { .. } | Order::ChildEnded { .. } | Order::Close => {}
        }
    }

    fn begin_turn(&mut self, id: TurnId, prompt: Prompt) {
        let mut turn = Turn::new(id, prompt);
        for (whose, text) in self.early.drain(..) {
            if whose == turn.id {
                turn.steers.push_back(text);
            }
        }
        self.turn = Some(turn);
    }

    /// Says something to a turn under way. The protocol has no word for it: the agent stops, and goes on with this.
    async fn steer(&mut self, id: TurnId, text: String) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.id == id) else {
            if self.early.len() < ORDERS {
                self.early.push((id, text));
            }
            return;
        };
        let bytes: usize = turn.steers.iter().map(String::len).sum();
        // Nobody is left who could go on.
        let is_gone = turn.ended.is_some() && !matches!(&self.state, State::On(live) if live.flight.is_none());
        if is_gone
            || matches!(turn.ended, Some(Err(_)))
            || turn.steers.len() >= ORDERS
            || bytes + text.len() > LONGEST_PROMPT
        {
            tracing::warn!("a steer is dropped: its turn is over, or too many wait already");
            return;
        }
        turn.steers.push_back(text);
        if turn.ended.take().is_some() {
            // It was about to end, and goes on.
            self.watch.begin(&self.tasks);
            self.send_steers().await;
        } else if turn.prompt.is_none() {
            self.stop_flight(true).await;
        }
    }

    /// Asks the agent to stop what it does. Whatever it asked is not answered any more.
    async fn stop_flight(&mut self, goes_on: bool) {
        let State::On(live) = &mut self.state else { return };
        let Some(flight) = &mut live.flight else { return };
        let asks: Vec<_> = live.asks.drain().collect();
        let mut outcome = Ok(());
        for (id, asked) in asks {
            if goes_on {
                let happening = Happening::AskWithdrawn(id);
                self.outbox.push_back(FromAgent { turn: Some(flight.turn.clone()), happening });
            }
            let told = match asked.what {
                Wanted::Permission(_) => permission::cancelled(),
                Wanted::Form(_) => elicitation::cancelled(),
            };
            outcome = outcome.and(live.child.respond(&asked.request, Ok(told)).await);
        }
        if flight.stop_by.is_none() {
            flight.stop_by = Some(Instant::now() + self.kit.recipe.limits.cancel);
            let params = json!({"sessionId": live.session});
            outcome = outcome.and(live.child.notify("session/cancel", params).await);
        }
        if let Err(lost) = outcome {
            self.lose(lost);
        }
    }

    async fn settle(&mut self, ask: &AskId, settled: &Settled) {
        let State::On(live) = &mut self.state else { return };
        let Some(asked) = live.asks.remove(ask) else { return };
        let told = match &asked.what {
            Wanted::Permission(options) => options.outcome(settled),
            Wanted::Form(form) => form.outcome(settled),
        };
        live.heard_at = Instant::now();
        if let Err(lost) = live.child.respond(&asked.request, Ok(told)).await {
            self.lose(lost);
        }
    }

    /// Does what has become possible: starts a process, sends a prompt, ends a turn.
    pub(super) async fn advance(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        if turn.ended.is_some() {
            if self.watch.is_ready() && self.writes.is_empty() {
                self.end_turn().await;
            }
            return;
        }
        if turn.prompt.is_none() {
            return;
        }
        match &self.state {
            State::Off => {
                turn.starts += 1;
                self.start();
            }
            State::On(live) if live.flight.is_none() && self.watch.is_ready() => {
                if turn.is_watched {
                    self.send_prompt().await;
                } else {
                    turn.is_watched = true;
                    self.watch.begin(&self.tasks);
                }
            }
            _ => {}
        }
    }

    async fn send_prompt(&mut self) {
        let (State::On(live), Some(turn)) = (&mut self.state, &mut self.turn) else { return };
        if live.child.is_gone().await {
            return self.lose(Lost::Exited); // while it was idle: this turn has not begun, and gets another
        }
        let Some(prompt) = turn.prompt.take() else { return };
        let mut out = Vec::new();
        if let Some(why) = live.lost.take() {
            let why = crate::acp::failure::shortened(&why, 500);
            let text = format!(
                "[The agent could not go back to where it was ({why}): it remembers nothing of what was said before.]\n\n"
            );
            out.extend([Happening::Text(text), Happening::Pause]);
        }
        let before = live.remembered.clone();
        for update in std::mem::take(&mut live.news) {
            if !matches!(&update, Update::Commands(commands) if !live.remembered.has_new_commands(commands)) {
                turn.telling.update(update, &mut out);
            }
        }
        let mut content = blocks(&prompt, live.can);
        content.extend(turn.steers.drain(..).map(|text| Block::Text(text).write()));
        let id = turn.id.clone();
        live.remembered.prompted = true;
        if live.remembered != before {
            live.remembered.keep(&self.opening.memory).await;
        }
        self.say_all(&id, out);
        self.fly(id, content).await;
    }

    /// Goes on with what was said while the agent worked.
    pub(super) async fn send_steers(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        let mut out = Vec::new();
        turn.telling.end("interrupted", &mut out);
        out.push(Happening::Pause);
        let content = turn.steers.drain(..).map(|text| Block::Text(text).write()).collect();
        let id = turn.id.clone();
        self.say_all(&id, out);
        self.fly(id, content).await;
    }

    async fn fly(&mut self, turn: TurnId, content: Vec<serde_json::Value>) {
        let State::On(live) = &mut self.state else { return };
        let params = json!({"sessionId": live.session, "prompt": content});
        live.heard_at = Instant::now();
        match live.child.request("session/prompt", params).await {
            Ok(number) => live.flight = Some(Flight { number, turn, stop_by: None }),
            Err(lost) => self.lose(lost),
        }
    }

    /// When something is late, if anything can be.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let State::On(live) = &self.state else { return None };
        let flight = live.flight.as_ref()?;
        // While people think about an answer, or we work for it, it may be silent.
        let may_be_silent = !live.asks.is_empty() || !self.works.is_empty();
        let silence = (!may_be_silent).then(|| live.heard_at + self.kit.recipe.limits.silence);
        [flight.stop_by, silence].into_iter().flatten().min()
    }

    /// The deadline has come.
    pub(super) fn late(&mut self) {
        let State::On(live) = &self.state else { return };
        let limits = &self.kit.recipe.limits;
        let what = match live.flight.as_ref().and_then(|flight| flight.stop_by) {
            Some(_) => format!("the agent did not stop within {} ms of being asked to", limits.cancel.as_millis()),
            None => format!("the agent said nothing for {} ms", limits.silence.as_millis()),
        };
        self.lose(Lost::Silent(what));
    }

    async fn end_turn(&mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        let mut out = Vec::new();
        turn.telling.end("the agent's turn was over", &mut out);
        out.push(match turn.ended {
            Some(Err(Failure { code, message })) => {
                Happening::Failed { code: code.to_owned(), message, retry_ms: None }
            }
            _ => Happening::Done,
        });
        self.say_all(&turn.id, out);
    }
}
