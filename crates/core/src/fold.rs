//! Folding: one event into a session. Whatever a log holds, this does not fail; what does not fit changes nothing.

use crate::ask::Settled;
use crate::control::Control;
use crate::event::{Event, Logged};
use crate::grant::{MOST_GRANTS, Scope};
use crate::header::{LastTurn, SessionKind, Status};
use crate::part::{Message, MessageRole, Part, PartBody};
use crate::position::{Millis, Seq};
use crate::session::{MOST_HIDDEN, Session};
use crate::turn::{LONGEST_FINAL_TEXT, OpenTurn, Outcome, Prompt, Unheard};

impl Session {
    /// Adds one event. A delta that carries the number of the delta before it was merged into that one.
    pub fn apply(&mut self, logged: &Logged) {
        let Logged { seq, at, event, author, context: _ } = logged;
        let (seq, at) = (*seq, *at);
        self.tip = self.tip.max(Some(seq));
        // Deltas are most of a log: they change nothing but their part.
        if let Event::PartDelta { part, text, marks, .. } = event {
            let fresh = marks.is_empty();
            if let Some(grown) = self.part_mut(part.as_str()).and_then(|part| part.body.growing()) {
                if !fresh {
                    grown.clear(); // it stands for all deltas of its part
                }
                grown.push_str(text);
            }
            if author.door == "agent" {
                self.heard_from_agent();
            }
            return;
        }
        self.header.updated_at = self.header.updated_at.max(at);
        match event {
            Event::SessionCreated { .. } | Event::Unknown(_) | Event::SessionDeleted {} | Event::Forked { .. } => {}
            Event::ToolOutput { .. }
            | Event::FileChanged { .. }
            | Event::AskRemembered { .. }
            | Event::PartDelta { .. } => {}
            Event::SessionRenamed { title } => self.header.title.clone_from(title),
            Event::SessionLabelled { labels } => self.header.labels.clone_from(labels),
            Event::SessionArchived {} => self.header.archived = true,
            Event::SessionUnarchived {} => self.header.archived = false,
            Event::SessionClosed {} => self.header.status = Status::Closed,
            Event::SessionReopened {} => {
                self.header.status = Status::Idle;
                self.refresh_status();
            }
            Event::SessionEnded { end } => {
                self.header.end = Some(end.clone());
                self.header.status = Status::Ended;
                self.queue.clear();
            }
            Event::SessionRestored { lift } => {
                let lifted = |number: u64| number.saturating_add(*lift);
                self.registers.values_mut().for_each(|register| register.version = lifted(register.version));
                // Also where there is none yet: some may have come since the backup.
                if self.header.kind == SessionKind::Sealed {
                    self.sealed = lifted(self.sealed);
                }
            }
            Event::ModelSet { model } => self.header.model.clone_from(model),
            Event::ConfigSet { config } => self.config = (**config).clone(),
            Event::AgentChanged { status, .. } => self.header.agent_status = *status,

            Event::TurnStarted { turn, prompt, item, reference } => {
                self.queue.retain(|queued| Some(&queued.id) != item.as_ref());
                self.turn = Some(OpenTurn {
                    id: turn.clone(),
                    started_at: at,
                    started: seq,
                    prompt: Prompt { message: prompt.clone(), text: String::new(), attachments: Vec::new() },
                    reference: reference.clone(),
                    item: item.clone(),
                    message: None,
                    parts: Vec::new(),
                    text: String::new(),
                    text_truncated: false,
                    usage: Default::default(),
                    children: Vec::new(),
                    unheard: Vec::new(),
                });
                self.header.turns += 1;
                self.header.last_activity_at = Some(at);
                self.refresh_status();
            }
            Event::Steered { .. } => self.header.last_activity_at = Some(at),
            Event::TurnEnded { turn, outcome, .. } => self.end_turn(turn.as_str(), outcome, seq, at),

            Event::MessageAdded { message, parts } => self.add_message(message, parts),
            Event::MessageStarted { message } => {
                self.count_message(message);
                if let Some(turn) = &mut self.turn {
                    turn.message = Some(message.clone());
                }
            }
            Event::MessageCompleted { .. } => {
                if let Some(turn) = &mut self.turn {
                    turn.message = None;
                    turn.parts.clear();
                }
            }
            Event::PartStarted { part } => {
                if let Some(turn) = &mut self.turn {
                    turn.parts.push(part.clone());
                }
            }
            Event::PartUpdated { part } => {
                if let Some(open) = self.part_mut(part.id.as_str()) {
                    *open = part.clone();
                }
            }
            Event::PartCompleted { part, .. } => self.complete_part(part),

            Event::AskOpened { ask } => {
                self.asks.insert(ask.id.clone(), ask.clone());
                self.refresh_status();
            }
            Event::AskAnswered { ask, answer, .. } => self.settle(ask.as_str(), Settled::Answered(answer.clone())),
            Event::AskClosed { ask, reason, .. } => self.settle(ask.as_str(), Settled::Unanswered(*reason)),
            Event::GrantAdded { grant } if grant.scope == Scope::Session => {
                self.grants.insert(grant.id.clone(), grant.clone());
                while self.grants.len() > MOST_GRANTS {
                    self.grants.pop_first(); // ids are in the order of time
                }
            }
            Event::GrantAdded { .. } => {} // the workspace's own: a record
            Event::GrantRevoked { grant } => {
                self.grants.remove(grant);
            }

            Event::Queued { item } => self.queue.push(item.clone()),
            Event::QueueEdited { item, text } => {
                if let Some(queued) = self.queue.iter_mut().find(|queued| queued.id == *item) {
                    queued.text.clone_from(text);
                }
            }
            Event::QueueMoved { item, before } => {
                if let Some(from) = self.queue.iter().position(|queued| queued.id == *item) {
                    let moved = self.queue.remove(from);
                    let to =
                        before.as_ref().and_then(|before| self.queue.iter().position(|queued| queued.id == *before));
                    self.queue.insert(to.unwrap_or(self.queue.len()), moved);
                }
            }
            Event::Dequeued { item } => self.queue.retain(|queued| queued.id != *item),

            Event::ControlChanged { control, .. } => self.control.clone_from(control),
            Event::Reverted { from, to, .. } => self.hide(*from, *to),
            Event::CompactionStarted { .. } => self.compacting = true,
            Event::CompactionEnded { .. } => self.compacting = false,
            Event::ChildStarted { session, .. } => {
                if let Some(turn) = &mut self.turn {
                    turn.children.push(session.clone());
                }
            }
            Event::ChildEnded { session, .. } => {
                if let Some(turn) = &mut self.turn {
                    turn.children.retain(|child| child != session);
                }
            }
            Event::UsageReported { usage, .. } => {
                self.header.usage.add(usage);
                if let Some(turn) = &mut self.turn {
                    turn.usage.add(usage);
                }
            }
            Event::RegisterSet { name, version, value } => {
                let register = self.registers.entry(name.clone()).or_default();
                register.version = *version;
                register.value.clone_from(value);
            }
            Event::SealedAdded { id, number, .. } => {
                self.sealed = *number;
                self.messages += 1;
                self.last_message = Some(id.clone());
                self.header.last_activity_at = Some(at);
            }
        }
        if author.door == "agent" && !matches!(event, Event::AgentChanged { .. }) {
            self.heard_from_agent();
        }
    }

