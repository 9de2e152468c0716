//! The queue: prompts that wait, in an order people can change.

use super::Decider;
use crate::event::Event;
use crate::id::QueueId;
use crate::part::Attachment;
use crate::queue::{LONGEST_PROMPT, MOST_QUEUED, QueueItem};
use crate::refusal::Refusal;

impl Decider<'_> {
    pub(super) fn enqueue(
        &mut self,
        text: String,
        attachments: Vec<Attachment>,
        reference: Option<String>,
    ) -> Result<(), Refusal> {
        self.check_prompt(&text, &attachments, reference.as_deref())?;
        if self.session.queue.len() >= MOST_QUEUED {
            return Err(Refusal::QueueFull);
        }
        let item = QueueItem {
            id: self.mint(),
            text,
            attachments,
            added_at: self.now,
            author: (*self.author).clone(),
            reference,
        };
        self.emit(Event::Queued { item });
        Ok(())
    }

    pub(super) fn edit(&mut self, item: QueueId, text: String) -> Result<(), Refusal> {
        self.check_item(&item)?;
        if text.trim().is_empty() {
            return Err(Refusal::Empty);
        }
        if text.len() > LONGEST_PROMPT {
            return Err(Refusal::TooLong);
        }
        self.emit(Event::QueueEdited { item, text });
        Ok(())
    }

    pub(super) fn move_item(&mut self, item: QueueId, before: Option<QueueId>) -> Result<(), Refusal> {
        self.check_item(&item)?;
        if let Some(before) = &before {
            self.check_item(before)?;
        }
        if before.as_ref() != Some(&item) {
            self.emit(Event::QueueMoved { item, before });
        }
        Ok(())
    }

    pub(super) fn dequeue(&mut self, item: QueueId) -> Result<(), Refusal> {
        self.check_item(&item)?;
        self.emit(Event::Dequeued { item });
        Ok(())
    }

    fn check_item(&self, item: &QueueId) -> Result<(), Refusal> {
        let there = self.session.queue.iter().any(|queued| queued.id == *item);
        if there { Ok(()) } else { Err(Refusal::NoSuchItem(item.clone())) }
    }
}
