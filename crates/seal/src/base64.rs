//! Base64 as it travels: the standard alphabet with padding, strictly; in links the URL's alphabet without.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD, URL_SAFE_NO_PAD_INDIFFERENT};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not base64 as it has to be here")]
pub struct NotBase64;

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Refuses the URL's alphabet, missing padding, blanks and left-over bits: one text for each value.
pub fn decode(text: &str) -> Result<Vec<u8>, NotBase64> {
    STANDARD.decode(text).map_err(|_| NotBase64)
}

pub fn encode_url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Padding is neither missed nor minded: some programs that show links add it.
pub fn decode_url(text: &str) -> Result<Vec<u8>, NotBase64> {
    URL_SAFE_NO_PAD_INDIFFERENT.decode(text).map_err(|_| NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_takes_the_standard_alphabet_with_padding_and_nothing_else() {
        assert_eq!(encode([0xfb, 0xff]), "+/8=");
        assert_eq!(decode("+/8="), Ok(vec![0xfb, 0xff]));
        for text in ["-_8=", "+/8", "+/8= ", " +/8=", "+/9=", "+/8=+/8=", "+/8==", "é", "="] {
            assert_eq!(decode(text), Err(NotBase64), "{text}");
        }
    }

    #[test]
    fn a_link_takes_the_alphabet_of_urls_with_or_without_padding() {
        assert_eq!(encode_url([0xfb, 0xff]), "-_8");
        assert_eq!(decode_url("-_8"), Ok(vec![0xfb, 0xff]));
        assert_eq!(decode_url("-_8="), Ok(vec![0xfb, 0xff]));
        assert_eq!(decode_url("+/8"), Err(NotBase64));
    }
}
