//! What one connection still has to write, and how far it got.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Chunks held for one reader. Their bytes are shared between readers, but the list is not, and
/// this many are a few vectored writes.
pub(crate) const CHUNKS: usize = 256;

/// No further chunk is taken while this much waits: with it, one stalled reader pins at most this
/// plus the last chunk. A single chunk may be bigger, because a snapshot can be.
const BYTES: usize = 1 << 20;

/// A queue that grew beyond this is given back when it is empty.
const KEPT: usize = 8;

/// The outbox holds as much as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection still has {waiting} bytes to write")]
pub struct Full {
    pub waiting: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<Bytes>,
    /// Whether the first chunk was begun: then nothing may come before the rest of it.
    begun: bool,
    /// The newest pong. One is enough (RFC 6455, 5.5.3), and so a client that pings without
    /// reading costs one frame.
    pong: Option<Bytes>,
    waiting: usize,
}

impl Outbox {
    /// Bytes not written yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes all of `chunks`, or none of them. An empty outbox takes up to [`CHUNKS`] of any size.
    pub(crate) fn take(&mut self, chunks: &[Bytes]) -> Result<(), Full> {
        if self.chunks.len() + chunks.len() > CHUNKS || self.waiting >= BYTES {
            return Err(Full { waiting: self.waiting });
        }
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            self.waiting += chunk.len();
            self.chunks.push_back(chunk.clone());
        }
        Ok(())
    }

    /// Answers a ping before the chunks that were not begun.
    pub(crate) fn pong(&mut self, frame: Bytes) {
        self.waiting += frame.len();
        if let Some(older) = self.pong.replace(frame) {
            self.waiting -= older.len();
        }
    }

    /// Adds a last chunk, which is always taken: a close.
    pub(crate) fn last(&mut self, chunk: Bytes) {
        self.waiting += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// Fills `slices` with what is to be written next, and says how many it filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (begun, rest) = (usize::from(self.begun), &self.chunks);
        let in_order = rest.iter().take(begun).chain(&self.pong).chain(rest.iter().skip(begun));
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(in_order) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    /// Takes off `written` bytes in the order of [`slices`](Self::slices).
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.waiting -= written;
        if self.begun {
            written = self.advance_first(written);
        }
        if written > 0
            && let Some(pong) = self.pong.take()
        {
            self.chunks.push_front(pong);
        }
        while written > 0 {
            written = self.advance_first(written);
        }
        if self.chunks.is_empty() && self.chunks.capacity() > KEPT {
            self.chunks = VecDeque::new();
        }
    }

    /// Takes `written` bytes off the first chunk, and gives back what was more than that.
    fn advance_first(&mut self, written: usize) -> usize {
        let first = self.chunks.front_mut().expect("no more is written than there was");
        if written < first.len() {
            first.advance(written);
            self.begun |= written > 0;
            return 0;
        }
        let more = written - first.len();
        self.chunks.pop_front();
        self.begun = false;
        more
    }

    /// Forgets everything: nobody will read it.
    pub(crate) fn clear(&mut self) {
        *self = Outbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = outbox.slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn a_pong_goes_before_what_was_not_begun_and_behind_what_was() {
        let mut outbox = Outbox::default();
        outbox.take(&["aaa".into(), "bbb".into()]).unwrap();
        outbox.pong("!".into());
        assert_eq!(next(&outbox), b"!aaabbb");
        outbox.advance(2);
        outbox.pong("?".into());
        assert_eq!(next(&outbox), b"aa?bbb");
        outbox.advance(2);
        assert_eq!(next(&outbox), b"?bbb");
    }

    #[test]
    fn only_the_newest_pong_waits() {
        let mut outbox = Outbox::default();
        for pong in ["one", "second", "3"] {
            outbox.pong(pong.into());
        }
        assert_eq!((next(&outbox), outbox.waiting()), (b"3".to_vec(), 1));
    }

    #[test]
    fn a_full_outbox_refuses_the_whole_write() {
        let mut outbox = Outbox::default();
        outbox.take(&[vec![0; BYTES].into()]).unwrap();
        assert_eq!(outbox.take(&["more".into()]), Err(Full { waiting: BYTES }));
        outbox.advance(1);
        outbox.take(&["more".into()]).unwrap();

        let mut outbox = Outbox::default();
        outbox.take(&vec!["x".into(); CHUNKS - 1]).unwrap();
        assert!(outbox.take(&["x".into(), "x".into()]).is_err());
        assert_eq!(outbox.waiting(), CHUNKS - 1);
    }

    proptest! {
        /// Whatever the kernel takes at a time, each chunk leaves whole, once and in order.
        #[test]
        fn chunks_leave_whole_and_in_order(
            lengths in prop::collection::vec(0_usize..40, 0..20),
            steps in prop::collection::vec((1_usize..60, any::<bool>()), 0..60),
        ) {
            let mut outbox = Outbox::default();
            let chunks: Vec<Bytes> =
                lengths.iter().enumerate().map(|(at, &length)| vec![at as u8; length].into()).collect();
            outbox.take(&chunks).unwrap();
            let mut written = Vec::new();
            for (step, pongs) in steps {
                if pongs {
                    outbox.pong(Bytes::from_static(b"\xFF\xFE"));
                }
                let next = next(&outbox);
                let step = step.min(next.len());
                written.extend_from_slice(&next[..step]);
                outbox.advance(step);
            }
            while outbox.waiting() > 0 {
                let next = next(&outbox);
                outbox.advance(next.len());
                written.extend(next);
            }
            let without_pongs = |bytes: &[u8]| -> Vec<u8> {
                bytes.iter().copied().filter(|byte| *byte < 0xFE).collect()
            };
            let mut plain = Vec::new();
            let mut pieces = written.as_slice();
            for chunk in &chunks {
                while !chunk.is_empty() && pieces.first() == Some(&0xFF) {
                    prop_assert_eq!(pieces[1], 0xFE, "a pong is whole");
                    pieces = &pieces[2..];
                }
                prop_assert!(pieces.starts_with(chunk), "a chunk is torn");
                plain.extend_from_slice(chunk);
                pieces = &pieces[chunk.len()..];
            }
            prop_assert_eq!(without_pongs(&written), plain);
        }
    }
}
