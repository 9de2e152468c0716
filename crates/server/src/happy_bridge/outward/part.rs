//! Parts of messages: what agents say, think and do.

use rejoin_core::id::MessageId;
use rejoin_core::part::{Part, PartBody, PlanItem, PlanStatus, ToolCall, ToolState};
use rejoin_happy::payload::{Ev, Extra};
use serde_json::Value;

use super::super::name::cuid;
use super::{Attached, Telling, What};

/// The longest arguments of a tool call that are told, as JSON. Longer ones are cut, for people to see what it was about.
const LONGEST_ARGUMENTS: usize = 128 << 10;
const SHOWN_OF_LONG_ARGUMENTS: usize = 16 << 10;
/// Characters of a tool call's description.
const LONGEST_DESCRIPTION: usize = 120;

impl Telling<'_> {
    /// The turn that apps show something under: what an agent says outside of turns they pass over.
    pub(super) fn turn_of(&self, message: &MessageId) -> String {
        self.turn.clone().unwrap_or_else(|| cuid(message.as_str()))
    }

    /// An open part is another now. Only of tool calls there is something to tell: that they begin.
    pub(super) fn part_moved(&mut self, part: &Part) {
        if let PartBody::Tool(call) = &part.body
            && (call.arguments.is_none() || matches!(call.state, ToolState::Running { .. }))
        {
            self.tool_begins(&self.turn_of(&part.message), call);
        }
    }

    pub(super) fn part_completed(&mut self, part: &Part) {
        self.whole_part(&self.turn_of(&part.message), part);
    }

    pub(super) fn whole_part(&mut self, turn: &str, part: &Part) {
        match &part.body {
            PartBody::Text { text } => self.texts(turn, text, None),
            PartBody::Reasoning { text } => self.texts(turn, text, Some(true)),
            PartBody::Tool(call) => {
                self.tool_begins(turn, call);
                self.open.remove(&call.call);
                self.agent(turn, Ev::ToolCallEnd { call: call.call.to_string() });
            }
            PartBody::File { .. } | PartBody::Image { .. } => self.file(Some(turn), part),
            PartBody::Plan { items } => self.agent(turn, Ev::Service { text: plan(items) }),
            // What else agents note of their work has no word there.
            PartBody::Step { .. } | PartBody::Compaction { .. } | PartBody::Raw { .. } => {}
        }
    }

    /// Once for each call, however often its part moves.
    fn tool_begins(&mut self, turn: &str, call: &ToolCall) {
        if !self.open.insert(call.call.clone()) {
            return;
        }
        let description = description(&call.input).unwrap_or_else(|| call.name.clone());
        self.agent(
            turn,
            Ev::ToolCallStart {
                call: call.call.to_string(),
                name: call.name.clone(),
                title: call.name.clone(),
                description,
                args: arguments(&call.input),
            },
        );
    }

    pub(super) fn file(&mut self, turn: Option<&str>, part: &Part) {
        let (name, mime, url) = match &part.body {
            PartBody::File { name, mime, url } => (name.clone(), mime, url),
            PartBody::Image { mime, url } => (None, mime, url),
            _ => return,
        };
        let kind = mime.split('/').next().unwrap_or("file");
        let name = name.unwrap_or_else(|| kind.to_owned());
        let turn = turn.map(str::to_owned);
        self.push(What::Attach(Attached { turn, name, mime: mime.clone(), url: url.clone(), at: self.at }));
    }
}

/// What a call is about, in a line.
fn description(input: &Value) -> Option<String> {
    let named = ["description", "command", "path", "file_path", "pattern", "url", "query"];
    let text = named.iter().find_map(|name| input.get(name)?.as_str())?;
    let line = text.lines().find(|line| !line.trim().is_empty())?.trim();
    Some(line.chars().take(LONGEST_DESCRIPTION).collect())
}

/// Arguments as the object that they have to be.
pub(in super::super) fn arguments(input: &Value) -> Extra {
    let text = input.to_string();
    if text.len() > LONGEST_ARGUMENTS {
        let shown = text[..text.floor_char_boundary(SHOWN_OF_LONG_ARGUMENTS)].to_owned();
        return Extra::from_iter([("input".to_owned(), shown.into()), ("truncated".to_owned(), true.into())]);
    }
    match input {
        Value::Object(fields) => fields.clone(),
        Value::Null => Extra::new(),
        other => Extra::from_iter([("input".to_owned(), other.clone())]),
    }
}

fn plan(items: &[PlanItem]) -> String {
    let line = |item: &PlanItem| {
        let sign = match item.status {
            PlanStatus::Pending => "[ ]",
            PlanStatus::InProgress => "[~]",
            PlanStatus::Completed => "[x]",
        };
        format!("- {sign} {}", item.text)
    };
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}
