//! What a hosted session's log says, as messages that Happy's apps show. Nothing here waits, and the same log always gives
//! the same messages under the same names.

mod part;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::BTreeSet;

use rejoin_core::ask::{Ask, Settled};
use rejoin_core::event::{Event, Logged};
use rejoin_core::id::{AskId, CallId, ClientId, SessionId, UserId};
use rejoin_core::part::{Message as LoggedMessage, MessageRole, Part};
use rejoin_core::position::{Millis, Position};
use rejoin_core::who::Author;
use rejoin_happy::payload::{AgentMessage, Envelope, Ev, Message, Meta, SessionEvent, SessionMessage, UserMessage};

use super::name::{cuid, uuid};
pub(super) use part::arguments;

/// The client that the bridge is, wherever it acts for somebody.
pub(super) const CLIENT: &str = "happy-bridge";
pub(super) const DOOR: &str = "happy";
/// The longest text of one message; a longer one goes on in the next. Sealed it still fits into one packet of a socket.
const LONGEST_TEXT: usize = 128 << 10;

/// Tells one session to one person's apps.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    session: SessionId,
    user: UserId,
    /// Tool calls that were told to begin, and not yet to end. The rules bound them.
    open: BTreeSet<CallId>,
}

/// One thing to tell, under a name that it keeps for ever: told twice, it is heard once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Say(Box<Message>),
    Attach(Attached),
    Asked(Box<Ask>),
    Settled {
        ask: AskId,
        how: Box<Settled>,
        at: Millis,
    },
    /// Title, model or place in life are others now.
    Changed,
    /// A turn is over: what it cost is to be reported, and somebody may want to know.
    Ended,
}

/// A file that is stored beside the messages first, and then said with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attached {
    /// None: a person's.
    pub(super) turn: Option<String>,
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) url: String,
    pub(super) at: Millis,
}

impl Teller {
    pub(super) fn new(session: SessionId, user: UserId, open: BTreeSet<CallId>) -> Teller {
        Teller { session, user, open }
    }

    /// What must be known to go on behind what was told.
    pub(super) fn open(&self) -> &BTreeSet<CallId> {
        &self.open
    }

    /// Whether a message's `localKey` says that we told it ourselves.
    pub(super) fn is_ours(&self, local_key: Option<&str>) -> bool {
        let rest = local_key.and_then(|key| key.strip_prefix(self.session.as_str()));
        rest.is_some_and(|rest| rest.starts_with(':'))
    }

    /// Tells one event of the log.
    pub(super) fn tell(&mut self, at: Position, logged: &Logged) -> Vec<Told> {
        let mut telling = Telling {
            session: self.session.clone(),
            base: format!("{}:{at}", self.session),
            at: logged.at,
            turn: logged.turn().map(|turn| cuid(turn.as_str())),
            open: &mut self.open,
            told: Vec::new(),
        };
        let ours = from_the_app(&self.user, &logged.author);
        telling.event(&logged.event, ours);
        telling.told
    }
}

/// Whether somebody did it in the very apps that are told.
fn from_the_app(user: &UserId, author: &Author) -> bool {
    author.user == *user && author.door == DOOR && author.client.as_ref().is_some_and(|it| it.as_str() == CLIENT)
}

/// The author of what the apps' owner does there.
pub(super) fn author(user: &UserId) -> Author {
    let client = ClientId::new(CLIENT).expect("a literal id");
    Author { user: user.clone(), door: DOOR.to_owned(), client: Some(client), connection: None }
}

/// One event on its way.
struct Telling<'a> {
    session: SessionId,
    base: String,
    at: Millis,
    /// The turn that is under way, as apps know it.
    turn: Option<String>,
    open: &'a mut BTreeSet<CallId>,
    told: Vec<Told>,
}

