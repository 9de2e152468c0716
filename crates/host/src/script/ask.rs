//! What a script asks, and what it prints of the answer.

use rejoin_core::ask::{Answer, AskBody, Authority, Intent, Settled, Unanswered};
use rejoin_core::grant::Scope;
use rejoin_core::happening::NewAsk;
use rejoin_core::id::CallId;
use rejoin_core::pattern::{Matcher, Pattern};
use serde_json::{Value, json};

use super::statement::{Inquiry, choice};
use crate::turn::Turn;

/// Letters of a command that a question repeats; its input has them all.
const SHOWN: usize = 80;
const EVERY_SCOPE: [Scope; 3] = [Scope::Once, Scope::Session, Scope::Workspace];

/// The ask of an `!ask` line.
pub(super) fn inquire(turn: &Turn, line: usize, inquiry: Inquiry<'_>) -> NewAsk {
    let options = |all: Vec<&str>| all.into_iter().map(choice).collect();
    let (question, body) = match inquiry {
        Inquiry::Permission { tool, resource, input } => return permission(turn, line, None, tool, resource, input),
        Inquiry::Confirm(question) => (question.to_owned(), AskBody::Confirm { default: None }),
        Inquiry::Text(question) => (question.to_owned(), AskBody::Text { default: None }),
        Inquiry::Single { question, options: all } => {
            let options = options(all);
            (question.to_owned(), AskBody::Single { options })
        }
        Inquiry::Multi { question, options: all } => {
            let body = AskBody::Multi { options: options(all), min: None, max: None };
            (question.to_owned(), body)
        }
        Inquiry::Form { question, questions } => (question, AskBody::Form { questions }),
        Inquiry::Client { capability, input } => return client(turn, line, capability, input),
    };
    new_ask(turn, line, question, body)
}

/// Asks whether a tool may run: for the call that waits for it, or for none.
pub(super) fn permission(
    turn: &Turn,
    line: usize,
    call: Option<CallId>,
    tool: &str,
    resource: &str,
    input: Value,
) -> NewAsk {
    let command = input.get("command").and_then(Value::as_str);
    let target = match command {
        Some(command) => Pattern { matcher: Matcher::ShellCommand, text: command.to_owned() },
        None => Pattern { matcher: Matcher::Exact, text: tool.to_owned() },
    };
    let question = match command {
        Some(command) => {
            let shown: String = command.chars().take(SHOWN).collect();
            format!("May {tool} run this? {shown}")
        }
        None => format!("May {tool} run?"),
    };
    let intent = Intent {
        resource: resource.to_owned(),
        action: "execute".into(),
        targets: vec![target],
        scopes: EVERY_SCOPE.into(),
    };
    let body = AskBody::Permission { tool: tool.to_owned(), input, intents: vec![intent], risk: None };
    let ask = new_ask(turn, line, question, body);
    NewAsk { call, ..ask }
}

fn client(turn: &Turn, line: usize, capability: &str, input: Value) -> NewAsk {
    let body = AskBody::Capability { capability: capability.to_owned(), input };
    let ask = new_ask(turn, line, format!("Needs a client with {capability}"), body);
    NewAsk {
        // Whoever can, may: control is about what people decide.
        authority: Authority::Anyone,
        capabilities: vec![capability.to_owned()],
        ..ask
    }
}

fn new_ask(turn: &Turn, line: usize, question: String, body: AskBody) -> NewAsk {
    NewAsk {
        id: turn.ask_id(line),
        call: None,
        question,
        body,
        authority: Authority::Controller,
        capabilities: Vec::new(),
        expires_ms: None,
        bookmark: Some(bookmark(line)),
    }
}

/// A script is its own state: the line that asked is all it takes to go on.
fn bookmark(line: usize) -> String {
    format!("line {line}")
}

/// The line of a bookmark.
pub(super) fn marked_line(bookmark: &str) -> Option<usize> {
    let line = bookmark.strip_prefix("line ")?.parse().ok()?;
    (line > 0).then_some(line)
}

/// What a script prints of an answer.
pub(super) fn printed(settled: &Settled) -> String {
    match settled {
        Settled::Answered(answer) => match answer {
            Answer::Allow { scope, .. } => format!("allowed {}", scope_word(*scope)),
            Answer::Deny { .. } => "denied".into(),
            Answer::Choose { value } => value.clone(),
            Answer::ChooseMany { values } => values.join(", "),
            Answer::Write { text } => text.clone(),
            Answer::Confirm { confirmed: true } => "yes".into(),
            Answer::Confirm { confirmed: false } => "no".into(),
            Answer::Fill { values } => json!(values).to_string(),
            Answer::Provide { result } => result.to_string(),
            Answer::Dismiss => "dismissed".into(),
        },
        Settled::Unanswered(why) => match why {
            Unanswered::Expired => "expired",
            Unanswered::Withdrawn => "withdrawn",
            Unanswered::Interrupted => "interrupted",
            Unanswered::AgentLost => "agent lost",
        }
        .into(),
    }
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Once => "once",
        Scope::Session => "session",
        Scope::Workspace => "workspace",
    }
}
