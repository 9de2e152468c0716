//! Messages on their way, the oldest first: those that wait for a connection, and those of which nothing shows yet that
//! they have arrived.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::given::{Given, Tell, What};
use crate::client::Event;
use crate::wire::SessionStatus;

/// What waits. Each has room of its own ([`super::OUTBOX`]), so it is bounded.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    given: Given,
    /// How many messages were sent before it on this connection, if it was sent.
    sent: Option<u64>,
    /// It may have arrived over an earlier connection.
    again: bool,
}

/// What is to be written.
pub(super) enum Next {
    /// It is out of here.
    Ask(Given),
    /// It stays here. With the session that it leaves.
    Tell { frame: Utf8Bytes, left: Option<String> },
}

impl Outbox {
    pub(super) fn push(&mut self, given: Given) {
        self.0.push_back(Entry { given, sent: None, again: false });
    }

    /// The next message to send; it counts as sent, as the one of that number.
    pub(super) fn next(&mut self, number: u64) -> Option<Next> {
        self.0.retain(|entry| entry.given.is_wanted());
        let index = self.0.iter().position(|entry| entry.sent.is_none())?;
        if matches!(self.0[index].given.what, What::Ask(_)) {
            return self.0.remove(index).map(|entry| Next::Ask(entry.given));
        }
        let entry = &mut self.0[index];
        entry.sent = Some(number);
        let leaves = matches!(entry.given.what, What::Tell(Tell::Leave));
        let left = entry.given.session.clone().filter(|_| leaves);
        Some(Next::Tell { frame: entry.given.frame.clone(), left })
    }

    /// The connection is gone. What was sent may not have arrived.
    pub(super) fn lost(&mut self) {
        // Nobody is joined to anything any more.
        self.0.retain(|entry| entry.sent.is_none() || !matches!(entry.given.what, What::Tell(Tell::Leave)));
        for entry in &mut self.0 {
            entry.again |= entry.sent.take().is_some();
        }
    }

    /// Whether a turn waits that may have begun already.
    pub(super) fn is_unsure_of_turns(&self) -> bool {
        self.0.iter().any(|entry| entry.again && matches!(entry.given.what, What::Tell(Tell::Turn(_))))
    }

    /// How many messages were sent without a sign that they arrived.
    pub(super) fn unsure(&self) -> usize {
        self.0.iter().filter(|entry| entry.sent.is_some()).count()
    }

    /// The gateway has answered the message of that number, and it does one after the other.
    pub(super) fn arrived_before(&mut self, number: u64) {
        self.0.retain(|entry| entry.sent.is_none_or(|sent| sent > number));
    }

    /// The message with this id, which the gateway refused.
    pub(super) fn refused(&mut self, id: &str) -> Option<Given> {
        let index = self.0.iter().position(|entry| entry.given.id == id)?;
        self.0.remove(index).map(|entry| entry.given)
    }

    /// The message with this id was not taken, but may be later.
    pub(super) fn postponed(&mut self, id: &str) -> bool {
        let entry = self.0.iter_mut().find(|entry| entry.given.id == id && entry.sent.is_some());
        entry.is_some_and(|entry| entry.sent.take().is_some())
    }

    /// Something happened that may show that a message has arrived.
    pub(super) fn heard(&mut self, event: &Event) {
        if self.0.is_empty() {
            return;
        }
        let Some(session) = event.session_id() else { return };
        self.0.retain(|entry| {
            let What::Tell(tell) = &entry.given.what else { return true };
            let may_have_arrived = entry.sent.is_some() || entry.again;
            !(may_have_arrived && entry.given.session.as_deref() == Some(session) && shows(event, tell))
        });
    }

    /// Gives up everything.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Given> {
        self.0.drain(..).map(|entry| entry.given)
    }
}

