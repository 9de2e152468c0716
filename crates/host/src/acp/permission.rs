//! Permissions that an agent asks for, and the option of its own that an answer stands for.

use rejoin_core::ask::{Answer, AskBody, Authority, Choice, Intent, Settled};
use rejoin_core::grant::Scope;
use rejoin_core::happening::NewAsk;
use rejoin_core::id::{AskId, CallId};
use rejoin_core::pattern::{Matcher, Pattern};
use serde_json::{Value, json};

use super::failure::shortened;
use super::wire::text;

/// Options of one permission that are looked at.
const MOST_OPTIONS: usize = 32;
/// Bytes of a question. Its input has all of it.
const LONGEST_QUESTION: usize = 300;

/// What the agent offers as answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options(Vec<Offered>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Offered {
    id: String,
    name: String,
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AllowOnce,
    AllowAlways,
    RejectOnce,
    RejectAlways,
}

/// The tool call that waits for a permission, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub(super) call: Option<CallId>,
    pub(super) tool: String,
    pub(super) kind: Option<String>,
    pub(super) title: Option<String>,
    pub(super) input: Value,
    pub(super) paths: Vec<String>,
}

impl Options {
    pub(super) fn read(value: &Value) -> Options {
        let options = value.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let offered = |option: &Value| {
            let id = text(option, "optionId")?.to_owned();
            let name = text(option, "name").filter(|name| !name.trim().is_empty()).unwrap_or(&id).to_owned();
            let kind = match text(option, "kind") {
                Some("allow_once") => Some(Kind::AllowOnce),
                Some("allow_always") => Some(Kind::AllowAlways),
                Some("reject_once") => Some(Kind::RejectOnce),
                Some("reject_always") => Some(Kind::RejectAlways),
                _ => None,
            };
            Some(Offered { id, name, kind })
        };
        Options(options.iter().take(MOST_OPTIONS).filter_map(offered).collect())
    }

    fn of(&self, kind: Kind) -> Option<&str> {
        self.0.iter().find(|option| option.kind == Some(kind)).map(|option| option.id.as_str())
    }

    /// Whether "yes or no, once or always" says all there is to choose.
    fn are_plain(&self) -> bool {
        let kinds: Vec<_> = self.0.iter().map(|option| option.kind).collect();
        let is_known = kinds.iter().all(Option::is_some);
        let is_double = (1..kinds.len()).any(|at| kinds[..at].contains(&kinds[at]));
        is_known && !is_double && self.of(Kind::AllowOnce).or(self.of(Kind::AllowAlways)).is_some()
    }

    /// The ask that people see.
    pub(super) fn ask(&self, id: AskId, waiting: &Waiting) -> NewAsk {
        let question = match &waiting.title {
            Some(title) => format!("Allow {}?", shortened(title.trim(), LONGEST_QUESTION)),
            None => format!("Allow {}?", waiting.tool),
        };
        let body = if self.are_plain() {
            let mut scopes = vec![Scope::Once];
            if self.of(Kind::AllowAlways).is_some() {
                scopes.push(Scope::Session);
            }
            let intent = Intent {
                resource: waiting.kind.clone().unwrap_or_else(|| "tool".to_owned()),
                action: "execute".to_owned(),
                targets: targets(waiting),
                scopes,
            };
            let (tool, input) = (waiting.tool.clone(), waiting.input.clone());
            AskBody::Permission { tool, input, intents: vec![intent], risk: None }
        } else {
            let choice =
                |option: &Offered| Choice { label: option.name.clone(), value: option.id.clone(), description: None };
            AskBody::Single { options: self.0.iter().map(choice).collect() }
        };
        NewAsk {
            id,
            call: waiting.call.clone(),
            question,
            body,
            authority: Authority::Controller,
            capabilities: Vec::new(),
            expires_ms: None,
            bookmark: None, // the agent's own memory of this moment dies with it
        }
    }

    /// What the agent is told.
    pub(super) fn outcome(&self, settled: &Settled) -> Value {
        let Settled::Answered(answer) = settled else { return cancelled() };
        let chosen = match answer {
            Answer::Allow { scope: Scope::Once, .. } => self.of(Kind::AllowOnce).or(self.of(Kind::AllowAlways)),
            Answer::Allow { .. } => self.of(Kind::AllowAlways).or(self.of(Kind::AllowOnce)),
            Answer::Deny { scope: Scope::Once, .. } => self.of(Kind::RejectOnce).or(self.of(Kind::RejectAlways)),
            Answer::Deny { .. } => self.of(Kind::RejectAlways).or(self.of(Kind::RejectOnce)),
            Answer::Choose { value } => {
                self.0.iter().find(|option| option.id == *value).map(|option| option.id.as_str())
            }
            _ => None,
        };
        match chosen {
            Some(id) => json!({"outcome": {"outcome": "selected", "optionId": id}}),
            None => cancelled(),
        }
    }
}

/// The answer to a permission that nobody gives or refuses any more.
pub(super) fn cancelled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}

