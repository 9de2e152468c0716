//! Keeps the beginning and the end of an output that may have no bounds itself.

/// At most `limit` bytes of all that is pushed, half from either end.
#[derive(Debug)]
pub(super) struct Kept {
    half: usize,
    head: String,
    tail: String,
    total: u64,
    /// Once something has not fitted, nothing more goes to the beginning, or it would be out of order.
    head_is_full: bool,
}

impl Kept {
    pub(super) fn new(limit: usize) -> Kept {
        Kept { half: limit / 2, head: String::new(), tail: String::new(), total: 0, head_is_full: false }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.total += text.len() as u64;
        let mut rest = text;
        if !self.head_is_full {
            let fits = boundary_before(rest, self.half - self.head.len());
            self.head.push_str(&rest[..fits]);
            self.head_is_full = fits < rest.len();
            rest = &rest[fits..];
        }
        // What is longer than the tail pushes out all of it: do not copy that only to cut it.
        let beyond = boundary_after(rest, rest.len().saturating_sub(self.half));
        if beyond > 0 {
            self.tail.clear();
        }
        self.tail.push_str(&rest[beyond..]);
        // Cutting moves the rest, so it is done for a whole tail's worth at a time.
        if self.tail.len() > 2 * self.half {
            self.cut_tail();
        }
    }

    /// The output, and how many bytes of it were left out.
    pub(super) fn finish(mut self) -> (String, u64) {
        self.cut_tail();
        let omitted = self.total - (self.head.len() + self.tail.len()) as u64;
        if omitted > 0 {
            self.head.push_str(&format!("\n[{omitted} bytes left out]\n"));
        }
        self.head.push_str(&self.tail);
        (self.head, omitted)
    }

    fn cut_tail(&mut self) {
        let cut = boundary_after(&self.tail, self.tail.len().saturating_sub(self.half));
        self.tail.drain(..cut);
    }
}

fn boundary_before(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

fn boundary_after(text: &str, at: usize) -> usize {
    text.ceil_char_boundary(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_is_kept_whole() {
        let mut kept = Kept::new(10);
        kept.push("12345");
        kept.push("67890");
        assert_eq!(kept.finish(), ("1234567890".into(), 0));
    }

    #[test]
    fn what_does_not_fit_says_how_much_is_missing() {
        let mut kept = Kept::new(10);
        for digit in 0..100 {
            kept.push(&format!("{digit:02}"));
        }
        assert_eq!(kept.finish(), ("00010\n[190 bytes left out]\n89799".replace("89799", "79899"), 190));
    }

    proptest! {
        #[test]
        fn both_ends_are_kept_and_nothing_is_out_of_order(pieces in prop::collection::vec("\\PC{0,12}", 0..30), limit in 0usize..80) {
            let all: String = pieces.concat();
            let mut kept = Kept::new(limit);
            for piece in &pieces {
                kept.push(piece);
                prop_assert!(kept.head.len() <= kept.half && kept.tail.len() <= 3 * kept.half);
            }
            let (output, omitted) = kept.finish();
            if omitted == 0 {
                prop_assert_eq!(output, all);
            } else {
                let note = format!("\n[{omitted} bytes left out]\n");
                let (head, tail) = output.split_once(&note).unwrap();
                prop_assert!(all.starts_with(head) && all.ends_with(tail));
                prop_assert_eq!(head.len() + tail.len() + omitted as usize, all.len());
                prop_assert!(head.len() + tail.len() <= limit);
            }
        }
    }
}
