//! The text of a secret that people keep on paper.

use std::sync::LazyLock;

use data_encoding::{BASE32_NOPAD, Encoding};
use zeroize::Zeroizing;

use crate::secret::LENGTH;

const GROUP: usize = 5;
/// Letters and digits of a whole text: 256 bits, five each.
const LETTERS: usize = 52;

/// 260 bits hold 256. The apps do not look at the last four, so a slip there is no reason to refuse a person.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut rules = BASE32_NOPAD.specification();
    rules.check_trailing_bits = false;
    rules.encoding().expect("base32 stays base32 without a check")
});

pub(crate) fn print(secret: &[u8; LENGTH]) -> Zeroizing<String> {
    let letters = Zeroizing::new(BASE32.encode(secret));
    // Room for all from the start: a string that grew would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
    for (at, letter) in letters.chars().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// Forgives small letters, blanks, other groups, and digits that look like letters. Does not forgive a missing letter.
pub(crate) fn parse(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut letters = Zeroizing::new(Vec::with_capacity(LETTERS));
    for letter in text.bytes().filter_map(letter) {
        if letters.len() == LETTERS {
            return None;
        }
        letters.push(letter);
    }
    (letters.len() == LETTERS).then(|| BASE32.decode(&letters).ok().map(Zeroizing::new)).flatten()
}

fn letter(typed: u8) -> Option<u8> {
    match typed.to_ascii_uppercase() {
        b'0' => Some(b'O'),
        b'1' => Some(b'I'),
        b'8' => Some(b'B'),
        b'9' => Some(b'G'),
        letter @ (b'A'..=b'Z' | b'2'..=b'7') => Some(letter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_type_it_as_they_see_it() {
        let secret: [u8; 32] = std::array::from_fn(|at| (at * 8) as u8);
        let text = print(&secret);
        let read = |text: &str| parse(text).map(|bytes| bytes.to_vec());
        assert_eq!(read(&text), Some(secret.to_vec()));
        assert_eq!(read(&text.to_lowercase()), Some(secret.to_vec()));
        assert_eq!(read(&text.replace('-', " ")), Some(secret.to_vec()));
        assert_eq!(read(&text.replace('-', "")), Some(secret.to_vec()));
        let mistaken = text.replace('O', "0").replace('I', "1").replace('B', "8").replace('G', "9");
        assert_ne!(mistaken, *text);
        assert_eq!(read(&format!("\n «{mistaken}» ")), Some(secret.to_vec()));
    }

    #[test]
    fn a_letter_too_many_or_too_few_is_refused() {
        let text = print(&[7; 32]);
        assert_eq!(parse(&text[..text.len() - 1]), None);
        assert_eq!(parse(&format!("{}A", *text)), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("ÄÖÜ"), None);
    }

    #[test]
    fn a_slip_in_the_bits_that_nobody_reads_is_forgiven() {
        let mut text = print(&[0; 32]);
        assert_eq!(text.pop(), Some('A'));
        text.push('P');
        assert_eq!(parse(&text).as_deref(), Some(&vec![0; 32]));
    }
}
