//! Fork, revert and compact: what people do to a transcript. None of them deletes anything.

use super::Decider;
use crate::event::Event;
use crate::id::{MessageId, SessionId};
use crate::part::{Message, MessageRole, MessageStatus, Part, PartBody};
use crate::refusal::Refusal;
use crate::session::MOST_HIDDEN;

/// How many messages there must be before a summary makes sense.
const LEAST_MESSAGES: u64 = 2;

impl Decider<'_> {
    /// The copy exists already; here it is only noted where it came from.
    pub(super) fn forked(&mut self, message: Option<MessageId>, into: Option<SessionId>) -> Result<(), Refusal> {
        self.check_hosted()?;
        let into = into.unwrap_or_else(|| self.mint());
        self.emit(Event::Forked { into, message });
        Ok(())
    }

    pub(super) fn revert(&mut self, message: MessageId, inclusive: bool) -> Result<(), Refusal> {
        self.check_hosted()?;
        if self.session.turn.is_some() || self.session.compacting {
            return Err(Refusal::Busy);
        }
        let visible = self.facts.place.filter(|(first, _)| !self.session.hides(*first));
        let (first, last) = visible.ok_or_else(|| Refusal::NoSuchMessage(message.clone()))?;
        let from = if inclusive { first } else { last.next() };
        let to = self.session.tip.expect("a log has a first event");
        if from <= to {
            // This one swallows those behind it.
            let apart = self.session.hidden.iter().filter(|(first, _)| *first < from).count();
            if apart >= MOST_HIDDEN {
                return Err(Refusal::TooLong);
            }
            self.emit(Event::Reverted { message, from, to, inclusive });
        }
        Ok(())
    }

    pub(super) fn compact(&mut self) -> Result<(), Refusal> {
        self.check_hosted()?;
        self.check_not_ended()?;
        if self.session.header.archived {
            return Err(Refusal::Archived);
        }
        if self.session.compacting {
            return Err(Refusal::Compacting);
        }
        if self.session.turn.is_some() {
            return Err(Refusal::Busy);
        }
        if self.session.messages < LEAST_MESSAGES {
            return Err(Refusal::TooLittle);
        }
        if self.facts.stopping {
            return Err(Refusal::Stopping);
        }
        if self.facts.broke || self.over_budget() {
            return Err(Refusal::BudgetExceeded);
        }
        self.emit(Event::CompactionStarted { auto: false });
        self.add_note(MessageRole::User, PartBody::Compaction { auto: false, overflow: false }, None);
        Ok(())
    }

    pub(super) fn compacted(&mut self, outcome: Result<String, String>) {
        if !self.session.compacting {
            return;
        }
        let trigger = self.session.last_message.clone();
        let ended = match outcome {
            Ok(text) => {
                let summary = self.add_note(MessageRole::Assistant, PartBody::Text { text }, trigger);
                Event::CompactionEnded { summary: Some(summary), error: None }
            }
            Err(error) => Event::CompactionEnded { summary: None, error: Some(error) },
        };
        self.emit(ended);
        self.advance();
    }

    /// Nobody waits for the summary any more.
    pub(super) fn stop_compacting(&mut self, why: &str) {
        if self.session.compacting {
            self.emit(Event::CompactionEnded { summary: None, error: Some(why.to_owned()) });
        }
    }

    fn add_note(&mut self, role: MessageRole, body: PartBody, parent: Option<MessageId>) -> MessageId {
        let id: MessageId = self.mint();
        let parts = vec![Part { id: self.mint(), message: id.clone(), at: self.now, body }];
        let message = Message {
            id: id.clone(),
            role,
            status: MessageStatus::Completed,
            created_at: self.now,
            turn: None,
            completed_at: Some(self.now),
            model: None,
            provider: None,
            usage: None,
            error: None,
            summary: parent.is_some(),
            parent,
        };
        self.emit(Event::MessageAdded { message, parts });
        id
    }
}
