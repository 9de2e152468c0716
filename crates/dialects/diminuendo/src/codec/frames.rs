//! Frames of one event, written field by field, and numbered once it is known how many there are.

use rejoin_core::id::{SessionId, TurnId};
use rejoin_core::position::Millis;
use serde::Serialize;

use super::number::number;
use crate::names::{self, Naming};

/// JSON objects of one event, each still open at its end.
pub(crate) struct Frames<'a> {
    session: &'a SessionId,
    naming: Naming,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(session: &'a SessionId, naming: Naming) -> Frames<'a> {
        Frames { session, naming, text: Vec::with_capacity(512), ends: Vec::with_capacity(4) }
    }

    /// Begins a frame; it ends when what is returned is dropped.
    pub(crate) fn frame(&mut self, name: &str, turn: Option<&TurnId>) -> Frame<'_> {
        let name = names::spelled(name, self.naming);
        let frame = Frame { text: &mut self.text, ends: &mut self.ends, first: true };
        frame.with("type", &name).with("sessionId", self.session).maybe("turnId", turn)
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Gives each frame's number, and its text in two pieces.
    pub(crate) fn finish(&self, seq: u64, at: Millis, mut give: impl FnMut(u64, &[u8], &[u8])) {
        let mut start = 0;
        for (index, end) in self.ends.iter().enumerate() {
            let number = number(seq, index, self.ends.len());
            let rest = format!(",\"seq\":{number},\"ts\":{at}}}");
            give(number, &self.text[start..*end], rest.as_bytes());
            start = *end;
        }
    }
}

pub(crate) struct Frame<'f> {
    text: &'f mut Vec<u8>,
    ends: &'f mut Vec<usize>,
    first: bool,
}

impl Frame<'_> {
    pub(crate) fn with(mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Self {
        self.text.extend_from_slice(if self.first { b"{\"" } else { b",\"" });
        self.first = false;
        self.text.extend_from_slice(key.as_bytes());
        self.text.extend_from_slice(b"\":");
        serde_json::to_writer(&mut *self.text, value).expect("our values have text keys, and a Vec takes every byte");
        self
    }
    pub(crate) fn maybe(self, key: &str, value: Option<&(impl Serialize + ?Sized)>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.ends.push(self.text.len());
    }
}
