//! Pieces of a message that are not running text.

use rejoin_sdk::types::part::{PartBody, PlanItem, PlanStatus, ToolCall, ToolState};
use serde_json::Value;

use super::clean::{clean, one_line};
use super::style::Style;

/// How much of a tool's input and output is shown; `rejoin messages --json` has all of it.
const LONGEST_INPUT: usize = 200;
const MOST_LINES: usize = 20;
const LONGEST_LINE: usize = 400;

/// That a tool was called.
pub(crate) fn call(call: &ToolCall, style: Style) -> String {
    let input = match &call.input {
        Value::Null => String::new(),
        input => one_line(&input.to_string(), LONGEST_INPUT),
    };
    let name = style.bold(&one_line(&call.name, 80));
    format!("* {name} {}", style.faint(&input)).trim_end().to_owned()
}

/// How a call ended, and with what; nothing while it is under way. Output that was shown while it came is left out.
pub(crate) fn result(call: &ToolCall, was_shown: bool, style: Style) -> Vec<String> {
    match &call.state {
        ToolState::Pending | ToolState::Running { .. } => Vec::new(),
        ToolState::Completed { .. } if was_shown => vec![style.good("  = done")],
        ToolState::Completed { output, .. } => {
            let text = match output {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            if text.is_empty() {
                return vec![style.good("  = done")];
            }
            indented(&text)
        }
        ToolState::Failed { error, .. } => vec![style.bad(&format!("  ! {}", one_line(error, LONGEST_LINE)))],
        ToolState::Interrupted { reason, .. } => {
            vec![style.bad(&format!("  ! interrupted: {}", one_line(reason, LONGEST_LINE)))]
        }
        ToolState::Unknown { .. } => {
            vec![style.bad("  ! the gateway stopped while it ran: what it did is not known")]
        }
    }
}

/// Output, set off from what is said. The middle of a long one is left out.
fn indented(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let show = |line: &&str| format!("    {}", one_line(line, LONGEST_LINE)).trim_end().to_owned();
    if lines.len() <= MOST_LINES {
        return lines.iter().map(show).collect();
    }
    let half = MOST_LINES / 2;
    let left_out = format!("    … {} lines …", lines.len() - MOST_LINES);
    let (head, tail) = (&lines[..half], &lines[lines.len() - half..]);
    head.iter().map(show).chain([left_out]).chain(tail.iter().map(show)).collect()
}

/// Everything that is neither running text nor a tool call.
pub(crate) fn other(body: &PartBody, style: Style) -> Vec<String> {
    match body {
        PartBody::Plan { items } => items.iter().map(plan_item).collect(),
        PartBody::File { name, mime, url } => {
            let name = name.as_deref().unwrap_or("file");
            let (name, mime, url) = (one_line(name, 200), one_line(mime, 80), one_line(url, 200));
            vec![style.faint(&format!("[{name} {mime} {url}]"))]
        }
        PartBody::Image { mime, url } => {
            let (mime, url) = (one_line(mime, 80), one_line(url, 200));
            vec![style.faint(&format!("[image {mime} {url}]"))]
        }
        PartBody::Compaction { .. } => vec![style.faint("-- compacted")],
        PartBody::Raw { source, .. } => {
            vec![style.faint(&format!("[{}: something this version has no word for]", one_line(source, 80)))]
        }
        PartBody::Text { .. } | PartBody::Reasoning { .. } | PartBody::Tool(_) | PartBody::Step { .. } => Vec::new(),
    }
}

fn plan_item(item: &PlanItem) -> String {
    let mark = match item.status {
        PlanStatus::Pending => ' ',
        PlanStatus::InProgress => '>',
        PlanStatus::Completed => 'x',
    };
    format!("  [{mark}] {}", one_line(&item.text, LONGEST_LINE))
}

/// What came from a running tool, as it came.
pub(crate) fn output(text: &str) -> String {
    clean(text)
}
