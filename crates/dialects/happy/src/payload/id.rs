//! Ids that are made here.

use std::fmt::Write;

use aws_lc_rs::{digest, rand};

const LENGTH: usize = 24;
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A fresh id in the form of cuid2: a letter, then letters and digits.
pub fn cuid2() -> String {
    let mut chance = [0u8; LENGTH];
    rand::fill(&mut chance).expect("the system gives random bytes");
    let pick = |(at, byte): (usize, u8)| {
        let choices = if at == 0 { 26 } else { LETTERS.len() };
        char::from(LETTERS[usize::from(byte) % choices])
    };
    chance.into_iter().enumerate().map(pick).collect()
}

/// Whether a text has the form of a cuid2, as `subagent` must.
pub fn is_cuid2(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (2..=32).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(plain)
}

/// The id of the subagent that a call of the tool `Task` has started.
pub fn subagent_of(tool_use: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("claude-subagent:{tool_use}").as_bytes());
    let mut id = "c".to_owned();
    for byte in hash.as_ref() {
        write!(id, "{byte:02x}").expect("a text takes everything");
    }
    id.truncate(LENGTH);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_that_readers_check() {
        for _ in 0..100 {
            let id = cuid2();
            assert!(id.len() == LENGTH && is_cuid2(&id), "{id}");
        }
        assert!(is_cuid2(&subagent_of("toolu_1")));
        assert_eq!(subagent_of("toolu_1"), subagent_of("toolu_1"));
        assert_ne!(subagent_of("toolu_1"), subagent_of("toolu_2"));
    }
}
