//! What a frame means: an answer, news of a session, or both.

use tokio::time::Instant;

use super::Pump;
use super::given::{Answer, Reply, Tell, What};
use super::joined::Taken;
use super::pending::Sent;
use crate::client::event::{About, ErrorEvent, Label, Welcome};
use crate::client::{Error, Event, frame};
use crate::names::{said, told};
use crate::wire::Code;

/// How many events are asked for at once when some are missing.
const MISSING: u64 = 1_000;

/// What the handshake has to know of a frame.
pub(super) enum Note {
    Nothing,
    Welcome(Welcome),
    SignedIn,
    Refused(Error),
}

impl Pump {
    pub(super) fn hear(&mut self, text: &str, now: Instant) -> Note {
        let Some(mut label) = Label::read(text) else {
            tracing::warn!(size = text.len(), "diminuendo: a frame is no event");
            return Note::Nothing;
        };
        let Some(mut event) = Event::named(&label.name, text) else { return Note::Nothing };
        label.answers = label.answers.filter(|id| frame::is_ours(id));
        if label.answers.is_some() {
            self.pending.repeats();
        }
        self.outbox.heard(&event);
        let hidden = match &mut event {
            Event::Error(error) => {
                self.refused(&label, error, now);
                false
            }
            _ if label.name == told::ERROR => false,
            answer => match self.pending.answered(&label) {
                Some(sent) => self.settle(sent, Ok(answer), now),
                None => false,
            },
        };
        let note = self.note(&event, &label);
        match (&label.session, label.seq) {
            _ if hidden => {}
            (Some(session), Some(seq)) => self.numbered(session, seq, event, text.len()),
            _ => self.emit(event, text.len()),
        }
        note
    }

    /// What changes by this event for us.
    fn note(&mut self, event: &Event, label: &Label<'_>) -> Note {
        match event {
            Event::Welcome(welcome) => return Note::Welcome(welcome.clone()),
            Event::Authenticated(signed) => {
                self.shared.signed_in(&self.stop, Some(signed.identity.clone()));
                return Note::SignedIn;
            }
            Event::Error(error) => return Note::Refused(error.into()),
            Event::Connected(connected) => {
                if let Some(every) = connected.heartbeat_interval_ms {
                    self.watch.heartbeat(std::time::Duration::from_millis(every));
                }
            }
            Event::SessionDeleted(_) => {
                if let Some(session) = &label.session {
                    self.joined.leave(session);
                }
            }
            _ => {}
        }
        Note::Nothing
    }

    /// An event with a number is told once.
    fn numbered(&mut self, session: &str, seq: u64, event: Event, size: usize) {
        match self.joined.take(session, seq, event, size, self.shared.options.repair_gaps) {
            Taken::Told(event) => self.emit(event, size),
            Taken::Known | Taken::Held => {}
            Taken::Gap { after, missing } => {
                let limit = missing.min(MISSING);
                let id = self.shared.next_id();
                self.ahead.push_back(frame::events(id, &self.shared.options, session, after, limit));
            }
            Taken::Released(held) => held.into_iter().for_each(|(event, size)| self.emit(event, size)),
        }
    }

    /// The gateway says no: to the message that it names, or else to the oldest request.
    fn refused(&mut self, label: &Label<'_>, error: &mut ErrorEvent, now: Instant) {
        let why = Error::from(&*error);
        if let Some(sent) = self.pending.refused(label) {
            error.about = Some(About { message: sent.kind, session_id: sent.session.clone(), client_turn_id: None });
            self.settle(sent, Err(why), now);
            return;
        }
        let Some(id) = &label.answers else { return };
        if why.is(Code::RateLimited) && self.outbox.postponed(id) {
            self.paused_until = Some(now + self.retry_after(&why));
            return;
        }
        if let Some(given) = self.outbox.refused(id) {
            let client_turn_id = match given.what {
                What::Tell(Tell::Turn(id)) => Some(id),
                _ => None,
            };
            error.about = Some(About { message: given.kind, session_id: given.session, client_turn_id });
        }
    }

    fn retry_after(&self, why: &Error) -> std::time::Duration {
        let asked = match why {
            Error::Gateway { retry_after, .. } => *retry_after,
            _ => None,
        };
        asked.unwrap_or(self.shared.options.reconnect_delay).max(super::SHORTEST_DELAY)
    }

    /// A request has its answer. True: nobody but us is concerned.
    pub(super) fn settle(&mut self, sent: Sent, outcome: Result<&Event, Error>, now: Instant) -> bool {
        if outcome.is_ok() || matches!(outcome, Err(Error::Gateway { .. })) {
            self.outbox.arrived_before(sent.number);
        }
        if sent.kind == said::JOIN_SESSION
            && !sent.left
            && let Ok(Event::StateSnapshot(snapshot)) = &outcome
        {
            self.joined.join(sent.ask.after, snapshot);
        }
        let session = sent.session.unwrap_or_default();
        match sent.ask.reply {
            Reply::Caller(caller) => {
                let answer = outcome.map(|event| Answer { event: event.clone(), after: now - sent.at });
                let _ = caller.send(answer); // whoever asked may have gone
                false
            }
            Reply::Rejoin => {
                if let Err(why) = outcome {
                    self.not_rejoined(session, &why, now);
                }
                false
            }
            Reply::Repair => {
                let found = match outcome {
                    Ok(Event::Events(page)) => page.events.clone(),
                    _ => Vec::new(),
                };
                for (event, size) in self.joined.repaired(&session, found) {
                    self.outbox.heard(&event);
                    self.emit(event, size);
                }
                true
            }
            Reply::Nobody | Reply::Barrier => false,
        }
    }

    fn not_rejoined(&mut self, session: String, why: &Error, now: Instant) {
        let gone = [Code::SessionNotFound, Code::Forbidden, Code::SessionClosed];
        if gone.iter().any(|code| why.is(*code)) {
            self.joined.leave(&session);
        } else {
            self.rejoin_at.push((now + self.retry_after(why), session));
        }
    }
}
