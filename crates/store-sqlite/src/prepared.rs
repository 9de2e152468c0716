//! A Work as the writer takes it: all that can be computed without the database, computed by whoever asks.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use rejoin_core::event::Logged;
use rejoin_ports::batch::Batch;
use rejoin_ports::memory::is_solid;
use rejoin_ports::store::{CommitError, Work, receipt_name};

/// Larger appends become several rows, so that a page does not have to fetch much more than it shows.
const ROW_BYTES: usize = 64 << 10;

pub(crate) struct Prepared {
    pub(crate) work: Work,
    pub(crate) rows: Vec<Chunk>,
    /// The list row's header as JSON.
    pub(crate) header: String,
    /// Names of the receipts, in their order.
    pub(crate) receipts: Vec<[u8; 16]>,
    /// Blobs that the batch names.
    pub(crate) blobs: BTreeSet<String>,
}

/// A stretch of a batch that is one row of the log.
pub(crate) struct Chunk {
    pub(crate) last: u64,
    pub(crate) solid: bool,
    pub(crate) lines: Range<usize>,
}

impl Prepared {
    pub(crate) fn new(work: Work) -> Result<Prepared, CommitError> {
        let mut prepared =
            Prepared { rows: Vec::new(), header: String::new(), receipts: Vec::new(), blobs: BTreeSet::new(), work };
        if let Some(append) = &prepared.work.stream {
            prepared.rows = chunks(&append.batch);
            prepared.header = serde_json::to_string(&append.row.header)
                .expect("headers have text keys, and a String takes every byte");
            prepared.blobs = blobs_named_in(append.batch.lines());
            let mut own = HashSet::with_capacity(append.receipts.len());
            for receipt in &append.receipts {
                let name = receipt_name(&receipt.user, &receipt.command);
                if !own.insert(name) {
                    return Err(CommitError::Repeated { user: receipt.user.clone(), command: receipt.command.clone() });
                }
                prepared.receipts.push(name);
            }
        }
        Ok(prepared)
    }

    pub(crate) fn lines(&self) -> Option<&Bytes> {
        self.work.stream.as_ref().map(|append| append.batch.lines())
    }
    pub(crate) fn weight(&self) -> usize {
        let records = self.work.records.iter();
        self.lines().map_or(0, Bytes::len)
            + records.filter_map(|write| write.value.as_ref()).map(Bytes::len).sum::<usize>()
    }
}

fn chunks(batch: &Batch) -> Vec<Chunk> {
    // Lines that cannot be parsed are from a newer version, and then they are certainly no deltas.
    let events = batch.events().unwrap_or_default();
    let solid = |at: usize| events.get(at).is_none_or(|logged: &Logged| is_solid(&logged.event));
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut start = 0;
    for (at, (seq, line)) in batch.iter().enumerate() {
        let end = start + line.len() + 1;
        match chunks.last_mut() {
            Some(chunk) if end - chunk.lines.start <= ROW_BYTES => {
                chunk.last = seq.get();
                chunk.solid |= solid(at);
                chunk.lines.end = end;
            }
            _ => chunks.push(Chunk { last: seq.get(), solid: solid(at), lines: start..end }),
        }
        start = end;
    }
    chunks
}

/// The hashes behind `blob:` anywhere in these lines. One too many does no harm: it only keeps a blob.
fn blobs_named_in(lines: &[u8]) -> BTreeSet<String> {
    const DIGITS: usize = 64;
    let hash_at = |at: usize| {
        let hash = lines.get(at + 5..at + 5 + DIGITS)?;
        let plain = hash.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| String::from_utf8_lossy(hash).into_owned())
    };
    memmem::find_iter(lines, b"blob:").filter_map(hash_at).collect()
}
