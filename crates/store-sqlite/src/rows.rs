//! Rows of the log: lines, or packed lines of which deltas may have faded.

use std::borrow::Cow;

use memchr::{memchr_iter, memmem};
use rejoin_core::event::{Event, Logged};
use rejoin_core::position::Seq;
use rejoin_core::trim::{Marks, rest_for};
use rejoin_ports::memory::is_solid;

use crate::trouble::unreadable;

/// `form` of a row as it was committed.
pub(crate) const PLAIN: i64 = 0;
/// `form` of a row that has been packed.
pub(crate) const PACKED: i64 = 1;
/// How hard rows are packed: they are packed once, when nobody waits.
const LEVEL: i32 = 6;

pub(crate) fn pack(lines: &[u8]) -> rusqlite::Result<Vec<u8>> {
    zstd::bulk::compress(lines, LEVEL).map_err(unreadable)
}

/// The lines of a row.
pub(crate) fn unpack(form: i64, body: &[u8]) -> rusqlite::Result<Cow<'_, [u8]>> {
    match form {
        PLAIN => Ok(Cow::Borrowed(body)),
        PACKED => zstd::stream::decode_all(body).map(Cow::Owned).map_err(unreadable),
        other => Err(unreadable(format!("a log row has the unknown form {other}"))),
    }
}

/// Each line with its number and its end.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = rusqlite::Result<(u64, &[u8])>> {
    let mut start = 0;
    memchr_iter(b'\n', text).map(move |end| {
        let line = &text[start..=end];
        start = end + 1;
        let seq = Logged::peek_seq(line).ok_or_else(|| unreadable("a log line has no number"))?;
        Ok((seq.get(), line))
    })
}

/// What is left of a row for a reader: lines, each with its end.
pub(crate) type Heard<'a> = Vec<(u64, Cow<'a, [u8]>)>;

/// The same, apart from the row.
pub(crate) type Told = Vec<(u64, Vec<u8>)>;

/// How much fits in what is left of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) events: usize,
    /// Nothing is in the page yet: one event goes in, however large.
    pub(crate) is_empty: bool,
}

impl Room {
    fn fits(&self, heard: &Heard<'_>) -> bool {
        let bytes: usize = heard.iter().map(|(_, line)| line.len()).sum();
        heard.len() <= self.events && (bytes <= self.bytes || self.is_empty && heard.len() == 1)
    }
}

/// The lines of a plain row behind `after`, as many as fit. Also says whether that is all of them.
pub(crate) fn hear_plain(text: &[u8], after: u64, room: Room) -> rusqlite::Result<(Heard<'_>, bool)> {
    let mut heard: Heard<'_> = Vec::new();
    let mut bytes = 0;
    for line in lines(text) {
        let (seq, line) = line?;
        if seq <= after {
            continue;
        }
        bytes += line.len();
        let first = room.is_empty && heard.is_empty();
        if heard.len() == room.events || bytes > room.bytes && !first {
            return Ok((heard, false));
        }
        heard.push((seq, Cow::Borrowed(line)));
    }
    Ok((heard, true))
}

/// One line of a packed row, and what a faded delta has kept.
struct Faded<'a> {
    seq: u64,
    line: &'a [u8],
    delta: Option<Logged>,
}

impl<'a> Faded<'a> {
    fn read(seq: u64, line: &'a [u8]) -> Faded<'a> {
        let faded = memmem::find(line, b"\"marks\":").is_some();
        let delta = faded.then(|| Logged::read(line).ok()).flatten().filter(|logged| marks_of(logged).is_some());
        Faded { seq, line, delta }
    }

    /// What a reader at `after` hears of it.
    fn rest(&self, after: u64) -> Cow<'a, [u8]> {
        match &self.delta {
            Some(delta) => written(&rest_for(delta.clone(), after)),
            None => Cow::Borrowed(self.line),
        }
    }

    /// What a reader at `after` hears of it up to `upto`, which is before this line: as if the delta had been merged there.
    fn beginning(&self, after: u64, upto: u64) -> Option<(u64, Cow<'a, [u8]>)> {
        let delta = self.delta.as_ref()?;
        let (marks, text) = marks_of(delta)?;
        let (from, to) = (marks.heard(after), marks.heard(upto));
        let piece = text.get(from..to).filter(|piece| !piece.is_empty())?;
        let seq = first_where(after, upto, |seq| marks.heard(seq) == to);
        let mut merged = delta.clone();
        merged.seq = Seq::new(seq)?;
        if let Event::PartDelta { text, marks, .. } = &mut merged.event {
            *text = piece.to_owned();
            *marks = Marks::default();
        }
        Some((seq, written(&merged)))
    }

