//! Finding files by their name or content, within limits and without what .gitignore rules out.

mod contents;
mod names;

pub use contents::{ContentQuery, ContentResult, Match, contents};
pub use names::{NameQuery, NameResult, names};

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

use crate::path_error::PathError;

/// Bytes of a pattern; longer ones are no person's, and cost more to compile than to refuse.
const PATTERN: usize = 1_000;
/// Folders that no search enters unless it is asked to begin there.
const SKIPPED: &[&str] = &[".git"];
/// Levels a search descends: the deepest path we accept at all.
const DEPTH: usize = crate::confine::DEEPEST;

#[derive(Debug, Error)]
pub enum SearchError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("search pattern: {why}")]
    Pattern { why: String },
}

fn check_length(pattern: &str) -> Result<(), SearchError> {
    if pattern.len() > PATTERN {
        return Err(SearchError::Pattern { why: format!("more than {PATTERN} bytes") });
    }
    Ok(())
}

/// A glob without `/` is for names alone, one with it for whole relative paths.
struct Glob {
    matcher: GlobMatcher,
    whole: bool,
}

impl Glob {
    fn new(pattern: &str) -> Result<Glob, SearchError> {
        check_length(pattern)?;
        let matcher = GlobBuilder::new(pattern)
            .case_insensitive(true)
            .literal_separator(true)
            .build()
            .map_err(|error| SearchError::Pattern { why: error.kind().to_string() })?
            .compile_matcher();
        Ok(Glob { matcher, whole: pattern.contains('/') })
    }

    fn matches(&self, relative: &std::path::Path) -> bool {
        if self.whole {
            return self.matcher.is_match(relative);
        }
        relative.file_name().is_some_and(|name| self.matcher.is_match(name))
    }
}
