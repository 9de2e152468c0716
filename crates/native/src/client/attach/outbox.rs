//! Commands on their way: in order, one at a time, each until it is answered.

use std::collections::VecDeque;

use rejoin_core::id::CommandId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::client::{CommandError, Done, Error, Problem};

/// A command, and whoever waits for its answer.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) id: CommandId,
    /// The whole frame: sent again, it is the same to the letter.
    pub(super) frame: String,
    pub(super) answer: oneshot::Sender<Result<Done, CommandError>>,
    /// Its place among those that may wait.
    pub(super) _room: OwnedSemaphorePermit,
}

/// What waits, the oldest first.
///
/// Only the oldest is under way. With two under way, a gateway that is too busy for the first could take the second,
/// and the order in which they were given would be lost.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Given>,
    under_way: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, given: Given) {
        self.waiting.push_back(given);
    }

    /// The frame to send now, if there is one; it counts as sent.
    pub(super) fn next(&mut self) -> Option<String> {
        if self.under_way {
            return None;
        }
        let frame = self.waiting.front()?.frame.clone();
        self.under_way = true;
        Some(frame)
    }

    /// What was under way may not have arrived: it is sent again, under the same id.
    pub(super) fn again(&mut self) {
        self.under_way = false;
    }

    pub(super) fn done(&mut self, done: Done) {
        if let Some(given) = self.take(&done.id) {
            let _ = given.answer.send(Ok(done)); // whoever asked may have gone
        }
    }

    /// Settles a refused command, unless the gateway may take it later: then it says so and keeps it.
    pub(super) fn refused(&mut self, id: &CommandId, problem: Problem) -> Kept {
        if problem.is_postponed() && self.is_first(id) {
            return Kept::ForLater;
        }
        if let Some(given) = self.take(id) {
            let _ = given.answer.send(Err(CommandError::Refused(problem)));
        }
        Kept::No
    }

    /// Nothing will be sent any more.
    pub(super) fn close(&mut self, why: Option<&Error>) {
        for given in self.waiting.drain(..) {
            let _ = given.answer.send(Err(CommandError::Closed(why.cloned())));
        }
    }

    fn is_first(&self, id: &CommandId) -> bool {
        self.waiting.front().is_some_and(|given| given.id == *id)
    }

    fn take(&mut self, id: &CommandId) -> Option<Given> {
        if !self.is_first(id) {
            return None; // an answer that came twice, or to another's command
        }
        self.under_way = false;
        self.waiting.pop_front()
    }
}

/// Whether a refused command is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    No,
    /// Call [`Outbox::again`] after a while.
    ForLater,
}
