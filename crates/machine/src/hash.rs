//! The SHA-256 of a content, which names it.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use aws_lc_rs::digest::{self, Context, SHA256};

/// Bytes read at a time while hashing: large enough to be fast, small enough for any stack of readers.
const BLOCK: usize = 64 * 1024;

/// What a file contained, as 32 bytes; written and read as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    pub fn of(content: &[u8]) -> ContentHash {
        ContentHash::from_digest(&digest::digest(&SHA256, content))
    }

    /// Hashes all that `content` gives, a block at a time.
    pub fn read(mut content: impl Read) -> io::Result<ContentHash> {
        let mut context = Context::new(&SHA256);
        let mut block = vec![0; BLOCK];
        loop {
            match content.read(&mut block) {
                Ok(0) => return Ok(ContentHash::from_digest(&context.finish())),
                Ok(count) => context.update(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn hex(&self) -> String {
        self.to_string()
    }

    fn from_digest(digest: &digest::Digest) -> ContentHash {
        ContentHash(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ContentHash({self})")
    }
}

/// It was not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content hash is 64 hex digits")]
pub struct NotAHash;

impl FromStr for ContentHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<ContentHash, NotAHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotAHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            *byte = (high.ok_or(NotAHash)? * 16 + low.ok_or(NotAHash)?) as u8;
        }
        Ok(ContentHash(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn it_is_the_sha_256_everyone_knows() {
        assert_eq!(ContentHash::of(b"abc").hex(), ABC);
        assert_eq!(ContentHash::read(&b"abc"[..]).unwrap().hex(), ABC);
    }

    #[test]
    fn hashing_in_blocks_equals_hashing_at_once() {
        let content: Vec<u8> = (0..3 * BLOCK + 17).map(|i| (i % 251) as u8).collect();
        assert_eq!(ContentHash::read(&content[..]).unwrap(), ContentHash::of(&content));
    }

    #[test]
    fn hex_reads_back_and_nothing_else_does() {
        assert_eq!(ABC.parse(), Ok(ContentHash::of(b"abc")));
        assert_eq!(ABC.to_uppercase().parse(), Ok(ContentHash::of(b"abc")));
        for bad in ["", "ba78", &ABC.replace('b', "g"), &format!("{ABC}00"), &"é".repeat(32)] {
            assert_eq!(bad.parse::<ContentHash>(), Err(NotAHash), "{bad}");
        }
    }
}