    /// The number of the first delta in it that a reader at `after` lacks.
    fn first_behind(&self, after: u64) -> u64 {
        let Some((marks, _)) = self.delta.as_ref().and_then(marks_of) else {
            return self.seq;
        };
        let heard = marks.heard(after);
        first_where(after, self.seq, |seq| marks.heard(seq) > heard)
    }
}

fn marks_of(logged: &Logged) -> Option<(&Marks, &str)> {
    match &logged.event {
        Event::PartDelta { text, marks, .. } if !marks.is_empty() => Some((marks, text)),
        _ => None,
    }
}

fn written(logged: &Logged) -> Cow<'static, [u8]> {
    let mut line = logged.to_json();
    line.push(b'\n');
    Cow::Owned(line)
}

/// The first number in `after+1..=upto` from which on `holds` holds, which it does at `upto`.
fn first_where(after: u64, upto: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (after + 1, upto);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// What a reader at `after` hears of a packed row, as much as fits. Also says whether that is all of it.
///
/// A page may end between the deltas that have faded into one: then it has what they said up to there, so that whoever goes
/// on behind the page, and is given the rest, has heard each letter once.
pub(crate) fn hear_packed(text: &[u8], after: u64, room: Room) -> rusqlite::Result<(Told, bool)> {
    let mut behind = Vec::new();
    for line in lines(text) {
        let (seq, line) = line?;
        if seq > after {
            behind.push(Faded::read(seq, line));
        }
    }
    let owned = |heard: Heard<'_>| heard.into_iter().map(|(seq, line)| (seq, line.into_owned())).collect();
    let whole = behind.len();
    let heard = upto(&behind, after, whole);
    if room.fits(&heard) {
        return Ok((owned(heard), true));
    }
    // The most lines that fit: more of them are hardly ever shorter, and a page may as well end a little early.
    let (mut fitting, mut most) = (0, whole.saturating_sub(1));
    while fitting < most {
        let middle = (fitting + most).div_ceil(2);
        if room.fits(&upto(&behind, after, middle)) {
            fitting = middle;
        } else {
            most = middle - 1;
        }
    }
    if fitting > 0 {
        return Ok((owned(upto(&behind, after, fitting)), false));
    }
    // Not even the first line with what comes before it: a single delta, as it was once committed.
    let first = behind.iter().map(|faded| faded.first_behind(after)).min();
    let heard: Heard<'_> = match first {
        Some(first) if room.is_empty && room.events > 0 => behind
            .iter()
            .filter_map(|faded| {
                if faded.seq == first { Some((faded.seq, faded.rest(after))) } else { faded.beginning(after, first) }
            })
            .collect(),
        _ => Vec::new(),
    };
    let all = whole == 1 && heard.len() == 1 && first == Some(behind[0].seq);
    Ok((owned(heard), all))
}

/// The first `count` lines, and what the others have to say up to there.
fn upto<'a>(behind: &[Faded<'a>], after: u64, count: usize) -> Heard<'a> {
    let (whole, rest) = behind.split_at(count);
    let end = whole.last().map_or(after, |faded| faded.seq);
    let mut heard: Heard<'a> = whole
        .iter()
        .map(|faded| (faded.seq, faded.rest(after)))
        .chain(rest.iter().filter_map(|faded| faded.beginning(after, end)))
        .collect();
    heard.sort_by_key(|(seq, _)| *seq);
    heard
}

/// The lines of a row up to `upto` that stand in transcripts.
pub(crate) fn solid(text: &[u8], upto: u64) -> rusqlite::Result<Heard<'_>> {
    let mut heard = Vec::new();
    for line in lines(text) {
        let (seq, line) = line?;
        if seq <= upto && !is_delta(line) {
            heard.push((seq, Cow::Borrowed(line)));
        }
    }
    Ok(heard)
}

fn is_delta(line: &[u8]) -> bool {
    // Looking is much cheaper than parsing; only who looks like one is parsed.
    let looks_like = |kind: &str| memmem::find(line, kind.as_bytes()).is_some();
    (looks_like("\"type\":\"partDelta\"") || looks_like("\"type\":\"toolOutput\""))
        && Logged::read(line).is_ok_and(|logged| !is_solid(&logged.event))
}
