//! The text of an API key: `rjn_`, an id that finds it, and a secret that proves it.

use std::fmt::Write;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;

const PREFIX: &str = "rjn_";
/// Bytes of the id: enough that two keys never share one.
const ID: usize = 8;
/// Bytes of the secret: nobody guesses 256 bits.
const SECRET: usize = 32;

/// What is kept of a key instead of its text. Its secret is random, so a plain hash hides it well.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(text: &str) -> Fingerprint {
        let digest = digest(&SHA256, text.as_bytes());
        Fingerprint(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// Takes as long whether the first or the last byte differs.
    pub(crate) fn is(&self, other: &Fingerprint) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    pub(crate) fn hex(&self) -> String {
        hex(&self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Fingerprint> {
        let bytes = unhex(text)?;
        bytes.try_into().ok().map(Fingerprint)
    }
}

/// Makes a key: its id and its whole text.
pub(crate) fn mint() -> (String, String) {
    let mut bytes = [0; ID + SECRET];
    rand::fill(&mut bytes).expect("the system's source of randomness answers");
    let id = hex(&bytes[..ID]);
    let text = format!("{PREFIX}{id}_{}", hex(&bytes[ID..]));
    (id, text)
}

/// The id of what looks like a key.
pub(crate) fn id(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let digits = |text: &str, bytes| {
        text.len() == bytes * 2 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    (digits(id, ID) && digits(secret, SECRET)).then_some(id)
}

/// Enough of a key to recognise it in a log or on a screen.
pub(crate) fn hint(text: &str) -> String {
    id(text).map_or_else(|| "…".to_owned(), |id| format!("{PREFIX}{id}_…"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes every byte
        text
    })
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_key_is_found_by_its_id_and_known_by_its_fingerprint() {
        let (first, text) = mint();
        assert_eq!(id(&text), Some(first.as_str()));
        assert!(text.starts_with("rjn_") && text.len() == 85);
        let kept = Fingerprint::from_hex(&Fingerprint::of(&text).hex()).unwrap();
        assert!(kept.is(&Fingerprint::of(&text)));
        assert!(!kept.is(&Fingerprint::of(&mint().1)));
        assert!(!hint(&text).contains(&text[25..]));
    }

    #[test]
    fn what_is_no_key_has_no_id() {
        let (_, text) = mint();
        let upper = text.replace("rjn_", "RJN_");
        let long = format!("{text}0");
        for bad in ["", "rjn_", "rjn__", "rjn_a_b", &text[..84], &long, &upper, "rjn_é", "a.b.c"] {
            assert_eq!(id(bad), None, "{bad}");
        }
        for bad in ["0", "0g", "é"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
