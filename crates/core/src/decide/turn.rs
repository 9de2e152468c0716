//! Turns: starting, meeting a running one, steering, interrupting, ending, repairing.

use std::sync::Arc;

use super::Decider;
use crate::ask::{Ask, Unanswered};
use crate::event::Event;
use crate::header::{AgentStatus, End, LONGEST_LABEL, Status};
use crate::part::{Attachment, Message, MessageRole, MessageStatus, Part, PartBody, ToolState};
use crate::queue::{LONGEST_PROMPT, QueueItem};
use crate::refusal::Refusal;
use crate::turn::{IfBusy, Outcome};
use crate::who::Author;

/// How many attachments a prompt may carry.
const MOST_ATTACHMENTS: usize = 32;

impl Decider<'_> {
    pub(super) fn prompt(
        &mut self,
        text: String,
        attachments: Vec<Attachment>,
        if_busy: IfBusy,
        reference: Option<String>,
    ) -> Result<(), Refusal> {
        self.check_prompt(&text, &attachments, reference.as_deref())?;
        if self.facts.stopping {
            return Err(Refusal::Stopping);
        }
        let busy = self.session.turn.is_some() || self.session.compacting;
        if !busy {
            self.check_turns_left()?;
            self.start_turn(text, attachments, reference, None, self.author.clone());
            return Ok(());
        }
        match if_busy {
            IfBusy::Refuse => Err(Refusal::Busy),
            IfBusy::Queue => self.enqueue(text, attachments, reference),
            IfBusy::Steer if self.session.turn.is_some() && attachments.is_empty() => self.steer(text),
            // What cannot be steered with is not dropped either: it waits.
            IfBusy::Steer => self.enqueue(text, attachments, reference),
            IfBusy::Interrupt if self.session.turn.is_some() => {
                self.check_turns_left()?;
                self.end_turn_only(Outcome::Interrupted { reason: "user".into() });
                self.start_turn(text, attachments, reference, None, self.author.clone());
                Ok(())
            }
            IfBusy::Interrupt => Err(Refusal::Compacting),
        }
    }

    /// What must hold for a prompt, whether it starts a turn or waits for one.
    pub(super) fn check_prompt(
        &self,
        text: &str,
        attachments: &[Attachment],
        reference: Option<&str>,
    ) -> Result<(), Refusal> {
        self.check_hosted()?;
        self.check_not_ended()?;
        if self.session.header.status == Status::Closed {
            return Err(Refusal::Closed);
        }
        if self.session.header.archived {
            return Err(Refusal::Archived);
        }
        if text.trim().is_empty() && attachments.is_empty() {
            return Err(Refusal::Empty);
        }
        let attached: usize = attachments.iter().map(Attachment::length).sum();
        if text.len() + attached > LONGEST_PROMPT
            || attachments.len() > MOST_ATTACHMENTS
            || reference.is_some_and(|reference| reference.len() > LONGEST_LABEL)
        {
            return Err(Refusal::TooLong);
        }
        if self.facts.broke || self.over_budget() {
            return Err(Refusal::BudgetExceeded);
        }
        Ok(())
    }

    /// Whether it has had as many turns as it was given.
    fn turns_used_up(&self) -> bool {
        self.session.config.max_turns.is_some_and(|most| self.session.header.turns >= u64::from(most))
    }

    fn check_turns_left(&self) -> Result<(), Refusal> {
        if self.turns_used_up() { Err(Refusal::BudgetExceeded) } else { Ok(()) }
    }

    /// Whether it may start nothing more, however much it would like to.
    pub(super) fn is_used_up(&self) -> bool {
        self.over_budget() || self.turns_used_up()
    }

    pub(super) fn over_budget(&self) -> bool {
        let spent = self.session.header.usage.cost_micros.unwrap_or(0);
        self.session.config.budget_micros.is_some_and(|budget| spent >= budget)
    }

    fn start_turn(
        &mut self,
        text: String,
        attachments: Vec<Attachment>,
        reference: Option<String>,
        item: Option<&QueueItem>,
        author: Arc<Author>,
    ) {
        let turn: crate::id::TurnId = self.mint();
        let id: crate::id::MessageId = self.mint();
        let mut parts =
            vec![Part { id: self.mint(), message: id.clone(), at: self.now, body: PartBody::Text { text } }];
        for Attachment { mime, name, url, .. } in attachments {
            let body = if mime.starts_with("image/") {
                PartBody::Image { mime, url }
            } else {
                PartBody::File { name, mime, url }
            };
            parts.push(Part { id: self.mint(), message: id.clone(), at: self.now, body });
        }
        let message = Message {
            id: id.clone(),
            role: MessageRole::User,
            status: MessageStatus::Completed,
            created_at: self.now,
            turn: Some(turn.clone()),
            completed_at: Some(self.now),
            model: None,
            provider: None,
            usage: None,
            error: None,
            parent: None,
            summary: false,
        };
        let started = Event::TurnStarted { turn, prompt: id, item: item.map(|item| item.id.clone()), reference };
        self.emit_as(author.clone(), started);
        self.emit_as(author, Event::MessageAdded { message, parts });
    }

    /// Starts the next queued prompt, if nothing stands in its way.
    pub fn advance(&mut self) {
        let idle = self.session.turn.is_none() && !self.session.compacting;
        let open = self.session.is_open() && !self.session.header.archived;
        if !idle || !open || self.facts.stopping || self.facts.broke || self.is_used_up() {
            return;
        }
        if let Some(item) = self.session.queue.first().cloned() {
            let author = Arc::new(item.author.clone());
            self.start_turn(item.text.clone(), item.attachments.clone(), item.reference.clone(), Some(&item), author);
        }
    }

    pub(super) fn steer(&mut self, text: String) -> Result<(), Refusal> {
        self.check_hosted()?;
        if text.trim().is_empty() {
            return Err(Refusal::Empty);
        }
        if text.len() > LONGEST_PROMPT {
            return Err(Refusal::TooLong);
        }
        let turn = self.session.turn.as_ref().ok_or(Refusal::NotRunning)?.id.clone();
        self.emit(Event::Steered { turn, text });
        Ok(())
    }

    /// Ends the running turn. Harmless when none runs; the queue goes on unless it is cleared.
    pub(super) fn interrupt(&mut self, reason: Option<String>, clear_queue: bool) -> Result<(), Refusal> {
        self.check_hosted()?;
        if reason.as_ref().is_some_and(|reason| reason.len() > crate::header::LONGEST_TITLE) {
            return Err(Refusal::TooLong);
        }
        if clear_queue {
            let waiting: Vec<_> = self.session.queue.iter().map(|item| item.id.clone()).collect();
            waiting.into_iter().for_each(|item| self.emit(Event::Dequeued { item }));
        }
        if self.session.compacting {
            self.stop_compacting("interrupted");
            self.advance();
        } else {
            self.end_turn(Outcome::Interrupted { reason: reason.unwrap_or_else(|| "user".into()) });
        }
        Ok(())
    }

    /// Ends the turn, if one is open, and goes on with what follows from that.
    pub fn end_turn(&mut self, outcome: Outcome) {
        if self.session.turn.is_some() {
            self.end_turn_only(outcome);
            self.after_turn();
        }
    }

    pub(super) fn end_turn_only(&mut self, outcome: Outcome) {
        let Some(turn) = self.session.turn.clone() else {
            return;
        };
        let lost = matches!(&outcome, Outcome::Interrupted { reason } if reason == "agent_lost");
        let own: Vec<_> = self.session.asks.values().filter(|ask| ask.turn == turn.id).cloned().collect();
        for ask in own {
            let reason = if lost { Unanswered::AgentLost } else { Unanswered::Interrupted };
            self.emit(Event::AskClosed { ask: ask.id, reason, call: ask.call });
        }
        for part in turn.parts {
            let part = self.cut_short(part, &outcome);
            self.emit(Event::PartCompleted { part, whole: false });
        }
        if let Some(mut message) = turn.message {
            message.completed_at = Some(self.now);
            message.status = match &outcome {
                Outcome::Completed => MessageStatus::Completed,
                Outcome::Failed { .. } => MessageStatus::Failed,
                Outcome::Interrupted { .. } => MessageStatus::Interrupted,
            };
            if let Outcome::Failed { message: why, .. } = &outcome {
                message.error = Some(why.clone());
            }
            message.usage = self.session.turn.as_ref().map(|turn| turn.usage);
            self.emit(Event::MessageCompleted { message });
        }
        // Completing its parts has gathered their text.
        let Some(turn) = self.session.turn.as_ref() else {
            return;
        };
        let ended = Event::TurnEnded {
            turn: turn.id.clone(),
            outcome,
            text: turn.text.clone(),
            text_truncated: turn.text_truncated,
            usage: turn.usage,
            cascaded: turn.children.clone(),
        };
        self.emit(ended);
    }

    /// A part as it stays when its turn ends around it.
    fn cut_short(&self, mut part: Part, outcome: &Outcome) -> Part {
        let PartBody::Tool(call) = &mut part.body else {
            return part;
        };
        let started_at = call.state.started_at();
        if call.state.is_over() {
            return part;
        }
        call.state = match (outcome, started_at) {
            // Whether it finished, and what it did, died with the gateway. It is never run again.
            (Outcome::Interrupted { reason }, Some(started_at)) if reason == "restart" => {
                ToolState::Unknown { started_at }
            }
            (outcome, started_at) => {
                let reason = match outcome {
                    Outcome::Interrupted { reason } => reason.clone(),
                    _ => "turn_ended".into(),
                };
                ToolState::Interrupted {
                    started_at: started_at.unwrap_or(self.now),
                    ended_at: self.now,
                    reason,
                    partial: None,
                }
            }
        };
        part
    }

    fn after_turn(&mut self) {
        let used_up = self.turns_used_up();
        let done = self.session.config.one_shot && self.session.queue.is_empty();
        if self.session.is_open() && (used_up || done) {
            let error = used_up.then(|| "max_turns".to_owned());
            let end = End { reason: "completed".into(), exit_code: Some(0), error, at: self.now };
            self.emit(Event::SessionEnded { end });
        }
        self.advance();
    }

    /// The process that had this session is gone, and with it everybody's connection: whoever had control may come back.
    pub fn restarted(&mut self) {
        if let Some(control) = self.session.control.after_restart(self.now) {
            self.emit(Event::ControlChanged { control, reason: crate::control::ControlReason::GraceEntered });
        }
    }

    /// The agent was closed in order; a parked turn does not need it.
    pub fn agent_closed(&mut self, why: &str) {
        if self.session.header.agent_status != AgentStatus::Stopped {
            self.emit(Event::AgentChanged { status: AgentStatus::Stopped, detail: Some(why.to_owned()) });
        }
    }

    /// Puts in order what is left of a session whose agent is gone. `resumable`: the agent can be brought back.
    pub fn repair(&mut self, resumable: bool, reason: &str) {
        self.agent_closed(reason);
        self.stop_compacting(reason);
        if let Some(turn) = &self.session.turn {
            let parked = turn.is_parked(&self.session.asks);
            if resumable && (parked || turn.can_go_on()) {
                return self.leave_behind(reason);
            }
            let reason = if parked { "agent_lost" } else { reason };
            self.end_turn(Outcome::Interrupted { reason: reason.to_owned() });
        }
        self.advance();
    }

    /// What a lost agent had in its hands and cannot go on with: asks without a mark, tools that ran, text half said.
    fn leave_behind(&mut self, reason: &str) {
        let Some(turn) = &self.session.turn else {
            return;
        };
        let unmarked = |ask: &&Ask| ask.turn == turn.id && ask.origin.is_none() && ask.bookmark.is_none();
        let asks: Vec<Ask> = self.session.asks.values().filter(unmarked).cloned().collect();
        let parts: Vec<Part> = turn.under_way().cloned().collect();
        for ask in asks {
            self.emit(Event::AskClosed { ask: ask.id, reason: Unanswered::AgentLost, call: ask.call });
        }
        let outcome = Outcome::Interrupted { reason: reason.to_owned() };
        for part in parts {
            let part = self.cut_short(part, &outcome);
            self.emit(Event::PartCompleted { part, whole: false });
        }
    }
}