    /// A sign of life behind a settled ask: its agent has heard how it was settled.
    fn heard_from_agent(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.unheard.clear();
        }
    }

    fn part_mut(&mut self, id: &str) -> Option<&mut Part> {
        // The part that grows is nearly always the newest.
        self.turn.as_mut()?.parts.iter_mut().rev().find(|part| part.id.as_str() == id)
    }

    fn count_message(&mut self, message: &Message) {
        self.messages += 1;
        self.last_message = Some(message.id.clone());
    }

    fn add_message(&mut self, message: &Message, parts: &[Part]) {
        self.count_message(message);
        let Some(turn) =
            self.turn.as_mut().filter(|turn| turn.prompt.message == message.id && message.role == MessageRole::User)
        else {
            return;
        };
        for part in parts {
            match &part.body {
                PartBody::Text { text } => turn.prompt.text.push_str(text),
                PartBody::File { name, mime, url } => {
                    turn.prompt.attachments.push(crate::part::Attachment {
                        id: part.id.to_string(),
                        mime: mime.clone(),
                        name: name.clone(),
                        url: url.clone(),
                    });
                }
                PartBody::Image { mime, url } => {
                    turn.prompt.attachments.push(crate::part::Attachment {
                        id: part.id.to_string(),
                        mime: mime.clone(),
                        name: None,
                        url: url.clone(),
                    });
                }
                _ => {}
            }
        }
    }

    fn complete_part(&mut self, part: &Part) {
        let Some(turn) = &mut self.turn else { return };
        turn.parts.retain(|open| open.id != part.id);
        if let PartBody::Text { text } = &part.body {
            let room = LONGEST_FINAL_TEXT.saturating_sub(turn.text.len());
            if text.len() <= room && !turn.text_truncated {
                turn.text.push_str(text);
            } else {
                turn.text.push_str(&text[..text.floor_char_boundary(if turn.text_truncated { 0 } else { room })]);
                turn.text_truncated = true;
            }
        }
    }

    fn end_turn(&mut self, id: &str, outcome: &Outcome, seq: Seq, at: Millis) {
        if self.turn.as_ref().is_some_and(|turn| turn.id.as_str() == id) {
            let turn = self.turn.take().expect("just seen");
            self.header.last_turn = Some(LastTurn { id: turn.id, ended: seq, outcome: outcome.clone() });
        }
        self.header.last_activity_at = Some(at);
        self.refresh_status();
    }

    fn settle(&mut self, id: &str, settled: Settled) {
        if let Some(ask) = self.asks.remove(id)
            && let Some(turn) = self.turn.as_mut().filter(|turn| turn.id == ask.turn && ask.origin.is_none())
        {
            turn.unheard.push(Unheard { ask, settled });
        }
        self.refresh_status();
    }

    /// Status follows from the rest, but for the states that only people enter.
    fn refresh_status(&mut self) {
        if !self.is_open() {
            return;
        }
        self.header.status = match &self.turn {
            None => Status::Idle,
            Some(_) if self.asks.is_empty() => Status::Running,
            Some(_) => Status::Waiting,
        };
    }

    fn hide(&mut self, from: Seq, to: Seq) {
        // A later revert reaches further back than the ones behind it, and swallows them.
        self.hidden.retain(|(first, _)| *first < from);
        match self.hidden.last_mut() {
            Some((_, last)) if last.get() + 1 >= from.get() => *last = to.max(*last),
            _ => self.hidden.push((from, to)),
        }
        if self.hidden.len() > MOST_HIDDEN {
            let (first, _) = self.hidden.remove(0);
            self.hidden[0].0 = first;
        }
    }
}

impl Control {
    /// After a restart every control is in grace: whoever held it has a moment to come back.
    pub fn after_restart(&self, now: Millis) -> Option<Control> {
        let (holder, since) = match self {
            Control::Free => return None,
            Control::Held { holder, since, .. } | Control::Grace { holder, since, .. } => (holder.clone(), *since),
        };
        Some(Control::Grace { holder, since, until: now + crate::control::GRACE_MS })
    }
}
