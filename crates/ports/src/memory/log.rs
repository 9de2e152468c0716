//! One session's log in memory, and the pages that are read from it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rejoin_core::id::{CommandId, MessageId, SessionId, UserId};
use rejoin_core::position::{Epoch, Seq, Tip};

use crate::batch::Batch;
use crate::store::{LogPage, PAGE_BYTES, PAGE_EVENTS, Receipt, Row, Stored};

pub(super) struct Log {
    pub(super) row: Row,
    pub(super) term: u64,
    /// The life of the process that wrote the row.
    pub(super) life: u64,
    pub(super) lines: Vec<Line>,
    pub(super) receipts: HashMap<(UserId, CommandId), Receipt>,
    pub(super) places: HashMap<MessageId, (Seq, Seq)>,
    /// Hashes of blobs by the names that they have here.
    pub(super) named: HashMap<String, String>,
}

pub(super) struct Line {
    pub(super) seq: Seq,
    pub(super) bytes: Bytes,
    /// Not a delta: it stands in transcripts.
    pub(super) solid: bool,
}

impl Log {
    pub(super) fn begin(row: &Row) -> Log {
        Log {
            row: row.clone(),
            term: 1,
            life: 0,
            lines: Vec::new(),
            receipts: HashMap::new(),
            places: HashMap::new(),
            named: HashMap::new(),
        }
    }

    pub(super) fn tip(&self) -> Tip {
        self.lines.last().map(|line| line.seq)
    }

    pub(super) fn is_stale(&self, life: u64) -> bool {
        self.row.unsettled && self.life != life
    }

    pub(super) fn stored(&self, life: u64) -> Stored {
        Stored {
            row: self.row.clone(),
            term: self.term,
            lifted: None, // memory is never restored
            stale: self.is_stale(life),
            lift: 0,
        }
    }

    pub(super) fn mentions(&self, text: &[u8]) -> bool {
        let mentions = |line: &Line| line.bytes.windows(text.len()).any(|here| here == text);
        self.lines.iter().any(mentions)
    }

    pub(super) fn default_page(session: &SessionId, epoch: Epoch) -> LogPage {
        page_of(session, epoch, &[], false)
    }

    pub(super) fn page(&self, epoch: Epoch, after: u64, most: usize) -> LogPage {
        let first = self.lines.partition_point(|line| line.seq.get() <= after);
        let behind: Vec<_> = self.lines[first..].iter().collect();
        let count = fitting(behind.iter().copied(), most.min(PAGE_EVENTS));
        let more = count < behind.len();
        page_of(&self.row.header.id, epoch, &behind[..count], more)
    }

    pub(super) fn page_back(&self, epoch: Epoch, upto: u64) -> LogPage {
        let end = self.lines.partition_point(|line| line.seq.get() <= upto);
        let solid: Vec<_> = self.lines[..end].iter().filter(|line| line.solid).collect();
        let count = fitting(solid.iter().rev().copied(), PAGE_EVENTS);
        let older = solid.len() - count;
        page_of(&self.row.header.id, epoch, &solid[older..], older > 0)
    }
}

/// How many of these lines make a page. One line always fits.
fn fitting<'a>(lines: impl Iterator<Item = &'a Line>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |line: &&Line| {
        let first = bytes == 0;
        bytes += line.bytes.len() + 1;
        first || bytes <= PAGE_BYTES
    };
    lines.take(most).take_while(fits).count()
}

fn page_of(session: &SessionId, epoch: Epoch, lines: &[&Line], more: bool) -> LogPage {
    let mut text = BytesMut::new();
    for line in lines {
        text.extend_from_slice(&line.bytes);
        text.extend_from_slice(b"\n");
    }
    let batch = Batch::read(session.clone(), epoch, text.freeze());
    LogPage { batch: Arc::new(batch.expect("these lines were written by a batch")), more }
}