impl Telling<'_> {
    fn event(&mut self, event: &Event, ours: bool) {
        match event {
            Event::MessageAdded { message, parts } => self.message(message, parts, ours),
            Event::Steered { text, .. } if !ours => self.user(text),
            Event::PartStarted { part } | Event::PartUpdated { part } => self.part_moved(part),
            Event::PartCompleted { part, .. } => self.part_completed(part),
            Event::TurnEnded { turn, outcome, usage, .. } => self.turn_ended(turn, outcome, usage),
            Event::ChildStarted { session, name, .. } => self.child(session, Ev::Start { title: Some(name.clone()) }),
            Event::ChildEnded { session, .. } => self.child(session, Ev::Stop),

            Event::AskOpened { ask } => self.push(What::Asked(Box::new(ask.clone()))),
            Event::AskAnswered { ask, answer, .. } => self.settled(ask, Settled::Answered(answer.clone())),
            Event::AskClosed { ask, reason, .. } => self.settled(ask, Settled::Unanswered(*reason)),

            Event::SessionRenamed { .. }
            | Event::SessionArchived {}
            | Event::SessionUnarchived {}
            | Event::SessionClosed {}
            | Event::SessionReopened {}
            | Event::SessionEnded { .. }
            | Event::ModelSet { .. } => self.push(What::Changed),

            Event::AgentChanged { status: rejoin_core::header::AgentStatus::Failed, detail } => {
                let detail = detail.as_deref().unwrap_or("it gives no reason");
                self.note(format!("The agent failed: {detail}"));
            }
            Event::Reverted { .. } => self.note("The conversation goes on from an earlier message.".to_owned()),
            Event::CompactionEnded { error: None, .. } => self.note("Compaction completed".to_owned()),
            Event::CompactionEnded { error: Some(error), .. } => self.note(format!("Compaction failed: {error}")),

            // The prompt follows at once, and opens the turn for the apps.
            Event::TurnStarted { .. } | Event::Steered { .. } => {}
            // There is no streaming: a part is told when it is whole.
            Event::PartDelta { .. } | Event::ToolOutput { .. } => {}
            Event::MessageStarted { .. } | Event::MessageCompleted { .. } => {}
            // It stands in the metadata that the session is made with.
            Event::SessionCreated { .. } => {}
            // There is no word for these.
            Event::SessionLabelled { .. }
            | Event::SessionDeleted {}
            | Event::SessionRestored { .. }
            | Event::ConfigSet { .. }
            | Event::AgentChanged { .. }
            | Event::AskRemembered { .. }
            | Event::GrantAdded { .. }
            | Event::GrantRevoked { .. }
            | Event::Queued { .. }
            | Event::QueueEdited { .. }
            | Event::QueueMoved { .. }
            | Event::Dequeued { .. }
            | Event::ControlChanged { .. }
            | Event::Forked { .. }
            | Event::CompactionStarted { .. }
            | Event::UsageReported { .. }
            | Event::FileChanged { .. }
            | Event::RegisterSet { .. }
            | Event::SealedAdded { .. }
            | Event::Unknown(_) => {}
        }
    }

    /// A message that came whole: the prompt of a turn, or a copy in a fork.
    fn message(&mut self, message: &LoggedMessage, parts: &[Part], ours: bool) {
        if message.role != MessageRole::User {
            let turn = self.turn_of(&message.id);
            for part in parts {
                self.whole_part(&turn, part);
            }
            return;
        }
        if !ours {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.body.text()).collect();
            for part in parts {
                self.file(None, part);
            }
            self.user(&texts.concat());
        }
        // A copy belongs to no turn of this session.
        if message.turn.is_some()
            && let Some(turn) = self.turn.clone()
        {
            self.agent(&turn, Ev::TurnStart);
        }
    }

    fn settled(&mut self, ask: &AskId, how: Settled) {
        let at = self.at;
        self.push(What::Settled { ask: ask.clone(), how: Box::new(how), at });
    }

    /// What a person said elsewhere. `localKey` tells it from what they say in the apps, also after a restart.
    fn user(&mut self, text: &str) {
        for text in pieces(text) {
            let mut message = UserMessage::new(text).with_meta(Meta::sent_from("cli"));
            message.local_key = Some(self.name());
            self.push(What::Say(Box::new(message.into())));
        }
    }

    fn agent(&mut self, turn: &str, ev: Ev) {
        self.envelope(Envelope::agent(turn, self.at, ev));
    }

    fn envelope(&mut self, mut envelope: Envelope) {
        envelope.id = cuid(&self.name());
        self.push(What::Say(Box::new(SessionMessage::from(envelope).into())));
    }

    fn texts(&mut self, turn: &str, text: &str, thinking: Option<bool>) {
        for text in pieces(text) {
            self.agent(turn, Ev::Text { text: text.to_owned(), thinking });
        }
    }

    fn session_event(&mut self, event: SessionEvent) {
        let message = AgentMessage::event(uuid(&self.name()), event);
        self.push(What::Say(Box::new(message.into())));
    }

    /// Something to know that is of neither side.
    fn note(&mut self, text: String) {
        for text in pieces(&text) {
            self.session_event(SessionEvent::Message { message: text.to_owned() });
        }
    }

    fn push(&mut self, what: What) {
        let name = self.name();
        self.told.push(Told { name, what });
    }

    /// The name of what is told next.
    fn name(&self) -> String {
        match self.told.len() {
            0 => self.base.clone(),
            n => format!("{}.{n}", self.base),
        }
    }
}

/// A text in pieces that fit; none of an empty one.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(LONGEST_TEXT));
        rest = behind;
        Some(piece)
    })
}
