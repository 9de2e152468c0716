//! Trimming: the deltas of a completed part fade into one, which remembers where each of them ended. A reader that comes
//! back from inside them gets exactly the suffix it is missing, and folding the trimmed log gives the same state.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Logged};
use crate::id::PartId;
use crate::position::Seq;

/// Where deltas ended: pairs of an event's number and the length of the text up to and with it.
///
/// Written as a text, `number.length` and then the steps to the next ones, because a long answer has thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Marks(Vec<(u64, u64)>);

impl Marks {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn push(&mut self, seq: Seq, end: usize) {
        self.add(seq.get(), end as u64);
    }
    /// Marks only go up; those of a damaged line that do not are left out.
    fn add(&mut self, at: u64, end: u64) {
        if self.0.last().is_none_or(|(before, length)| *before < at && *length <= end) {
            self.0.push((at, end));
        }
    }
    /// How much of the text a reader has that heard everything up to `seq`.
    pub fn heard(&self, seq: u64) -> usize {
        let known = self.0.partition_point(|(at, _)| *at <= seq);
        known.checked_sub(1).map_or(0, |last| self.0[last].1 as usize)
    }
}

impl From<Marks> for String {
    fn from(marks: Marks) -> String {
        let mut out = String::with_capacity(marks.0.len() * 4);
        let (mut seq, mut end) = (0, 0);
        for (at, length) in marks.0 {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(&format!("{}.{}", at - seq, length - end));
            (seq, end) = (at, length);
        }
        out
    }
}

impl TryFrom<String> for Marks {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Marks, &'static str> {
        let mut marks = Vec::new();
        let (mut seq, mut end) = (0u64, 0u64);
        for step in text.split(',').filter(|step| !step.is_empty()) {
            let bad = "marks are `number.length` steps";
            let (at, length) = step.split_once('.').ok_or(bad)?;
            seq = seq.checked_add(at.parse().map_err(|_| bad)?).ok_or(bad)?;
            end = end.checked_add(length.parse().map_err(|_| bad)?).ok_or(bad)?;
            marks.push((seq, end));
        }
        Ok(Marks(marks))
    }
}

/// What is known of the parts whose deltas may fade, gathered by one pass over a stretch of log.
#[derive(Debug, Default)]
pub struct Fading {
    parts: HashMap<PartId, Deltas>,
}

#[derive(Debug, Default)]
struct Deltas {
    text: String,
    marks: Marks,
    last: Option<Seq>,
    count: usize,
    completed: bool,
}

impl Fading {
    /// The first pass: see every event of the stretch, in order.
    pub fn see(&mut self, logged: &Logged) {
        match &logged.event {
            Event::PartDelta { part, text, marks, .. } => {
                let deltas = self.parts.entry(part.clone()).or_default();
                let before = deltas.text.len() as u64;
                deltas.text.push_str(text);
                marks.0.iter().for_each(|(at, end)| deltas.marks.add(*at, before.saturating_add(*end)));
                if marks.is_empty() {
                    deltas.marks.push(logged.seq, deltas.text.len());
                }
                deltas.last = Some(logged.seq);
                deltas.count += 1;
            }
            Event::PartCompleted { part, .. } => {
                if let Some(deltas) = self.parts.get_mut(&part.id) {
                    deltas.completed = true;
                }
            }
            _ => {}
        }
    }

    /// Whether the second pass would change anything.
    pub fn is_worth_it(&self) -> bool {
        self.parts.values().any(|deltas| deltas.completed && deltas.count > 1)
    }

    /// The second pass: what is left of an event.
    pub fn fade(&self, mut logged: Logged) -> Option<Logged> {
        if let Event::PartDelta { part, text, marks, .. } = &mut logged.event
            && let Some(deltas) = self.parts.get(part).filter(|deltas| deltas.completed && deltas.count > 1)
        {
            if deltas.last != Some(logged.seq) {
                return None;
            }
            text.clone_from(&deltas.text);
            marks.clone_from(&deltas.marks);
        }
        Some(logged)
    }
}

/// What a reader that heard everything up to `after` still has to hear of an event behind that: all of it, but for a faded
/// delta, of which it may have a beginning.
pub fn rest_for(mut logged: Logged, after: u64) -> Logged {
    if let Event::PartDelta { text, marks, .. } = &mut logged.event
        && !marks.is_empty()
    {
        let heard = marks.heard(after).min(text.len());
        // A mark is always the end of a delta, and a delta is whole characters; a damaged one must still not panic us.
        if text.is_char_boundary(heard) {
            text.drain(..heard);
        }
        *marks = Marks::default();
    }
    logged
}
