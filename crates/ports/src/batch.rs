//! Committed events on their way to readers: written once as lines, and encoded once for every way of showing them.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::{Bytes, BytesMut};
use rejoin_core::event::{BadLine, Logged};
use rejoin_core::id::SessionId;
use rejoin_core::position::{Epoch, Seq};

/// Events of one session that follow each other, as the JSON lines that the log keeps.
pub struct Batch {
    pub session: SessionId,
    pub epoch: Epoch,
    lines: Bytes,
    /// The number of each line, and where it ends (its line's end included).
    entries: Vec<(Seq, u32)>,
    events: OnceLock<Result<Vec<Logged>, Arc<BadLine>>>,
    /// Few doors and flavours: a list beats a map.
    renditions: Mutex<Vec<(Rendition, Arc<Rendered>)>>,
}

/// A way of showing events: a door's name and a flavour of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendition {
    pub door: &'static str,
    pub flavour: u32,
}

/// A batch as one door shows it. Events that the door hides have no bytes.
#[derive(Debug)]
pub struct Rendered {
    pub bytes: Bytes,
    /// Where each event of the batch ends in `bytes`.
    pub ends: Vec<u32>,
}

impl Rendered {
    /// What remains from event `first` (an index into the batch) on.
    pub fn from(&self, first: usize) -> Bytes {
        let start = first.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.slice(start as usize..)
    }
}

/// Lines that are no log.
#[derive(Debug, thiserror::Error)]
#[error("log page: a line does not begin with its number")]
pub struct BadPage;

impl Batch {
    /// Writes events that are about to be committed.
    pub fn of(session: SessionId, epoch: Epoch, events: Vec<Logged>) -> Batch {
        let mut lines = Vec::with_capacity(events.len() * 256);
        let mut entries = Vec::with_capacity(events.len());
        for event in &events {
            event.write(&mut lines);
            lines.push(b'\n');
            entries.push((event.seq, lines.len() as u32));
        }
        Batch { session, epoch, lines: lines.into(), entries, events: Ok(events).into(), renditions: Mutex::default() }
    }

    /// Takes lines that were read from a log. They are parsed only if somebody needs to.
    pub fn read(session: SessionId, epoch: Epoch, lines: Bytes) -> Result<Batch, BadPage> {
        let mut entries = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &lines).map(|at| at + 1) {
            let seq = Logged::peek_seq(&lines[start..end]).ok_or(BadPage)?;
            entries.push((seq, end as u32));
            start = end;
        }
        if start != lines.len() {
            return Err(BadPage);
        }
        Ok(Batch { session, epoch, lines, entries, events: OnceLock::new(), renditions: Mutex::default() })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    pub fn first(&self) -> Option<Seq> {
        self.entries.first().map(|(seq, _)| *seq)
    }
    pub fn last(&self) -> Option<Seq> {
        self.entries.last().map(|(seq, _)| *seq)
    }
    /// The index of the first event behind `seq`.
    pub fn behind(&self, seq: u64) -> usize {
        self.entries.partition_point(|(at, _)| at.get() <= seq)
    }
    pub fn lines(&self) -> &Bytes {
        &self.lines
    }
    /// Number and JSON of each event, without the line's end.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &[u8])> {
        let mut start = 0;
        self.entries.iter().map(move |(seq, end)| {
            let line = &self.lines[start..*end as usize - 1];
            start = *end as usize;
            (*seq, line)
        })
    }
    /// The events themselves.
    pub fn events(&self) -> Result<&[Logged], Arc<BadLine>> {
        let events = self.events.get_or_init(|| {
            self.iter().map(|(_, line)| Logged::read(line)).collect::<Result<_, _>>().map_err(Arc::new)
        });
        events.as_deref().map_err(Arc::clone)
    }

    /// The batch as one door shows it; `write` is called once per event, and for the first reader only.
    pub fn rendered(
        &self,
        rendition: Rendition,
        mut write: impl FnMut(usize, Seq, &[u8], &mut BytesMut),
    ) -> Arc<Rendered> {
        let mut renditions = self.renditions.lock().expect("encoders do not panic");
        if let Some((_, rendered)) = renditions.iter().find(|(known, _)| *known == rendition) {
            return rendered.clone();
        }
        let mut out = BytesMut::with_capacity(self.lines.len() + self.len() * 64);
        let mut ends = Vec::with_capacity(self.len());
        for (index, (seq, line)) in self.iter().enumerate() {
            write(index, seq, line, &mut out);
            ends.push(out.len() as u32);
        }
        let rendered = Arc::new(Rendered { bytes: out.freeze(), ends });
        renditions.push((rendition, rendered.clone()));
        rendered
    }

    /// Roughly what it keeps in memory.
    pub fn weight(&self) -> usize {
        self.lines.len() * 2 + self.len() * 64
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Batch({} {:?}..{:?})", self.session, self.first(), self.last())
    }
}
