//! Makes text of bytes that arrive in arbitrary pieces.

/// Holds back the beginning of a letter until the rest of it has come.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// At most three bytes: a letter has four.
    held: Vec<u8>,
}

impl Utf8 {
    /// The text that is complete with these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut at = 0;
        for piece in all.utf8_chunks() {
            text.push_str(piece.valid());
            at += piece.valid().len() + piece.invalid().len();
            let is_last = at == all.len();
            if is_last && is_begun(piece.invalid()) {
                self.held = piece.invalid().to_vec();
            } else if !piece.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// What is left when no more will come.
    pub(super) fn finish(&mut self) -> Option<String> {
        let was_begun = !std::mem::take(&mut self.held).is_empty();
        was_begun.then(|| char::REPLACEMENT_CHARACTER.to_string())
    }
}

/// Whether more bytes could still make a letter of these.
fn is_begun(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(bytes: &[u8], size: usize) -> String {
        let mut utf8 = Utf8::default();
        let mut text: String = bytes.chunks(size).map(|piece| utf8.push(piece)).collect();
        text.extend(utf8.finish());
        assert!(utf8.held.is_empty());
        text
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_text_as_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..60), size in 1usize..9) {
            prop_assert_eq!(in_pieces(&bytes, size), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_letter_is_lost_between_pieces(text in "\\PC{0,30}", size in 1usize..5) {
            prop_assert_eq!(in_pieces(text.as_bytes(), size), text);
        }
    }
}