/// What it would be done to: a remembered yes is a yes to these.
fn targets(waiting: &Waiting) -> Vec<Pattern> {
    if let Some(command) = command(&waiting.input) {
        return vec![Pattern::new(Matcher::ShellCommand, command)];
    }
    if !waiting.paths.is_empty() {
        return waiting.paths.iter().map(|path| Pattern::new(Matcher::Exact, path)).collect();
    }
    // With nothing else known, only this very call would be meant.
    let title = waiting.title.as_deref().unwrap_or(&waiting.tool);
    vec![Pattern::new(Matcher::Exact, title)]
}

/// The command of a tool that runs one. Agents write it as a line, or as its words.
fn command(input: &Value) -> Option<String> {
    match input.get("command").or_else(|| input.get("cmd"))? {
        Value::String(line) => Some(line.clone()),
        Value::Array(words) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            let words = words?;
            // A shell that is given a line is about that line.
            if let [shell, flag, line] = words[..]
                && ["sh", "bash", "zsh"].iter().any(|known| shell.rsplit('/').next() == Some(known))
                && flag.starts_with('-')
                && flag.ends_with('c')
            {
                return Some(line.to_owned());
            }
            Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use rejoin_core::ask::Unanswered;

    use super::*;

    fn options(of: &[(&str, &str)]) -> Options {
        let options: Vec<Value> =
            of.iter().map(|(id, kind)| json!({"optionId": id, "name": format!("do {id}"), "kind": kind})).collect();
        Options::read(&json!({"options": options}))
    }

    fn waiting(input: Value) -> Waiting {
        let (tool, kind) = ("shell".to_owned(), Some("execute".to_owned()));
        Waiting { call: None, tool, kind, title: Some("git push".to_owned()), input, paths: Vec::new() }
    }

    fn ask(options: &Options, input: Value) -> AskBody {
        options.ask(AskId::new("a").unwrap(), &waiting(input)).body
    }

    fn allow(scope: Scope) -> Settled {
        Settled::Answered(Answer::Allow { scope, pattern: None, input: None, duration_ms: None })
    }

    fn deny(scope: Scope) -> Settled {
        Settled::Answered(Answer::Deny { message: None, scope, pattern: None })
    }

    fn chosen(options: &Options, settled: &Settled) -> Option<String> {
        let outcome = options.outcome(settled);
        assert!(outcome["outcome"]["outcome"].is_string());
        text(&outcome["outcome"], "optionId").map(str::to_owned)
    }

    #[test]
    fn an_answer_picks_the_option_that_means_the_same() {
        let all = options(&[("y", "allow_once"), ("Y", "allow_always"), ("n", "reject_once"), ("N", "reject_always")]);
        let AskBody::Permission { intents, .. } = ask(&all, json!({"command": "git push"})) else { panic!() };
        assert_eq!(intents[0].scopes, [Scope::Once, Scope::Session]);
        assert_eq!(intents[0].targets, [Pattern::new(Matcher::ShellCommand, "git push")]);
        for (settled, option) in [
            (allow(Scope::Once), "y"),
            (allow(Scope::Session), "Y"),
            (allow(Scope::Workspace), "Y"),
            (deny(Scope::Once), "n"),
            (deny(Scope::Session), "N"),
        ] {
            assert_eq!(chosen(&all, &settled).as_deref(), Some(option), "{settled:?}");
        }
        for settled in [Settled::Answered(Answer::Dismiss), Settled::Unanswered(Unanswered::Expired)] {
            assert_eq!(chosen(&all, &settled), None);
        }
    }

    #[test]
    fn an_agent_that_offers_less_is_answered_with_what_it_has() {
        let few = options(&[("y", "allow_once"), ("N", "reject_always")]);
        let AskBody::Permission { intents, .. } = ask(&few, Value::Null) else { panic!() };
        assert_eq!(intents[0].scopes, [Scope::Once]);
        assert_eq!(intents[0].targets, [Pattern::new(Matcher::Exact, "git push")]);
        assert_eq!(chosen(&few, &allow(Scope::Session)).as_deref(), Some("y"));
        assert_eq!(chosen(&few, &deny(Scope::Once)).as_deref(), Some("N"));
        assert_eq!(chosen(&options(&[("y", "allow_once")]), &deny(Scope::Once)), None);
    }

    #[test]
    fn options_that_differ_in_more_are_shown_as_they_are() {
        for of in [
            &[("auto", "allow_always"), ("all", "allow_always"), ("no", "reject_once")][..],
            &[("go", "later"), ("no", "reject_once")],
            &[("no", "reject_once")],
        ] {
            let options = options(of);
            let AskBody::Single { options: shown } = ask(&options, Value::Null) else { panic!("{of:?}") };
            assert_eq!(shown.len(), of.len());
            let choose = Settled::Answered(Answer::Choose { value: of[0].0.to_owned() });
            assert_eq!(chosen(&options, &choose).as_deref(), Some(of[0].0));
        }
    }

    #[test]
    fn a_command_is_remembered_as_the_shell_would_read_it() {
        for (input, line) in [
            (json!({"command": ["bash", "-lc", "git push && ls"]}), "git push && ls"),
            (json!({"command": ["git", "commit", "-m", "it's done"]}), r"git commit -m 'it'\''s done'"),
            (json!({"cmd": "ls"}), "ls"),
        ] {
            assert_eq!(command(&input).as_deref(), Some(line));
        }
        assert_eq!(command(&json!({"command": [1]})), None);
    }
}
