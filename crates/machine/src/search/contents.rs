//! Finding lines by what they say.

use std::io::{self, Read};
use std::time::Duration;

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, MmapChoice, Searcher, SearcherBuilder, Sink, SinkMatch};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{DEPTH, Glob, SKIPPED, SearchError, check_length};
use crate::confine::Root;
use crate::walk::{Patience, Sight, walk};

/// Memory for one line while it is looked at. A longer one is in no text a person wrote; its file is passed over.
const LINE_MEMORY: usize = 1024 * 1024;
/// Memory a compiled regex may take; `(a{1000}){1000}` would like more.
const REGEX_MEMORY: usize = 10 * 1024 * 1024;

/// What to look for.
#[derive(Debug, Clone)]
pub struct ContentQuery {
    pub pattern: String,
    /// Whether the pattern is a regular expression, or just text.
    pub regex: bool,
    pub ignore_case: bool,
    /// A glob that a file's name (or with a `/`, its path) must fit.
    pub only: Option<String>,
    /// The file or folder to look in; empty for the workspace.
    pub under: String,
    pub hidden: bool,
    /// Whether to look into what .gitignore rules out.
    pub ignored: bool,
    /// Matching lines in all, and in one file.
    pub limit: usize,
    pub per_file: u64,
    /// Bytes shown of a line.
    pub line: usize,
    /// Bytes read in all.
    pub bytes: u64,
    pub time: Duration,
}

impl ContentQuery {
    pub fn new(pattern: impl Into<String>) -> ContentQuery {
        ContentQuery {
            pattern: pattern.into(),
            regex: false,
            ignore_case: false,
            only: None,
            under: String::new(),
            hidden: false,
            ignored: false,
            limit: 200, // more than a person reads, and than a model should
            per_file: 50,
            line: 500,
            bytes: 1024 * 1024 * 1024, // what a warm machine greps in the time below
            time: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentResult {
    /// In the order of their paths, then of their lines.
    pub matches: Vec<Match>,
    /// There may be more: a limit was reached, or the search was stopped.
    pub truncated: bool,
}

/// One matching line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    pub path: String,
    /// From 1.
    pub line: u64,
    /// Bytes before the first match in the line, plus one.
    pub column: usize,
    /// The line, or when it is long what surrounds its first match.
    pub text: String,
    pub cut: bool,
}

/// Finds lines that match `query`.
pub fn contents(root: &Root, query: &ContentQuery, stop: &CancellationToken) -> Result<ContentResult, SearchError> {
    let matcher = compile(query)?;
    let only = query.only.as_deref().map(Glob::new).transpose()?;
    let under = root.resolve(&query.under)?;
    let patience = Patience::new(query.time, stop);
    let sight = Sight { hidden: query.hidden, ignored: query.ignored, depth: DEPTH };
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .heap_limit(Some(LINE_MEMORY))
        // A file that shrinks while it is mapped would kill us.
        .memory_map(MmapChoice::never())
        .binary_detection(BinaryDetection::quit(0))
        // One more than is shown, to know that there is more.
        .max_matches(Some(query.per_file.saturating_add(1)))
        .build();
    let mut left = query.bytes;
    let mut result = ContentResult { matches: Vec::new(), truncated: false };

    for entry in walk(root, &under, sight, SKIPPED) {
        if patience.is_over() || left == 0 {
            result.truncated = true;
            break;
        }
        // What cannot be read, or has gone meanwhile, is not searched.
        let Ok(entry) = entry else { continue };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let Some(found) = root.found(entry.path()) else {
            continue;
        };
        if only.as_ref().is_some_and(|glob| !glob.matches(found.relative())) {
            continue;
        }
        let Ok(file) = found.open_file() else {
            continue;
        };
        let mut metered = Metered { file, left: &mut left, patience: &patience, cut_off: false };
        let mut lines = Lines { matcher: &matcher, query, path: found.shown(), seen: 0, result: &mut result };
        // An error is a line beyond our memory, or a disk in trouble: the rest can still be searched.
        let outcome = searcher.search_reader(&matcher, &mut metered, &mut lines);
        result.truncated |= outcome.is_err() || metered.cut_off;
        if result.matches.len() >= query.limit && result.truncated {
            break;
        }
    }
    Ok(result)
}

fn compile(query: &ContentQuery) -> Result<RegexMatcher, SearchError> {
    check_length(&query.pattern)?;
    if query.pattern.is_empty() {
        return Err(SearchError::Pattern { why: "it is empty".to_owned() });
    }
    RegexMatcherBuilder::new()
        .fixed_strings(!query.regex)
        .case_insensitive(query.ignore_case)
        .line_terminator(Some(b'\n'))
        .size_limit(REGEX_MEMORY)
        .dfa_size_limit(REGEX_MEMORY)
        .build(&query.pattern)
        .map_err(|error| SearchError::Pattern { why: error.to_string() })
}

/// A file that seems to end when our bytes or our time do.
struct Metered<'a, R> {
    file: R,
    left: &'a mut u64,
    patience: &'a Patience<'a>,
    cut_off: bool,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if *self.left == 0 || self.patience.is_over() {
            self.cut_off = true;
            return Ok(0);
        }
        let room = into.len().min(usize::try_from(*self.left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut into[..room])?;
        *self.left -= count as u64;
        Ok(count)
    }
}

/// Takes the matching lines of one file.
struct Lines<'a> {
    matcher: &'a RegexMatcher,
    query: &'a ContentQuery,
    path: String,
    seen: u64,
    result: &'a mut ContentResult,
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        if self.seen == self.query.per_file || self.result.matches.len() >= self.query.limit {
            self.result.truncated = true;
            return Ok(false);
        }
        self.seen += 1;
        let line = found.bytes().trim_ascii_end();
        let start = self.matcher.find(line).ok().flatten().map_or(0, |hit| hit.start());
        let (text, cut) = window(line, start, self.query.line);
        self.result.matches.push(Match {
            path: self.path.clone(),
            line: found.line_number().unwrap_or(0),
            column: start + 1,
            text,
            cut,
        });
        Ok(true)
    }
}

/// At most `limit` bytes of a line, chosen so that what begins at `start` is among them.
fn window(line: &[u8], start: usize, limit: usize) -> (String, bool) {
    if line.len() <= limit {
        return (String::from_utf8_lossy(line).into_owned(), false);
    }
    let is_boundary = |at: usize| line.get(at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000);
    // A quarter of what is shown goes before the match.
    let mut from = if start < limit / 2 { 0 } else { start - limit / 4 };
    from = from.min(line.len() - limit);
    let mut to = from + limit;
    // At most three bytes either way: no letter of UTF-8 is longer, and other bytes need no care.
    for _ in 0..3 {
        from += usize::from(!is_boundary(from));
        to -= usize::from(!is_boundary(to) && to > from);
    }
    (String::from_utf8_lossy(&line[from..to]).into_owned(), true)
}

#[cfg(test)]
mod tests;
