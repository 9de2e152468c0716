//! Why a sealed thing could not be opened.

/// None of these says anything of what is inside, so all may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error("opening a seal: not standard base64 with padding")]
    NotBase64,
    #[error("opening a seal: {length} bytes are too few, it takes at least {least}")]
    TooShort { length: usize, least: usize },
    /// It was sealed in a way that we do not know; perhaps a newer one.
    #[error("opening a seal: its first byte is {0}, not 0")]
    Prefix(u8),
    /// The wrong key, or not the bytes that were sealed. Nobody can tell which.
    #[error("opening a seal: the key does not fit, or the bytes were changed")]
    Refused,
    /// The key fits, but what is inside is not as long as a key has to be.
    #[error("opening a seal: {0} bytes are inside, which is not a key")]
    NotAKey(usize),
    /// The key fits, but the public key inside is none that anybody should use.
    #[error("opening a seal: the public key inside is not usable")]
    BadKey,
    /// The key fits, but what is inside is not the JSON that was wanted. Where, not what: the parser would quote the text.
    #[error("opening a seal: not the expected JSON at line {line}, column {column}")]
    Json { line: usize, column: usize },
}

impl From<crate::base64::NotBase64> for Unopened {
    fn from(_: crate::base64::NotBase64) -> Unopened {
        Unopened::NotBase64
    }
}

/// Cuts `N` bytes off the front of something whose length has been checked.
pub(crate) fn cut<const N: usize>(bytes: &[u8]) -> (&[u8; N], &[u8]) {
    bytes.split_first_chunk().expect("the caller has checked the length")
}

pub(crate) fn at_least(bytes: &[u8], least: usize) -> Result<(), Unopened> {
    if bytes.len() < least { Err(Unopened::TooShort { length: bytes.len(), least }) } else { Ok(()) }
}
