//! How searches and scans go through a workspace: what they pass over, and when they have had enough.

use std::path::Path;
use std::time::{Duration, Instant};

use ignore::{Walk, WalkBuilder};
use tokio_util::sync::CancellationToken;

use crate::confine::{Confined, Root};

/// What a walk sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Names that begin with a dot.
    pub(crate) hidden: bool,
    /// What .gitignore and its kin rule out.
    pub(crate) ignored: bool,
    pub(crate) depth: usize,
}

/// Walks the workspace in the order of names, without following links, and shows only what is `under` a place in it.
///
/// It begins at the root even so, because the root's .gitignore speaks for what is below.
pub(crate) fn walk(root: &Root, under: &Confined, sight: Sight, skipped: &'static [&'static str]) -> Walk {
    let under = under.absolute();
    let mut builder = WalkBuilder::new(root.path());
    builder
        .standard_filters(false)
        .hidden(!sight.hidden)
        .ignore(!sight.ignored)
        .git_ignore(!sight.ignored)
        .git_exclude(!sight.ignored)
        .require_git(false)
        .follow_links(false)
        .max_depth(Some(sight.depth))
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let path = entry.path();
            (path.starts_with(&under) || under.starts_with(path)) && !is_skipped(path, &under, skipped)
        });
    builder.build()
}

/// A skipped folder is still walked by someone who asks for a place in it.
fn is_skipped(path: &Path, under: &Path, skipped: &[&str]) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    (skipped.contains(&name) && !under.starts_with(path)) || crate::files::is_ours(name)
}

/// When to stop: a limit of time, or somebody who no longer wants the answer.
pub(crate) struct Patience<'a> {
    until: Option<Instant>,
    stop: &'a CancellationToken,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(time: Duration, stop: &'a CancellationToken) -> Patience<'a> {
        // A time beyond what an instant can hold is no limit.
        Patience { until: Instant::now().checked_add(time), stop }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_cancelled() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}
