//! What one reader has heard: how much, up to where, and whether it was all there was.

use std::time::Instant;

use memchr::memmem;

/// How much of an event a reader looks at: epoch, number and type are in it.
pub(crate) const PEEK: usize = 224;

const TURN_ENDED: &[u8] = b"\"type\":\"turnEnded\"";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Of the log, as text; known from the first event on.
    pub(crate) epoch: String,
    /// The newest number heard.
    pub(crate) seq: u64,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Numbers that were skipped.
    pub(crate) lost: u64,
    /// Events that came again.
    pub(crate) repeated: u64,
    pub(crate) caught_up: bool,
    /// The gateway said that the position is gone.
    pub(crate) gaps: u64,
    /// Whether ends of turns are looked for, which costs a little for each event.
    pub(crate) looks_for_ends: bool,
    pub(crate) end: Option<End>,
}

/// The end of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) seq: u64,
    pub(crate) at: Instant,
}

impl Count {
    /// Takes an event. `peek` is what its JSON begins with, from `{"epoch":` on.
    pub(crate) fn event(&mut self, peek: &[u8]) {
        let Some((epoch, seq)) = place(peek) else {
            self.lost += 1; // nothing that we know as an event is as bad as none
            return;
        };
        if self.epoch.as_bytes() != epoch {
            self.epoch = String::from_utf8_lossy(epoch).into_owned();
        }
        self.number(seq);
        if self.looks_for_ends && memmem::find(peek, TURN_ENDED).is_some() {
            self.end = Some(End { seq, at: Instant::now() });
        }
    }

    pub(crate) fn number(&mut self, seq: u64) {
        self.events += 1;
        let expected = self.seq + 1;
        if seq < expected {
            self.repeated += 1;
            return;
        }
        self.lost += seq - expected;
        self.seq = seq;
    }

    /// The `after` by which this reader would go on.
    pub(crate) fn position(&self) -> String {
        match self.epoch.is_empty() {
            true => self.seq.to_string(),
            false => format!("{}.{}", self.epoch, self.seq),
        }
    }
}

/// Epoch and number of `{"epoch":"…","seq":…`.
fn place(event: &[u8]) -> Option<(&[u8], u64)> {
    let rest = event.strip_prefix(b"{\"epoch\":\"")?;
    let (epoch, rest) = rest.split_at(memchr::memchr(b'"', rest)?);
    let digits = rest.strip_prefix(b"\",\"seq\":")?;
    let mut seq = 0u64;
    for digit in digits {
        match digit {
            b'0'..=b'9' => seq = seq.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?,
            _ => return Some((epoch, seq)),
        }
    }
    None // the number may go on behind what we see
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, kind: &str) -> Vec<u8> {
        format!(r#"{{"epoch":"0a1b","seq":{seq},"at":1,"author":{{}},"type":"{kind}","#).into_bytes()
    }

    #[test]
    fn a_hole_and_a_repetition_are_seen() {
        let mut count = Count::default();
        for seq in [1, 2, 5, 5, 6] {
            count.event(&event(seq, "partDelta"));
        }
        assert_eq!((count.seq, count.events, count.lost, count.repeated), (6, 5, 2, 1));
        assert_eq!(count.position(), "0a1b.6");
        count.event(b"{\"nonsense\"");
        assert_eq!(count.lost, 3);
    }

    #[test]
    fn the_end_of_a_turn_is_seen_by_who_looks_for_it() {
        let mut count = Count { looks_for_ends: true, ..Count::default() };
        count.event(&event(1, "turnStarted"));
        assert_eq!(count.end, None);
        count.event(&event(2, "turnEnded"));
        assert_eq!(count.end.map(|end| end.seq), Some(2));
    }

    #[test]
    fn a_number_that_may_go_on_is_none() {
        assert_eq!(place(br#"{"epoch":"0a","seq":12"#), None);
        assert_eq!(place(br#"{"epoch":"0a","seq":12,"#), Some((&b"0a"[..], 12)));
        assert_eq!(place(br#"{"epoch":"0a","seq":99999999999999999999999,"#), None);
    }
}
