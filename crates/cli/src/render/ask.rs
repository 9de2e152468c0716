//! How an ask looks, and how it was settled.

use rejoin_sdk::types::ask::{Answer, Ask, AskBody, Choice, Unanswered};
use rejoin_sdk::types::grant::Scope;

use super::clean::{clean, one_line};
use super::style::Style;

/// The question, what can be said to it, and how. Lines without their ends.
pub(crate) fn ask(ask: &Ask, style: Style) -> Vec<String> {
    let id = style.faint(&format!("[{}]", one_line(ask.id.as_str(), 128)));
    let question = clean(&ask.question).replace('\n', "\n  ");
    let mut lines = vec![format!("{} {} {id}", style.wanted("?"), style.bold(&question))];
    let mut say = |line: String| lines.push(format!("  {line}"));
    match &ask.body {
        AskBody::Permission { tool, input, intents, risk } => {
            let input = one_line(&input.to_string(), 400);
            say(format!("{} {input}", one_line(tool, 80)));
            for intent in intents {
                let targets: Vec<String> = intent.targets.iter().map(|target| one_line(&target.text, 200)).collect();
                let (action, resource) = (one_line(&intent.action, 80), one_line(&intent.resource, 80));
                say(format!("{action} {resource}: {}", targets.join(", ")));
            }
            if let Some(risk) = risk {
                say(format!("risk: {}", one_line(risk, 80)));
            }
            let scopes = intents.iter().flat_map(|intent| &intent.scopes);
            let mut words = vec!["yes"];
            for scope in scopes {
                let word = match scope {
                    Scope::Once => continue,
                    Scope::Session => "session",
                    Scope::Workspace => "workspace",
                };
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            words.push("no");
            say(style.faint(&format!("answer: {}", words.join(" | "))));
        }
        AskBody::Single { options } => {
            options_of(options, &mut say);
            say(style.faint("answer: a number or a value"));
        }
        AskBody::Multi { options, min, max } => {
            options_of(options, &mut say);
            let bounds = match (min, max) {
                (Some(min), Some(max)) => format!(" ({min} to {max})"),
                (Some(min), None) => format!(" (at least {min})"),
                (None, Some(max)) => format!(" (at most {max})"),
                (None, None) => String::new(),
            };
            say(style.faint(&format!("answer: numbers or values, with commas between{bounds}")));
        }
        AskBody::Text { default } => {
            let default = default.as_ref().map(|text| format!(" (default: {})", one_line(text, 80)));
            say(style.faint(&format!("answer: a text{}", default.unwrap_or_default())));
        }
        AskBody::Confirm { default } => {
            let default = match default {
                Some(true) => " (default: yes)",
                Some(false) => " (default: no)",
                None => "",
            };
            say(style.faint(&format!("answer: yes | no{default}")));
        }
        AskBody::Form { questions } => {
            for question in questions {
                let key = one_line(&question.key, 80);
                let required = if question.required { " (required)" } else { "" };
                say(format!("{key}: {}{required}", one_line(&question.question, 400)));
                options_of(&question.options, &mut |line| say(format!("  {line}")));
            }
            say(style.faint("answer: key=value, one for each question, with semicolons between"));
        }
        AskBody::Capability { capability, input } => {
            let input = one_line(&input.to_string(), 400);
            say(format!("{} {input}", one_line(capability, 80)));
            say(style.faint("answer: the result as JSON"));
        }
    }
    lines
}

fn options_of(options: &[Choice], say: &mut impl FnMut(String)) {
    for (at, choice) in options.iter().enumerate() {
        let mut line = format!("{}) {}", at + 1, one_line(&choice.label, 200));
        if choice.value != choice.label {
            line.push_str(&format!(" ({})", one_line(&choice.value, 200)));
        }
        if let Some(description) = &choice.description {
            line.push_str(&format!(": {}", one_line(description, 200)));
        }
        say(line);
    }
}

/// An answer in few words.
pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Allow { scope, .. } => format!("allowed {}", scope_word(*scope)),
        Answer::Deny { message, .. } => match message {
            Some(message) => format!("denied: {}", one_line(message, 200)),
            None => "denied".to_owned(),
        },
        Answer::Choose { value } => one_line(value, 200),
        Answer::ChooseMany { values } => one_line(&values.join(", "), 400),
        Answer::Write { text } => one_line(text, 400),
        Answer::Confirm { confirmed: true } => "yes".to_owned(),
        Answer::Confirm { confirmed: false } => "no".to_owned(),
        Answer::Fill { values } => {
            let values: Vec<String> = values.iter().map(|(key, value)| format!("{key}={value}")).collect();
            one_line(&values.join("; "), 400)
        }
        Answer::Provide { result } => one_line(&result.to_string(), 400),
        Answer::Dismiss => "dismissed".to_owned(),
    }
}

pub(crate) fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Once => "once",
        Scope::Session => "for the session",
        Scope::Workspace => "for the workspace",
    }
}

pub(crate) fn unanswered(reason: Unanswered) -> &'static str {
    match reason {
        Unanswered::Expired => "it expired",
        Unanswered::Interrupted => "its turn is over",
        Unanswered::AgentLost => "its agent is gone",
        Unanswered::Withdrawn => "it was withdrawn",
    }
}
