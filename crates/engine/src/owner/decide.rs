//! What an owner decides: requests, happenings, deadlines; and what it does once they are kept.

use std::sync::Arc;

use rejoin_core::command::Command;
use rejoin_core::decide::{Decider, Facts};
use rejoin_core::event::Event;
use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::id::{CommandId, UserId};
use rejoin_core::position::Seq;
use rejoin_core::sealed::Sealing;
use rejoin_core::turn::{Outcome, Unheard};
use rejoin_core::who::Author;
use rejoin_ports::agent::Order;
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::store::Receipt;

use super::receipts::Met;
use super::{Done, Owner, Refused, Reply, Request, weight};
use crate::effects::{Effect, effects};
use crate::engine::TimeIds;
use crate::outgoing::Message;
use crate::sealed::Sealings;

/// Orders held back for an agent that is off.
const MOST_HELD: usize = 64;

impl Owner {
    /// Decides something, and notes what will follow from it.
    pub(super) fn decide<R>(
        &mut self,
        author: Arc<Author>,
        facts: Facts,
        decide: impl FnOnce(&mut Decider<'_>) -> R,
    ) -> R {
        let before = self.pending.len();
        let broke = facts.broke;
        // A delta may join the last of them, so what that one weighs may change.
        let last_weighed = self.pending.last().map_or(0, |logged| weight(&logged.event));
        let mut ids = TimeIds;
        let mut decider = Decider {
            session: &mut self.session,
            pending: &mut self.pending,
            now: self.inner.clock.now(),
            author,
            ids: &mut ids,
            facts,
        };
        let decided = decide(&mut decider);
        if let Some(last) = before.checked_sub(1) {
            self.pending_bytes += weight(&self.pending[last].event) - last_weighed;
        }
        for logged in &self.pending[before..] {
            self.pending_bytes += weight(&logged.event);
            effects(&self.session, logged, &mut self.fresh_effects);
        }
        for (seq, effect) in self.fresh_effects.drain(..) {
            // An agent takes a while to open: that need not wait for the commit, only its orders must.
            if let Effect::Order(Order::Prompt { .. } | Order::Compact) = &effect {
                self.link.open(&self.inner, &self.session);
            }
            self.effects.push_back((seq, effect));
        }
        self.count_running();
        if broke {
            self.wait_for_money();
        }
        decided
    }

    /// What waits in the queue goes on when the tenant may spend again.
    fn wait_for_money(&mut self) {
        let waits = self.session.turn.is_none() && !self.session.queue.is_empty();
        if waits && !self.purse.wait(&self.id) {
            self.decide_as_gateway(|decider| decider.advance()); // it came just now
        }
    }

    pub(super) fn decide_as_gateway<R>(&mut self, decide: impl FnOnce(&mut Decider<'_>) -> R) -> R {
        self.decide(self.gateway_author.clone(), self.facts(), decide)
    }

    /// What has to be put in order before anything else is decided.
    pub(super) fn settle_in(&mut self, stale: bool, lift: u64) {
        let resumable = self.inner.is_resumable(&self.session.header.agent);
        self.decide_as_gateway(|decider| {
            if lift > 0 {
                decider.restored(lift);
            }
            if stale {
                decider.restarted();
            }
            decider.alarm();
            decider.repair(resumable, if stale { "restart" } else { "agent_lost" });
        });
        self.go_on();
    }

    /// Brings the agent back to a turn that has an answer to go on from.
    fn go_on(&mut self) {
        let Some(turn) = self.session.turn.as_ref().filter(|turn| turn.can_go_on()) else {
            return;
        };
        let settled = turn.unheard.iter().map(|Unheard { ask, settled }| (ask.clone(), settled.clone())).collect();
        let order = Order::Resume { turn: turn.id.clone(), prompt: turn.prompt.clone(), settled };
        self.link.open(&self.inner, &self.session);
        let held = std::mem::take(&mut self.held);
        for order in std::iter::once(order).chain(held) {
            self.order(order);
        }
    }

    pub(super) async fn handle(&mut self, request: Request) {
        match request {
            Request::Run { caller, id, command, body, reply } => self.run(caller, id, command, body, reply).await,
            Request::Seal { caller, wanted, reply } => self.seal(caller, wanted, None, reply).await,
            Request::Note { author, happening, reply } => {
                let facts = self.facts();
                self.decide(author, facts, |decider| decider.happened(FromAgent { turn: None, happening }));
                self.answer_when_kept(reply);
            }
            Request::Keep { mut receipt, reply } => {
                receipt.seq = self.session.tip.map_or(0, Seq::get);
                if let Met::Never = self.receipts.meet(&receipt.user, &receipt.command) {
                    self.new_receipts.push(receipt);
                }
                self.answer_when_kept(reply);
            }
            Request::Delete { author, reply } => {
                let facts = self.facts();
                self.decide(author, facts, |decider| decider.delete());
                self.answer_when_kept(reply);
                self.deleted = true;
            }
            Request::ChildEnded { child, outcome, text, reply } => {
                let turn = self.session.turn.as_ref().map(|turn| turn.id.clone());
                let waits = self.session.turn.as_ref().is_some_and(|turn| turn.children.contains(&child));
                self.decide_as_gateway(|decider| decider.child_ended(&child, outcome.clone()));
                let call = self.calls.remove(&child);
                if let Some(turn) = turn.filter(|_| waits) {
                    let seq = self.session.tip.expect("a log has a first event");
                    let order = Order::ChildEnded { turn, session: child, call, outcome, text };
                    self.effects.push_back((seq, Effect::Order(order)));
                }
                self.answer_when_kept(reply);
            }
            Request::Mirror { event, reply } => {
                self.decide_as_gateway(|decider| match *event {
                    Event::AskOpened { ask } => decider.mirror_ask(ask),
                    settled => decider.mirror_settled(settled),
                });
                self.answer_when_kept(reply);
            }
            Request::Wake { reply } => {
                self.decide_as_gateway(|decider| {
                    decider.alarm();
                    decider.advance();
                });
                // A row that promises a deadline which is not there would wake us again and again.
                self.row_is_old |= self.session.wake_at() != self.kept_wake;
                if let Some(reply) = reply {
                    self.answer_when_kept(reply);
                }
            }
        }
    }

    async fn run(&mut self, caller: Caller, id: CommandId, command: Command, body: [u8; 16], reply: Reply) {
        let user = caller.identity.user.clone();
        let met = match self.receipts.meet(&user, &id) {
            Met::Perhaps => match self.inner.store.receipt(&self.id, &user, &id).await {
                Ok(found) => found.map_or(Met::Never, Met::Before),
                Err(error) => return refuse(reply, Failure::Store(error)),
            },
            met => met,
        };
        // One that is decided and not kept yet is as good as kept: its answer comes with it.
        let met = self.waiting_receipt(&user, &id).map_or(met, Met::Before);
        if let Met::Before(receipt) = met {
            if receipt.body != body {
                return refuse(reply, Failure::IdReused);
            }
            return self.answer_with(Done::at(receipt.seq), reply);
        }
        if let Command::Seal { content, local } = command {
            let wanted = Arc::new(Sealings::new(vec![Sealing { content, local }]));
            return self.seal(caller, wanted, Some((id, body)), reply).await;
        }
        let place = match &command {
            Command::Revert { message, .. } => match self.inner.store.place(&self.id, message).await {
                Ok(place) => place,
                Err(error) => return refuse(reply, Failure::Store(error)),
            },
            _ => None,
        };
        let facts = Facts {
            role: Some(caller.identity.role),
            capabilities: caller.capabilities,
            speaks_control: caller.speaks_control,
            workspace_grants: match &command {
                Command::RevokeGrant { .. } => self.inner.grants.of(&self.session.header),
                _ => Vec::new(),
            },
            place,
            stopping: self.inner.is_stopping(),
            broke: self.purse.is_empty(),
        };
        // A child's ask is answered where it was asked; here it is only seen to that this person may.
        if let Command::Answer { ask, answer } = &command
            && let Some(child) = self.session.asks.get(ask).and_then(|ask| ask.origin.clone())
        {
            let fits = self.decide(caller.author, facts, |decider| decider.check_answer(ask, answer).map(|_| ()));
            return match fits {
                Ok(()) => {
                    let seq = self.session.tip.map_or(0, Seq::get);
                    drop(reply.send(Ok(Done { redirect: Some(child), ..Done::at(seq) })))
                }
                Err(refusal) => refuse(reply, refusal.into()),
            };
        }
        match self.decide(caller.author, facts, |decider| decider.command(command)) {
            Ok(()) => {
                self.inner.counts.commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let seq = self.session.tip.map_or(0, Seq::get);
                self.new_receipts.push(Receipt { user, command: id, body, seq });
                self.answer_when_kept(reply);
            }
            Err(refusal) => {
                self.inner.counts.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                refuse(reply, refusal.into());
            }
        }
    }

    fn waiting_receipt(&self, user: &UserId, id: &CommandId) -> Option<Receipt> {
        let mut waiting = self.new_receipts.iter().chain(self.flight.iter().flat_map(|flight| &flight.receipts));
        waiting.find(|receipt| receipt.user == *user && receipt.command == *id).cloned()
    }

    /// The answer follows everything that was decided up to now.
    fn answer_when_kept(&mut self, reply: Reply) {
        self.answer_with(Done::at(self.session.tip.map_or(0, Seq::get)), reply);
    }

    pub(super) fn answer_with(&mut self, done: Done, reply: Reply) {
        let seq = done.seq;
        // A receipt alone is a change too: its answer waits for the append that keeps it.
        let kept = seq <= self.kept.map_or(0, Seq::get) && self.new_receipts.is_empty() && self.flight.is_none();
        if kept {
            let _ = reply.send(Ok(done));
        } else {
            let nothing_new = self.pending.is_empty() && self.new_receipts.is_empty();
            let append = if nothing_new { self.appends } else { self.appends + 1 };
            self.askers.push_back(super::Asker { seq, append, reply, done });
        }
    }

    pub(super) fn happened(&mut self, from: FromAgent) {
        if let Happening::Task { text, .. } = &from.happening
            && self.session.turn.as_ref().map(|turn| &turn.id) == from.turn.as_ref()
        {
            self.tasks.push_back(text.clone());
        }
        let lost = matches!(
            &from.happening,
            Happening::Life {
                status: rejoin_core::header::AgentStatus::Failed | rejoin_core::header::AgentStatus::Stopped,
                ..
            }
        );
        let cost = self.cost_of(&from);
        self.unkept_cost = self.unkept_cost.saturating_add(cost);
        self.purse.spend(cost);
        let mut facts = self.facts();
        if matches!(&from.happening, Happening::Asked(_)) {
            facts.workspace_grants = self.inner.grants.of(&self.session.header);
        }
        let author = self.agent_author.clone();
        self.decide(author, facts, |decider| decider.happened(from));
        if lost {
            let inner = self.inner.clone();
            self.link.off(&inner);
            // What waits in the queue gets a fresh agent.
            if self.session.turn.is_some() {
                self.link.open(&self.inner, &self.session);
            }
        }
    }

    /// What the agent of the open turn says that it has spent.
    fn cost_of(&self, from: &FromAgent) -> u64 {
        let current = self.session.turn.as_ref().map(|turn| &turn.id);
        match &from.happening {
            Happening::Usage(usage) if current.is_some() && from.turn.as_ref() == current => {
                usage.cost_micros.unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Does what follows from a kept event.
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Order(order) => self.order(order),
            Effect::Mirror { root, event } => self.outgoing.send(&self.inner, root, Message::Mirror { event }),
            Effect::TellParent { parent, outcome, text } => {
                let child = self.id.clone();
                self.outgoing.send(&self.inner, parent, Message::ChildEnded { child, outcome, text });
            }
            Effect::Vacate => {
                let (inner, header) = (self.inner.clone(), self.session.header.clone());
                self.inner.tasks.spawn(async move { inner.workplaces.vacate(&header).await });
            }
            Effect::Cascade { children } => {
                for child in children {
                    self.inner.command_as_gateway(
                        child,
                        Command::Interrupt { reason: Some("cascade".into()), clear_queue: false },
                    );
                }
            }
            Effect::Child { session, name, call } => {
                if let Some(call) = call {
                    self.calls.insert(session.clone(), call);
                }
                let text = self.tasks.pop_front().unwrap_or_default();
                self.inner.start_child(&self.session.header, &self.session.config, session, name, text);
            }
        }
    }

    fn order(&mut self, order: Order) {
        if self.link.is_off() {
            match order {
                // An answer brings back the agent that left while people were thinking.
                Order::Settled { .. } => return self.go_on(),
                Order::Steer { .. } if self.held.len() < MOST_HELD => return self.held.push(order),
                Order::Prompt { .. } | Order::Compact => self.link.open(&self.inner, &self.session),
                _ => return,
            }
        }
        if let Order::Interrupt { .. } = &order {
            self.held.clear();
        }
        if let Err(why) = self.link.send(order) {
            let inner = self.inner.clone();
            self.link.off(&inner);
            self.decide_as_gateway(|decider| {
                decider.agent_closed(&why);
                decider.end_turn(Outcome::Failed { code: "agent_failed".into(), message: why, retry_ms: None });
            });
        }
    }
}

pub(super) fn refuse(reply: Reply, failure: Failure) {
    let _ = reply.send(Err(Refused::Failure(failure))); // the asker may have hung up
}
