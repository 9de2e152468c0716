//! Deciding: a command, a happening or a deadline becomes events, or a refusal. Pure: the time, the ids and what had to be
//! looked up come in with it.
//!
//! The state runs ahead of the log while an append is under way, so events are folded in as they are decided. Whoever
//! refuses does so before the first event.

mod agent;
mod ask;
mod compact;
mod control;
mod lifecycle;
mod queue;
mod register;
mod turn;

pub use lifecycle::NewSession;

use std::sync::Arc;

use crate::command::Command;
use crate::control::Holder;
use crate::event::{Event, Logged, Moved};
use crate::grant::Grant;
use crate::id::{Ids, SessionId};
use crate::position::{Millis, Seq};
use crate::refusal::Refusal;
use crate::sealed::Sealing;
use crate::session::Session;
use crate::turn::Outcome;
use crate::who::{Author, Kind, Role};

/// What the rules cannot know by themselves, looked up before they are asked.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Absent: the gateway itself acts.
    pub role: Option<Role>,
    /// What the author's client can do.
    pub capabilities: Vec<String>,
    /// Whether the author's client knows of control, and is bound by it.
    pub speaks_control: bool,
    /// Grants that hold in the session's whole workspace.
    pub workspace_grants: Vec<Grant>,
    /// Where the message that a command names begins and ends in the log.
    pub place: Option<(Seq, Seq)>,
    /// The gateway is stopping.
    pub stopping: bool,
    /// The tenant has nothing left to spend; what an agent reports just now is counted already.
    pub broke: bool,
}

/// One decision under way: the session it is about, and what it has brought so far.
pub struct Decider<'a> {
    pub session: &'a mut Session,
    /// Events that are not on their way to the log yet.
    pub pending: &'a mut Vec<Logged>,
    pub now: Millis,
    pub author: Arc<Author>,
    pub ids: &'a mut dyn Ids,
    pub facts: Facts,
}

impl Decider<'_> {
    /// Decides a command of a person, or of the gateway where nobody's role is given.
    pub fn command(&mut self, command: Command) -> Result<(), Refusal> {
        if self.facts.role.is_some_and(|role| !role.may(command.verb(), Kind::Session)) {
            return Err(Refusal::Forbidden);
        }
        if command.needs_control() {
            self.check_control()?;
        }
        match command {
            Command::Prompt { text, attachments, if_busy, reference } => {
                self.prompt(text, attachments, if_busy, reference)
            }
            Command::Steer { text } => self.steer(text),
            Command::Interrupt { reason, clear_queue } => self.interrupt(reason, clear_queue),
            Command::Answer { ask, answer } => self.answer(&ask, answer),
            Command::Enqueue { text, attachments, reference } => self.enqueue(text, attachments, reference),
            Command::Edit { item, text } => self.edit(item, text),
            Command::Move { item, before } => self.move_item(item, before),
            Command::Dequeue { item } => self.dequeue(item),
            Command::Claim { quietly } => self.claim(quietly),
            Command::Release => self.release(),
            Command::Takeover => self.takeover(),
            Command::RespondTakeover { approve, requester } => self.respond_takeover(approve, requester),
            Command::Detached { client } => self.detached(&client),
            Command::Fork { message, into, .. } => self.forked(message, into),
            Command::Revert { message, inclusive } => self.revert(message, inclusive),
            Command::Compact => self.compact(),
            Command::Close => self.close(),
            Command::Reopen => self.reopen(),
            Command::Archive => self.archive(),
            Command::Unarchive => self.unarchive(),
            Command::Rename { title } => self.rename(title),
            Command::Label { labels } => self.label(labels),
            Command::SetModel { model, provider, variant } => self.set_model(model, provider, variant),
            Command::Configure { config } => self.configure(config),
            Command::End { reason, exit_code, error } => self.end(reason, exit_code, error),
            Command::RevokeGrant { grant } => self.revoke(grant),
            Command::SetRegister { name, expected, value } => self.set_register(name, expected, value),
            Command::Seal { content, local } => self.seal(vec![Sealing { content, local }]),
        }
    }

    /// Decides what deadlines have come.
    pub fn alarm(&mut self) {
        self.expire_asks();
        self.expire_control();
        self.expire_session();
    }

    /// A child's turn, and with it its work for us, is over.
    pub fn child_ended(&mut self, child: &SessionId, outcome: Outcome) {
        // Its asks go with it, whether or not the turn that it worked for is still open.
        let mirrored: Vec<_> =
            self.session.asks.values().filter(|ask| ask.origin.as_ref() == Some(child)).cloned().collect();
        for ask in mirrored {
            self.emit(Event::AskClosed { ask: ask.id, reason: crate::ask::Unanswered::Interrupted, call: ask.call });
        }
        if self.session.turn.as_ref().is_some_and(|turn| turn.children.contains(child)) {
            self.emit(Event::ChildEnded { session: child.clone(), outcome });
        }
    }

    /// Numbers an event and folds it in. A delta joins the delta before it, as long as that is not on its way yet.
    fn emit(&mut self, event: Event) {
        let author = self.author.clone();
        self.emit_as(author, event);
    }

    fn emit_as(&mut self, author: Arc<Author>, event: Event) {
        if let Event::PartDelta { part, text, .. } = &event
            && let Some(last) = self.pending.last_mut()
            && let Event::PartDelta { part: open, text: joined, .. } = &mut last.event
            && open == part
            && Arc::ptr_eq(&last.author, &author)
        {
            joined.push_str(text);
            self.session.apply(&Logged::new(last.seq, self.now, author, event));
            return;
        }
        let mut logged = Logged::new(self.session.next_seq(), self.now, author, event);
        if logged.turn().is_none() {
            logged.context.turn = self.session.turn.as_ref().map(|turn| turn.id.clone());
        }
        let from = self.session.header.standing();
        self.session.apply(&logged);
        let to = self.session.header.standing();
        logged.context.standing = (from != to).then_some(Moved { from, to });
        self.pending.push(logged);
    }

    fn mint<T: From<uuid::Uuid>>(&mut self) -> T {
        T::from(self.ids.mint())
    }

    /// Who the author is, as a holder of control.
    fn holder(&self) -> Option<Holder> {
        let client = self.author.client.clone()?;
        Some(Holder { user: self.author.user.clone(), client })
    }

    fn check_hosted(&self) -> Result<(), Refusal> {
        match self.session.header.kind {
            crate::header::SessionKind::Hosted => Ok(()),
            crate::header::SessionKind::Sealed => Err(Refusal::Sealed),
        }
    }

    fn check_not_ended(&self) -> Result<(), Refusal> {
        if self.session.header.end.is_some() { Err(Refusal::Ended) } else { Ok(()) }
    }
}