/// Whether an event shows that a message has arrived.
fn shows(event: &Event, tell: &Tell) -> bool {
    match (event, tell) {
        (Event::TurnStarted(turn), Tell::Turn(ours)) => turn.client_turn_id.as_ref() == Some(ours),
        (Event::StateSnapshot(snapshot), Tell::Turn(ours)) => {
            let active = snapshot.active_turn.as_ref().and_then(|turn| turn.client_turn_id.as_ref());
            let mut said = snapshot.recent_history.iter().filter_map(|item| item.metadata.as_ref());
            active == Some(ours) || said.any(|metadata| metadata["clientTurnId"].as_str() == Some(ours))
        }
        (Event::TurnComplete(_) | Event::TurnError(_), Tell::Stop) => true,
        // There is nothing to stop any more, and what begins later was not meant.
        (Event::StateSnapshot(snapshot), Tell::Stop) => {
            use SessionStatus::{Activating, Other, Running, Waiting};
            !matches!(snapshot.session.status, Activating | Running | Waiting | Other(_))
        }
        (Event::SteerSent(steered), Tell::Steer(text)) => steered.content == *text,
        (Event::ApprovalResolved(resolved), Tell::Answer(ask)) => resolved.request_id == *ask,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: &str, tell: Tell) -> Given {
        Given {
            kind: "told",
            id: id.to_owned(),
            frame: id.to_owned().into(),
            session: Some("s".to_owned()),
            what: What::Tell(tell),
            room: None,
        }
    }

    fn next(outbox: &mut Outbox, number: u64) -> Option<String> {
        outbox.next(number).map(|next| match next {
            Next::Ask(given) => given.id,
            Next::Tell { frame, .. } => frame.to_string(),
        })
    }

    fn event(text: &str) -> Event {
        Event::read(text).expect("it has a type")
    }

    #[test]
    fn what_was_sent_goes_again_over_the_next_connection_in_its_order() {
        let mut outbox = Outbox::default();
        for id in ["a", "b", "c"] {
            outbox.push(told(id, Tell::Turn(id.to_owned())));
        }
        assert_eq!(next(&mut outbox, 0).as_deref(), Some("a"));
        assert_eq!(next(&mut outbox, 1).as_deref(), Some("b"));
        outbox.arrived_before(0);
        outbox.lost();
        assert!(outbox.is_unsure_of_turns());
        assert_eq!(next(&mut outbox, 0).as_deref(), Some("b"));
        assert_eq!(next(&mut outbox, 1).as_deref(), Some("c"));
        assert_eq!(next(&mut outbox, 2), None);
        assert_eq!(outbox.unsure(), 2);
    }

    #[test]
    fn a_turn_that_began_is_not_sent_again() {
        let mut outbox = Outbox::default();
        outbox.push(told("a", Tell::Turn("mine".to_owned())));
        next(&mut outbox, 0);
        outbox.heard(&event(r#"{"type":"turn_started","sessionId":"s","clientTurnId":"other"}"#));
        outbox.heard(&event(r#"{"type":"turn_started","sessionId":"t","clientTurnId":"mine"}"#));
        assert_eq!(outbox.unsure(), 1);
        outbox.lost();
        outbox.heard(&event(r#"{"type":"turn_started","sessionId":"s","clientTurnId":"mine"}"#));
        assert_eq!(next(&mut outbox, 0), None);
    }

    #[test]
    fn a_stop_that_was_not_sent_yet_is_not_met_by_an_end_before_it() {
        let mut outbox = Outbox::default();
        outbox.push(told("a", Tell::Stop));
        let end = event(r#"{"type":"turn_complete","sessionId":"s","finalText":""}"#);
        outbox.heard(&end);
        assert_eq!(next(&mut outbox, 0).as_deref(), Some("a"));
        outbox.heard(&end);
        outbox.lost();
        assert_eq!(next(&mut outbox, 0), None);
    }

    #[test]
    fn what_was_not_taken_for_now_goes_again() {
        let mut outbox = Outbox::default();
        outbox.push(told("a", Tell::Steer("left".to_owned())));
        next(&mut outbox, 0);
        assert!(outbox.postponed("a"));
        assert_eq!(next(&mut outbox, 1).as_deref(), Some("a"));
        assert!(outbox.refused("a").is_some());
        assert!(outbox.refused("a").is_none());
    }
}
