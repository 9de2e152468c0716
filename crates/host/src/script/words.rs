//! The words of one line, taken from left to right.

use serde_json::Value;
use thiserror::Error;

/// Letters of a line that an error repeats.
const REPEATED: usize = 40;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Wrong {
    #[error("there is no !{0}")]
    Unknown(String),
    #[error("there is no !ask {0}")]
    UnknownAsk(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not a whole number")]
    NoNumber(&'static str),
    #[error("{what} is more than {most}")]
    TooMuch { what: &'static str, most: u64 },
    #[error("there are more than {most} between the |")]
    TooMany { most: usize },
    #[error("{{json}} is not a JSON object: {0}")]
    NoObject(String),
    #[error("the form: {0}")]
    NoForm(String),
    #[error("USD is not an amount with at most six decimals")]
    NoMoney,
    #[error("there is more than the line can mean: {0}")]
    TooLong(String),
}

impl Wrong {
    pub(super) fn unknown(verb: &str) -> Wrong {
        Wrong::Unknown(beginning(verb))
    }
    pub(super) fn unknown_ask(kind: &str) -> Wrong {
        Wrong::UnknownAsk(beginning(kind))
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(REPEATED).collect()
}

pub(super) struct Words<'a>(&'a str);

const BLANKS: [char; 2] = [' ', '\t'];

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Words<'a> {
        Words(text.trim_start_matches(BLANKS))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn word(&mut self, what: &'static str) -> Result<&'a str, Wrong> {
        let end = self.0.find(BLANKS).unwrap_or(self.0.len());
        if end == 0 {
            return Err(Wrong::Missing(what));
        }
        Ok(self.take(end))
    }

    pub(super) fn number(&mut self, what: &'static str, most: u64) -> Result<u64, Wrong> {
        let word = self.word(what)?;
        if !word.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Wrong::NoNumber(what));
        }
        // Digits that are no u64 are too many of them.
        let number = word.parse().ok().filter(|number| *number <= most);
        number.ok_or(Wrong::TooMuch { what, most })
    }

    pub(super) fn maybe_number(&mut self, what: &'static str, most: u64) -> Result<Option<u64>, Wrong> {
        if self.is_empty() {
            return Ok(None);
        }
        self.number(what, most).map(Some)
    }

    /// A JSON object, as it was written and as it was meant. It ends where its bracket closes, whatever it contains.
    pub(super) fn object(&mut self) -> Result<(&'a str, Value), Wrong> {
        if !self.0.starts_with('{') {
            return Err(Wrong::Missing("{json}"));
        }
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => return Err(Wrong::NoObject(error.to_string())),
            None => return Err(Wrong::Missing("{json}")),
        };
        let end = values.byte_offset();
        Ok((self.take(end), value))
    }

    pub(super) fn arrow(&mut self) -> Result<(), Wrong> {
        let found = self.skip("=>");
        self.0 = self.0.trim_start_matches(BLANKS);
        if found { Ok(()) } else { Err(Wrong::Missing("=>")) }
    }

    /// Takes `word` if it comes next, as a whole.
    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let behind = self.0.strip_prefix(word);
        let is_next = behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(BLANKS));
        if is_next {
            self.take(word.len());
        }
        is_next
    }

    /// Takes `beginning` if the rest begins so.
    pub(super) fn skip(&mut self, beginning: &str) -> bool {
        match self.0.strip_prefix(beginning) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// All that is left, to the end of the line.
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, Wrong> {
        if self.0.trim().is_empty() {
            return Err(Wrong::Missing(what));
        }
        Ok(self.rest())
    }

    /// As [`Words::text`], and it may be nothing.
    pub(super) fn rest(&mut self) -> &'a str {
        std::mem::take(&mut self.0)
    }

    pub(super) fn end(self) -> Result<(), Wrong> {
        if self.0.trim().is_empty() { Ok(()) } else { Err(Wrong::TooLong(beginning(self.0))) }
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest.trim_start_matches(BLANKS);
        taken
    }
}
