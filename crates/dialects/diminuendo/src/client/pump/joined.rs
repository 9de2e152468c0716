//! The sessions that were joined, and what was heard of each.

use std::collections::HashMap;

use crate::client::Event;
use crate::client::event::StateSnapshot;

/// Events of one session that are held back while what is missing before them is asked for. With more the wait is over:
/// order is worth this much memory.
const HELD: usize = 1_024;

/// One entry for each session that this client joined and did not leave.
#[derive(Debug, Default)]
pub(super) struct Joined(HashMap<String, Track>);

/// What was heard of one session.
#[derive(Debug, Default)]
struct Track {
    /// The newest number; absent if it is not known.
    last: Option<u64>,
    /// Up to here events are told again, with holes where some were not kept.
    replayed: u64,
    repair: Option<Repair>,
}

/// Events behind a hole, and where the hole is.
#[derive(Debug)]
struct Repair {
    after: u64,
    upto: u64,
    held: Vec<(Event, usize)>,
}

/// What to do with an event.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every event is told, and none is kept in here")]
pub(super) enum Taken {
    /// Tell of it.
    Told(Event),
    /// It was told of already.
    Known,
    /// It is kept until what is missing before it is there.
    Held,
    /// The same, and what is missing is to be asked for: so many, behind this number.
    Gap { after: u64, missing: u64 },
    /// What is missing took too long: tell of all these.
    Released(Vec<(Event, usize)>),
}

impl Joined {
    /// A session was joined, with `after` if that was asked for.
    pub(super) fn join(&mut self, after: Option<u64>, snapshot: &StateSnapshot) {
        let track = self.0.entry(snapshot.session.id.clone()).or_default();
        let newest = snapshot.last_seq;
        track.last = match (after, track.last) {
            // A gateway whose newest is older than what we heard has another log now, a restored one say.
            (Some(after), _) => Some(newest.map_or(after, |newest| newest.min(after))),
            (None, Some(known)) => Some(known),
            (None, None) => newest.or(snapshot.recent_history.is_empty().then_some(0)),
        };
        track.replayed = newest.unwrap_or(0);
    }

    pub(super) fn leave(&mut self, session: &str) {
        self.0.remove(session);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sessions, and what was heard of each.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.0.iter().map(|(session, track)| (session.as_str(), track.last))
    }

    /// Looks at an event with a number.
    pub(super) fn take(&mut self, session: &str, seq: u64, event: Event, size: usize, repair_gaps: bool) -> Taken {
        let Some(track) = self.0.get_mut(session) else { return Taken::Told(event) };
        let before = track.last;
        if before.is_some_and(|last| seq <= last) {
            return Taken::Known;
        }
        track.last = Some(seq);
        if let Some(repair) = &mut track.repair {
            repair.held.push((event, size));
            if repair.held.len() < HELD {
                return Taken::Held;
            }
            tracing::warn!(session.id = session, "diminuendo: events that are missing did not come in time");
            return Taken::Released(track.repair.take().map(|repair| repair.held).unwrap_or_default());
        }
        let expected = before.map(|last| last.max(track.replayed) + 1);
        match expected {
            Some(expected) if repair_gaps && seq > expected => {
                let after = expected - 1;
                track.repair = Some(Repair { after, upto: seq, held: vec![(event, size)] });
                Taken::Gap { after, missing: seq - expected }
            }
            _ => Taken::Told(event),
        }
    }

    /// What was held back, in order, with what was missing before it as far as it is there.
    pub(super) fn repaired(&mut self, session: &str, found: Vec<Event>) -> Vec<(Event, usize)> {
        let Some(repair) = self.0.get_mut(session).and_then(|track| track.repair.take()) else { return Vec::new() };
        let is_missing = |event: &Event| event.seq().is_some_and(|seq| repair.after < seq && seq < repair.upto);
        let mut all: Vec<_> = found.into_iter().filter(is_missing).map(|event| (event, 0)).collect();
        all.sort_by_key(|(event, _)| event.seq());
        all.dedup_by_key(|(event, _)| event.seq());
        all.extend(repair.held);
        all
    }

