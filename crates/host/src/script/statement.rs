//! What a line of a script says.

use rejoin_core::ask::{Choice, Question};
use rejoin_core::usage::Usage;
use serde_json::Value;

/// One line, understood. Texts are parts of the line.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement<'a> {
    /// A line without `!`, its newline included.
    Say(&'a str),
    Stream {
        count: u64,
        delay_ms: Option<u64>,
    },
    Flood {
        count: u64,
        bytes: usize,
    },
    Big {
        bytes: usize,
    },
    Think(&'a str),
    Tool {
        name: &'a str,
        input: Value,
        after_ms: Option<u64>,
        result: Scripted<'a>,
    },
    ArgDelta {
        name: &'a str,
        /// The arguments as they were written.
        text: &'a str,
        input: Value,
    },
    Guarded {
        name: &'a str,
        input: Value,
        result: Scripted<'a>,
    },
    Shell(&'a str),
    Write {
        path: &'a str,
        text: &'a str,
    },
    Ask(Inquiry<'a>),
    WaitSteer,
    Task {
        name: &'a str,
        text: &'a str,
    },
    Plan(Vec<&'a str>),
    Image,
    Usage(Usage),
    Title(&'a str),
    Sleep {
        ms: u64,
    },
    Fail {
        code: &'a str,
        retry_ms: Option<u64>,
        text: &'a str,
    },
    Crash,
}

/// How a tool ends: its output, or behind `!error` why it failed.
pub type Scripted<'a> = Result<&'a str, &'a str>;

/// What `!ask` asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Inquiry<'a> {
    Permission { tool: &'a str, resource: &'a str, input: Value },
    Confirm(&'a str),
    Text(&'a str),
    Single { question: &'a str, options: Vec<&'a str> },
    Multi { question: &'a str, options: Vec<&'a str> },
    Form { question: String, questions: Vec<Question> },
    Client { capability: &'a str, input: Value },
}

/// An option whose label is its value.
pub(crate) fn choice(value: &str) -> Choice {
    Choice { label: value.to_owned(), value: value.to_owned(), description: None }
}
