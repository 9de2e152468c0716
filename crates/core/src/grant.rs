//! Permissions that are remembered: what may be done again without asking, and what may not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ask::Intent;
use crate::id::{AskId, GrantId, UserId, WorkspaceId};
use crate::pattern::{Matcher, Pattern, Verdict};
use crate::position::Millis;

/// How many a session remembers for itself; the oldest goes when one more comes.
pub const MOST_GRANTS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    Once,
    Session,
    Workspace,
}

/// A remembered yes (`allowed`) or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    pub id: GrantId,
    pub allowed: bool,
    pub scope: Scope,
    /// Where it holds, when its scope is the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    pub tool: String,
    pub resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    pub pattern: Pattern,
    pub granted_at: Millis,
    pub granted_by: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// The ask whose answer made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<AskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What remembered grants say of a permission ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remembered {
    Allowed(Vec<GrantId>),
    Denied(GrantId),
    Unknown,
}

impl Grant {
    pub fn holds(&self, now: Millis) -> bool {
        self.expires_at.is_none_or(|until| now < until)
    }

    fn is_about(&self, tool: &str, intent: &Intent) -> bool {
        let same_action = self.action.as_deref().is_none_or(|action| action == intent.action);
        self.tool == tool && self.resource == intent.resource && same_action
    }

    fn covers(&self, target: &Pattern) -> bool {
        if matches!(target.matcher, Matcher::Prefix | Matcher::Glob) {
            return self.covers_many(target);
        }
        match self.pattern.matcher {
            Matcher::ShellCommand if self.allowed => {
                crate::pattern::allows(std::slice::from_ref(&self.pattern), &target.text)
            }
            Matcher::ShellCommand => crate::pattern::denies(std::slice::from_ref(&self.pattern), &target.text),
            _ => self.pattern.matches(&target.text),
        }
    }

    /// A target that stands for many: a yes must be for all of them, a no is enough if it is for one.
    fn covers_many(&self, target: &Pattern) -> bool {
        let begins = target.matcher == Matcher::Prefix && self.pattern.matcher == Matcher::Prefix;
        let for_all = self.pattern == *target || (begins && self.pattern.matches(&target.text));
        let for_one = || self.pattern.matches(&target.text) || target.matches(&self.pattern.text);
        for_all || (!self.allowed && for_one())
    }
}

/// All targets of all intents must match a grant; one denial is enough to refuse.
pub fn remembered<'a>(
    grants: impl Iterator<Item = &'a Grant> + Clone,
    tool: &str,
    intents: &[Intent],
    now: Millis,
) -> Remembered {
    let current = grants.filter(|grant| grant.holds(now));
    let targets = || intents.iter().flat_map(|intent| intent.targets.iter().map(move |target| (intent, target)));
    for (intent, target) in targets() {
        let denial =
            current.clone().find(|grant| !grant.allowed && grant.is_about(tool, intent) && grant.covers(target));
        if let Some(denial) = denial {
            return Remembered::Denied(denial.id.clone());
        }
    }
    // A command that a denial might be meant for is asked about: `git $VERB`, where `git push` is denied.
    let anything = [Pattern::new(Matcher::ShellCommand, "*")];
    for (intent, target) in targets() {
        let denials = current.clone().filter(|grant| !grant.allowed && grant.is_about(tool, intent));
        let denied: Vec<Pattern> = denials
            .filter(|grant| grant.pattern.matcher == Matcher::ShellCommand)
            .map(|grant| grant.pattern.clone())
            .collect();
        if !denied.is_empty() && crate::pattern::judge(&anything, &denied, &target.text) != Verdict::Allowed {
            return Remembered::Unknown;
        }
    }
    // What names no target may be about anything.
    if intents.iter().any(|intent| intent.targets.is_empty()) {
        return Remembered::Unknown;
    }
    let mut used = Vec::new();
    for (intent, target) in targets() {
        let Some(grant) =
            current.clone().find(|grant| grant.allowed && grant.is_about(tool, intent) && grant.covers(target))
        else {
            return Remembered::Unknown;
        };
        if !used.contains(&grant.id) {
            used.push(grant.id.clone());
        }
    }
    if used.is_empty() { Remembered::Unknown } else { Remembered::Allowed(used) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_a_denial_might_be_meant_for_is_asked_about() {
        let grant = |id: &str, allowed, text: &str| Grant {
            id: GrantId::new(id).unwrap(),
            allowed,
            scope: Scope::Session,
            workspace: None,
            tool: "shell".into(),
            resource: "shell-command".into(),
            action: None,
            pattern: Pattern::new(Matcher::ShellCommand, text),
            granted_at: 0,
            granted_by: UserId::new("ann").unwrap(),
            expires_at: None,
            ask: None,
            description: None,
        };
        let grants = [grant("yes", true, "git *"), grant("no", false, "git push *")];
        let told = |command: &str| {
            let targets = vec![Pattern::new(Matcher::ShellCommand, command)];
            let intent = Intent { resource: "shell-command".into(), action: "execute".into(), targets, scopes: vec![] };
            remembered(grants.iter(), "shell", &[intent], 0)
        };
        assert_eq!(told("git status"), Remembered::Allowed(vec![grants[0].id.clone()]));
        assert_eq!(told("git push origin"), Remembered::Denied(grants[1].id.clone()));
        assert_eq!(told("X=push; git $X origin"), Remembered::Unknown);
    }
}