    /// Everything that is held back, of all sessions.
    pub(super) fn release(&mut self) -> Vec<(Event, usize)> {
        self.0.values_mut().filter_map(|track| track.repair.take()).flat_map(|repair| repair.held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(seq: u64) -> Event {
        Event::read(&format!(r#"{{"type":"text_delta","sessionId":"s","text":"{seq}","seq":{seq}}}"#)).unwrap()
    }

    fn snapshot(last: Option<u64>) -> StateSnapshot {
        let meta = r#"{"id":"s","tenantId":"t","name":null,"agentType":"echo","status":"ready","archived":false,
            "createdAt":1,"updatedAt":1,"lastActivityAt":null}"#;
        let last = last.map_or(String::new(), |last| format!(r#","lastSeq":{last}"#));
        let text = format!(r#"{{"type":"state_snapshot","sessionId":"s","session":{meta},"recentHistory":[]{last}}}"#);
        let Some(Event::StateSnapshot(snapshot)) = Event::read(&text) else { panic!("not a snapshot") };
        snapshot
    }

    fn heard(joined: &mut Joined, seq: u64) -> bool {
        joined.take("s", seq, delta(seq), 1, false) == Taken::Told(delta(seq))
    }

    #[test]
    fn an_event_is_told_once_and_holes_are_no_matter() {
        let mut joined = Joined::default();
        joined.join(Some(0), &snapshot(None));
        assert!(heard(&mut joined, 1));
        assert!(!heard(&mut joined, 1));
        assert!(heard(&mut joined, 16));
        assert!(!heard(&mut joined, 5));
        assert_eq!(joined.all().next(), Some(("s", Some(16))));
    }

    #[test]
    fn joining_from_the_beginning_again_tells_everything_again() {
        let mut joined = Joined::default();
        joined.join(Some(0), &snapshot(Some(2)));
        assert!(heard(&mut joined, 1) && heard(&mut joined, 2));
        joined.join(None, &snapshot(Some(2)));
        assert!(!heard(&mut joined, 2));
        joined.join(Some(0), &snapshot(Some(2)));
        assert!(heard(&mut joined, 1) && heard(&mut joined, 2));
    }

    #[test]
    fn a_log_that_is_shorter_than_what_was_heard_is_another_one() {
        let mut joined = Joined::default();
        joined.join(None, &snapshot(Some(900)));
        joined.join(Some(900), &snapshot(Some(3)));
        assert!(heard(&mut joined, 4));
    }

    #[test]
    fn a_hole_is_filled_before_what_comes_behind_it() {
        let mut joined = Joined::default();
        joined.join(Some(0), &snapshot(Some(0)));
        let mut take = |seq| joined.take("s", seq, delta(seq), 1, true);
        assert_eq!(take(1), Taken::Told(delta(1)));
        assert_eq!(take(4), Taken::Gap { after: 1, missing: 2 });
        assert_eq!(take(5), Taken::Held);
        assert_eq!(take(4), Taken::Known);
        let seqs = |all: Vec<(Event, usize)>| all.iter().filter_map(|(event, _)| event.seq()).collect::<Vec<_>>();
        let found = [9, 3, 2, 3, 4, 1].map(delta).to_vec();
        assert_eq!(seqs(joined.repaired("s", found)), [2, 3, 4, 5]);
        assert_eq!(joined.take("s", 6, delta(6), 1, true), Taken::Told(delta(6)));
    }

    #[test]
    fn holes_in_what_is_told_again_are_none() {
        let mut joined = Joined::default();
        joined.join(Some(0), &snapshot(Some(10)));
        assert_eq!(joined.take("s", 4, delta(4), 1, true), Taken::Told(delta(4)));
        assert_eq!(joined.take("s", 11, delta(11), 1, true), Taken::Told(delta(11)));
        assert_eq!(joined.take("s", 13, delta(13), 1, true), Taken::Gap { after: 11, missing: 1 });
    }

    #[test]
    fn what_does_not_come_is_not_waited_for_without_end() {
        let mut joined = Joined::default();
        joined.join(Some(0), &snapshot(None));
        joined.take("s", 2, delta(2), 1, true);
        let mut released = Vec::new();
        for seq in 3..3 + HELD as u64 {
            if let Taken::Released(held) = joined.take("s", seq, delta(seq), 1, true) {
                released = held;
                break;
            }
        }
        assert_eq!(released.len(), HELD);
    }
}
