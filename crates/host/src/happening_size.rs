//! About how many bytes a happening holds.

use rejoin_core::happening::Happening;
use serde_json::Value;

/// A close guess, and cheap: it decides only whether a happening may wait beside others.
pub(crate) fn size(happening: &Happening) -> usize {
    match happening {
        Happening::Text(text) | Happening::Thinking(text) => text.len(),
        Happening::ToolOutput { text, .. } => text.len(),
        Happening::ToolArguments { delta, .. } => delta.len(),
        Happening::ToolCalled { input, .. } => value(input),
        Happening::ToolStarted { input, .. } => input.as_ref().map_or(0, value),
        Happening::ToolEnded { result, .. } => result.as_ref().map_or_else(String::len, value),
        Happening::ToolDone { input, output, .. } => value(input) + value(output),
        Happening::Raw { value: raw, .. } => value(raw),
        Happening::Image { url, .. } | Happening::File { url, .. } => url.len(),
        Happening::Plan(items) => items.iter().map(|item| item.text.len()).sum(),
        Happening::Task { text, .. } => text.len(),
        Happening::Compacted { summary } => summary.len(),
        Happening::Asked(ask) => ask.question.len() + asked(&ask.body),
        Happening::Failed { message, .. } => message.len(),
        Happening::Title(title) => title.len(),
        Happening::Pause
        | Happening::AskWithdrawn(_)
        | Happening::Step { .. }
        | Happening::Usage(_)
        | Happening::FileChanged { .. }
        | Happening::CompactionFailed { .. }
        | Happening::Done
        | Happening::Life { .. } => 0,
    }
}

fn asked(body: &rejoin_core::ask::AskBody) -> usize {
    use rejoin_core::ask::AskBody;
    match body {
        AskBody::Permission { input, .. } | AskBody::Capability { input, .. } => value(input),
        AskBody::Single { options } | AskBody::Multi { options, .. } => choices(options),
        AskBody::Form { questions } => {
            questions.iter().map(|question| question.question.len() + choices(&question.options)).sum()
        }
        AskBody::Text { .. } | AskBody::Confirm { .. } => 0,
    }
}

fn choices(options: &[rejoin_core::ask::Choice]) -> usize {
    let length = |choice: &rejoin_core::ask::Choice| choice.label.len() + choice.value.len();
    options.iter().map(length).sum()
}

fn value(json: &Value) -> usize {
    match json {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| value(item) + 8).sum(),
        Value::Object(members) => members.iter().map(|(key, member)| key.len() + value(member) + 8).sum(),
        _ => 8,
    }
}
