//! Patterns of remembered permissions, and what they cover.
//!
//! Shell commands are matched stage by stage, and the two directions are not mirror images: to allow, everything that
//! would run has to be covered and understood; to deny, one match in whatever can be seen is enough.

mod glob;
mod rule;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shell::{self, Analysis};

use rule::{Doubt, Rule};

/// The longest pattern with wildcards, in bytes. Matching costs at most this times the length of what is matched.
/// A longer one allows nothing and denies everything.
pub const MAX_PATTERN: usize = 1024;

/// How a pattern's text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Matcher {
    /// Equal to the letter.
    Exact,
    /// Starts with the text.
    Prefix,
    /// A path, from its first to its last character: `*` and `?` stay within a folder, `**` does not.
    Glob,
    /// A command: `git status`, `git *`, `npm test:*`, or `*` for any. `*` as a word is any number of words; within a
    /// word it is any text. `:*` at the end is the same as ` *`, or a longer last word: `npm run test:unit`.
    ShellCommand,
}

/// One pattern, as people write and read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pattern {
    pub matcher: Matcher,
    pub text: String,
}

/// What remembered patterns say about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Allowed,
    Denied,
    /// Nothing says so either way, or it cannot be told.
    Ask,
}

impl Pattern {
    pub fn new(matcher: Matcher, text: impl Into<String>) -> Pattern {
        Pattern { matcher, text: text.into() }
    }

    /// True if the pattern covers the target, in the sense that allows it.
    pub fn matches(&self, target: &str) -> bool {
        match self.matcher {
            Matcher::ShellCommand => allows(std::slice::from_ref(self), target),
            _ => self.matches_text(target),
        }
    }

    fn matches_text(&self, target: &str) -> bool {
        match self.matcher {
            Matcher::Exact => target == self.text,
            Matcher::Prefix => !self.text.is_empty() && target.starts_with(&self.text),
            Matcher::Glob => self.text.len() <= MAX_PATTERN && glob::matches(&self.text, target),
            Matcher::ShellCommand => false,
        }
    }

    fn is_any_command(&self) -> bool {
        self.matcher == Matcher::ShellCommand && self.text.trim() == "*"
    }
}

/// True if the patterns together cover everything the command would run.
///
/// Never for an opaque command, unless a pattern is `*`. A stage that writes files through redirections is not covered
/// by the name of its program: it takes `*`, or grants for the targets one by one.
pub fn allows(patterns: &[Pattern], command: &str) -> bool {
    if patterns.iter().any(Pattern::is_any_command) {
        return true;
    }
    !patterns.is_empty() && allows_analysed(patterns, &shell::analyse(command))
}

/// [`allows`], for a command that was already taken apart.
pub fn allows_analysed(patterns: &[Pattern], analysis: &Analysis) -> bool {
    if patterns.iter().any(Pattern::is_any_command) {
        return true;
    }
    if analysis.is_opaque() {
        return false;
    }
    let rules: Vec<_> = patterns.iter().map(Rule::new).collect();
    let mut covered_one = false;
    for stage in &analysis.stages {
        if stage.redirects_beyond_itself() {
            return false;
        }
        if stage.wrapper || shell::does_nothing(stage) {
            continue;
        }
        if !rules.iter().any(|rule| rule.covers(stage)) {
            return false;
        }
        covered_one = true;
    }
    covered_one
}

/// True if any pattern matches anything the command is seen to run.
pub fn denies(patterns: &[Pattern], command: &str) -> bool {
    if patterns.iter().any(Pattern::is_any_command) {
        return true;
    }
    !patterns.is_empty() && denies_analysed(patterns, &shell::analyse(command))
}

/// [`denies`], for a command that was already taken apart.
pub fn denies_analysed(patterns: &[Pattern], analysis: &Analysis) -> bool {
    patterns.iter().any(|pattern| {
        let rule = Rule::new(pattern);
        pattern.is_any_command()
            || pattern.matches_text(analysis.command.trim())
            || analysis.stages.iter().any(|stage| rule.hits(stage, Doubt::Ignored))
    })
}

/// Weighs both kinds of patterns: a denial wins, and a command that a denial might be meant for is asked about
/// (`git $VERB`, where `git push` is denied).
pub fn judge(allowed: &[Pattern], denied: &[Pattern], command: &str) -> Verdict {
    judge_analysed(allowed, denied, &shell::analyse(command))
}

/// [`judge`], for a command that was already taken apart.
pub fn judge_analysed(allowed: &[Pattern], denied: &[Pattern], analysis: &Analysis) -> Verdict {
    if denies_analysed(denied, analysis) {
        return Verdict::Denied;
    }
    let in_doubt = denied.iter().any(|pattern| {
        let rule = Rule::new(pattern);
        analysis.is_opaque() || analysis.stages.iter().any(|stage| rule.hits(stage, Doubt::Counts))
    });
    if !in_doubt && allows_analysed(allowed, analysis) { Verdict::Allowed } else { Verdict::Ask }
}
