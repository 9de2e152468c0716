//! Text as an agent streams it.

/// The words of a text, each with the blanks behind it; blanks at the beginning belong to the first word. Together they
/// are the text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_word = |letter: char| !letter.is_whitespace();
        let behind = |at: usize, found: Option<usize>| found.map_or(rest.len(), |more| at + more);
        let word = behind(0, rest.find(is_word));
        let blank = behind(word, rest[word..].find(char::is_whitespace));
        let next = behind(blank, rest[blank..].find(is_word));
        let (first, others) = rest.split_at(next);
        rest = others;
        Some(first)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::words;

    #[test]
    fn a_word_keeps_the_blanks_behind_it() {
        let all: Vec<_> = words("  so  be\tit\n").collect();
        assert_eq!(all, ["  so  ", "be\t", "it\n"]);
        assert_eq!(words("").count(), 0);
        assert_eq!(words(" \n").collect::<Vec<_>>(), [" \n"]);
    }

    proptest! {
        #[test]
        fn words_together_are_the_text(text in any::<String>()) {
            prop_assert_eq!(words(&text).collect::<String>(), text);
        }

        #[test]
        fn there_are_as_many_as_words(text in "[a-z \n\t\u{a0}é]{0,60}") {
            let count = text.split_whitespace().count();
            let least = usize::from(!text.is_empty());
            prop_assert_eq!(words(&text).count(), count.max(least));
        }
    }
}
