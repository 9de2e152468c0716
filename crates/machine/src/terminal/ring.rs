//! The end of an output, by position, and the sizes that the screen had on the way.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Size;

/// Changes of size that are remembered. Nobody drags a window's corner so often within one scrollback.
const MARKS: usize = 256;

/// At most so many bytes, the newest.
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    most: usize,
    /// Where the first of them stands in the whole output.
    start: u64,
    marks: VecDeque<Mark>,
    next_mark: u64,
    /// The size before the first of the marks.
    base: Option<Size>,
}

/// From a position on, the screen has another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) size: Size,
}

impl Ring {
    pub(super) fn new(most: usize, size: Option<Size>) -> Ring {
        Ring { bytes: VecDeque::new(), most, start: 0, marks: VecDeque::new(), next_mark: 0, base: size }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }
    pub(super) fn start(&self) -> u64 {
        self.start
    }
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
    pub(super) fn next_mark(&self) -> u64 {
        self.next_mark
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let fits = &bytes[bytes.len().saturating_sub(self.most)..];
        let beyond = (self.bytes.len() + fits.len()).saturating_sub(self.most);
        let dropped = beyond + (bytes.len() - fits.len());
        self.bytes.drain(..beyond);
        self.bytes.extend(fits);
        self.start += dropped as u64;
        self.forget_marks();
    }

    pub(super) fn mark(&mut self, size: Size) {
        self.marks.push_back(Mark { number: self.next_mark, at: self.end(), size });
        self.next_mark += 1;
        if self.marks.len() > MARKS {
            // What came before it cannot be shown in its size any more.
            let at = self.marks[0].at;
            self.bytes.drain(..(at - self.start) as usize);
            self.start = at;
            self.forget_marks();
            while self.marks.len() > MARKS {
                self.base = self.marks.pop_front().map(|mark| mark.size);
            }
        }
    }

    fn forget_marks(&mut self) {
        while self.marks.front().is_some_and(|mark| mark.at < self.start) {
            self.base = self.marks.pop_front().map(|mark| mark.size);
        }
    }

    /// The first of the marks that a reader has not been told of.
    pub(super) fn mark_from(&self, number: u64) -> Option<Mark> {
        self.marks.iter().find(|mark| mark.number >= number).copied()
    }

    /// The size that the screen had where a position is, and the first mark behind.
    pub(super) fn size_at(&self, at: u64) -> (Option<Size>, u64) {
        let before = self.marks.iter().take_while(|mark| mark.at <= at).last();
        match before {
            Some(mark) => (Some(mark.size), mark.number + 1),
            None => (self.base, self.marks.front().map_or(self.next_mark, |mark| mark.number)),
        }
    }

    /// At most `most` bytes from a position that is not gone.
    pub(super) fn from(&self, at: u64, most: usize) -> Bytes {
        let skip = at.saturating_sub(self.start).min(self.bytes.len() as u64) as usize;
        let count = most.min(self.bytes.len() - skip);
        let (front, back) = self.bytes.as_slices();
        let mut out = BytesMut::with_capacity(count);
        let from_front = front.len().saturating_sub(skip).min(count);
        out.extend_from_slice(&front[skip.min(front.len())..][..from_front]);
        out.extend_from_slice(&back[skip.saturating_sub(front.len())..][..count - from_front]);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ring_is_the_end_of_all_that_was_pushed(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..30),
            most in 1usize..64,
            skip in 0u64..80,
            take in 0usize..80,
        ) {
            let mut ring = Ring::new(most, None);
            let mut all = Vec::new();
            for piece in &pieces {
                ring.push(piece);
                all.extend_from_slice(piece);
                prop_assert_eq!(ring.end(), all.len() as u64);
                prop_assert!(ring.end() - ring.start() <= most as u64);
            }
            let at = (ring.start() + skip).min(ring.end());
            let end = (at as usize + take).min(all.len());
            prop_assert_eq!(&ring.from(at, take)[..], &all[at as usize..end]);
        }
    }

    #[test]
    fn sizes_are_known_for_what_is_kept() {
        let size = |cols| Size::new(cols, 10).unwrap();
        let mut ring = Ring::new(10, Some(size(1)));
        ring.push(b"12345");
        ring.mark(size(2));
        ring.push(b"67890");
        ring.mark(size(3));
        assert_eq!(ring.size_at(0), (Some(size(1)), 0));
        assert_eq!(ring.size_at(5), (Some(size(2)), 1));
        assert_eq!(ring.size_at(10), (Some(size(3)), 2));
        ring.push(b"abcdefgh");
        assert_eq!((ring.start(), ring.size_at(8)), (8, (Some(size(2)), 1)));
        assert_eq!(ring.mark_from(0), Some(Mark { number: 1, at: 10, size: size(3) }));
    }

    #[test]
    fn a_flood_of_sizes_is_bounded() {
        let mut ring = Ring::new(1_000, Some(Size::default()));
        for round in 0..2_000u16 {
            ring.push(b"x");
            ring.mark(Size::new(round % 400 + 1, 5).unwrap());
        }
        assert_eq!(ring.marks.len(), MARKS);
        assert!(ring.end() - ring.start() < 300);
        for _ in 0..2_000 {
            ring.mark(Size::default()); // all at one place
        }
        assert_eq!((ring.marks.len(), ring.start(), ring.end()), (MARKS, 2_000, 2_000));
    }
}
