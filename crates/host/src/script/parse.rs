//! Reads scripts. Pure: a line becomes a [`Statement`], or says what is wrong with it.

use rejoin_core::usage::Usage;
use serde_json::Value;

use super::form;
use super::statement::{Inquiry, Scripted, Statement};
use super::words::{Words, Wrong};

/// Tokens, or tool results, of one line. Enough for the longest benchmark, and an end to what nobody stops.
pub const MOST_EVENTS: u64 = 10_000_000;
/// The largest delta or tool output: as much as one part may hold.
pub const BIGGEST: u64 = rejoin_core::part::LONGEST_PART as u64;
/// The longest wait: a day.
pub const LONGEST_WAIT_MS: u64 = 24 * 60 * 60 * 1000;
/// Options of one question, and items of one plan.
pub const MOST_OPTIONS: usize = 100;
/// Tokens that one line may report: what JSON readers in JavaScript still read exactly.
const MOST_TOKENS: u64 = (1 << 53) - 1;

/// A line and its number, which begins at 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    pub number: usize,
    pub statement: Result<Statement<'a>, Wrong>,
}

/// All lines of a script.
pub fn parse(script: &str) -> Vec<Line<'_>> {
    let read = |(number, line)| Line { number, statement: statement(line) };
    numbered(script).map(read).collect()
}

/// The lines of a script with their numbers, unread: a long script is read as it runs.
pub(super) fn numbered(script: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(script.split_inclusive('\n'))
}

/// Reads one line, which may have its newline behind it.
pub(super) fn statement(line: &str) -> Result<Statement<'_>, Wrong> {
    let Some(command) = line.strip_prefix('!') else {
        return Ok(Statement::Say(line));
    };
    let command = command.strip_suffix('\n').unwrap_or(command);
    let command = command.strip_suffix('\r').unwrap_or(command);
    let (verb, rest) = command.split_once([' ', '\t']).unwrap_or((command, ""));
    let mut words = Words::new(rest);
    let statement = match verb {
        "stream" => Statement::Stream {
            count: words.number("N", MOST_EVENTS)?,
            delay_ms: words.maybe_number("delay_ms", LONGEST_WAIT_MS)?,
        },
        "flood" => {
            Statement::Flood { count: words.number("N", MOST_EVENTS)?, bytes: words.number("BYTES", BIGGEST)? as usize }
        }
        "big" => Statement::Big { bytes: words.number("BYTES", BIGGEST)? as usize },
        "think" => Statement::Think(words.text("TEXT")?),
        "tool" => Statement::Tool {
            name: words.word("NAME")?,
            input: words.object()?.1,
            after_ms: after(&mut words)?,
            result: result(&mut words)?,
        },
        "argdelta" => {
            let name = words.word("NAME")?;
            let (text, input) = words.object()?;
            Statement::ArgDelta { name, text, input }
        }
        "guarded" => {
            Statement::Guarded { name: words.word("NAME")?, input: words.object()?.1, result: result(&mut words)? }
        }
        "shell" => Statement::Shell(words.text("COMMAND")?),
        "write" => Statement::Write { path: words.word("PATH")?, text: words.rest() },
        "ask" => Statement::Ask(inquiry(&mut words)?),
        "waitsteer" => Statement::WaitSteer,
        "task" => Statement::Task { name: words.word("NAME")?, text: words.text("TEXT")? },
        "plan" => Statement::Plan(options(words.text("A | B")?, MOST_OPTIONS)?),
        "image" => Statement::Image,
        "usage" => Statement::Usage(usage(&mut words)?),
        "title" => Statement::Title(words.text("TEXT")?),
        "sleep" => Statement::Sleep { ms: words.number("MS", LONGEST_WAIT_MS)? },
        "fail" => {
            Statement::Fail { code: words.word("CODE")?, retry_ms: retry(&mut words)?, text: words.text("TEXT")? }
        }
        "crash" => Statement::Crash,
        unknown => return Err(Wrong::unknown(unknown)),
    };
    words.end()?;
    Ok(statement)
}

fn inquiry<'a>(words: &mut Words<'a>) -> Result<Inquiry<'a>, Wrong> {
    Ok(match words.word("the kind of ask")? {
        "permission" => Inquiry::Permission {
            tool: words.word("TOOL")?,
            resource: words.word("RESOURCE")?,
            input: if words.is_empty() { Value::Object(Default::default()) } else { words.object()?.1 },
        },
        "confirm" => Inquiry::Confirm(words.text("QUESTION")?),
        "text" => Inquiry::Text(words.text("QUESTION")?),
        "single" => {
            let (question, options) = question(words.text("QUESTION | A | B")?)?;
            Inquiry::Single { question, options }
        }
        "multi" => {
            let (question, options) = question(words.text("QUESTION | A | B")?)?;
            Inquiry::Multi { question, options }
        }
        "form" => {
            let (question, questions) = form::read(words.object()?.0)?;
            Inquiry::Form { question, questions }
        }
        "client" => Inquiry::Client { capability: words.word("CAPABILITY")?, input: words.object()?.1 },
        unknown => return Err(Wrong::unknown_ask(unknown)),
    })
}

/// `[after MS]`
fn after(words: &mut Words<'_>) -> Result<Option<u64>, Wrong> {
    if !words.skip_word("after") {
        return Ok(None);
    }
    words.number("MS", LONGEST_WAIT_MS).map(Some)
}

/// `=> OUTPUT` or `=> !error TEXT`
fn result<'a>(words: &mut Words<'a>) -> Result<Scripted<'a>, Wrong> {
    words.arrow()?;
    if words.skip_word("!error") {
        return Ok(Err(words.rest()));
    }
    Ok(Ok(words.rest()))
}

/// `[retry_ms=N]`
fn retry(words: &mut Words<'_>) -> Result<Option<u64>, Wrong> {
    if !words.skip("retry_ms=") {
        return Ok(None);
    }
    words.number("retry_ms", LONGEST_WAIT_MS).map(Some)
}

fn usage(words: &mut Words<'_>) -> Result<Usage, Wrong> {
    let input = words.number("INPUT", MOST_TOKENS)?;
    let output = words.number("OUTPUT", MOST_TOKENS)?;
    let cost_micros = if words.is_empty() {
        None
    } else {
        let usd = words.word("USD")?;
        Some(micros(usd).ok_or(Wrong::NoMoney)?)
    };
    Ok(Usage { input, output, cost_micros, ..Usage::default() })
}

/// Dollars with up to six decimals, exactly; at most a million of them.
fn micros(usd: &str) -> Option<u64> {
    let (whole, part) = usd.split_once('.').unwrap_or((usd, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= 1_000_000)?;
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    Some(whole * 1_000_000 + part)
}

/// `QUESTION | A | B`
fn question(text: &str) -> Result<(&str, Vec<&str>), Wrong> {
    let (question, options_text) = text.split_once('|').ok_or(Wrong::Missing("an option"))?;
    Ok((question.trim(), options(options_text, MOST_OPTIONS)?))
}

/// `A | B`
fn options(text: &str, most: usize) -> Result<Vec<&str>, Wrong> {
    let all: Vec<&str> = text.split('|').take(most + 1).map(str::trim).collect();
    if all.len() > most {
        return Err(Wrong::TooMany { most });
    }
    if all.iter().any(|option| option.is_empty()) {
        return Err(Wrong::Missing("the text between two |"));
    }
    Ok(all)
}
