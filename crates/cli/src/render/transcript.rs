//! A session as text that grows: events in, what they add out.

use std::collections::{HashMap, HashSet};

use rejoin_sdk::View;
use rejoin_sdk::types::control::{Control, ControlReason};
use rejoin_sdk::types::event::{Event, FileChange, Logged};
use rejoin_sdk::types::id::{CallId, MessageId, PartId};
use rejoin_sdk::types::part::{Message, MessageRole, Part, PartBody, ToolState, WholeMessage};
use rejoin_sdk::types::turn::Outcome;
use rejoin_sdk::types::usage::Usage;

use super::clean::{clean, one_line};
use super::style::Style;
use super::{ask, part};

/// What is remembered of prompts typed here, until their turn starts: as many as a queue holds.
const MOST_OWN: usize = 100;

/// What was shown of parts that are not complete.
pub(crate) struct Transcript {
    style: Style,
    /// The text ended with a line's end.
    fresh: bool,
    /// Whose text is growing.
    speaking: Option<PartId>,
    /// What was shown of each open part with running text.
    shown: HashMap<PartId, Shown>,
    /// Tool calls that were announced.
    called: HashSet<PartId>,
    /// Tool calls whose output was shown as it came.
    poured: HashSet<CallId>,
    /// References of prompts that stand on this screen already, because they were typed here.
    own: Vec<String>,
    /// The message that needs not be shown again.
    hush: Option<MessageId>,
}

#[derive(Clone, Copy)]
struct Shown {
    bytes: usize,
    voice: Voice,
}

/// How running text is set.
#[derive(Clone, Copy, PartialEq)]
enum Voice {
    Answer,
    Thought,
    Output,
}

impl Transcript {
    pub(crate) fn new(style: Style) -> Transcript {
        Transcript {
            style,
            fresh: true,
            speaking: None,
            shown: HashMap::new(),
            called: HashSet::new(),
            poured: HashSet::new(),
            own: Vec::new(),
            hush: None,
        }
    }

    /// A prompt that somebody typed right here: it need not be shown once more.
    pub(crate) fn typed(&mut self, reference: String) {
        if self.own.len() == MOST_OWN {
            self.own.remove(0);
        }
        self.own.push(reference);
    }

    /// Somebody wrote on the screen and ended the line.
    pub(crate) fn line_ended(&mut self) {
        self.fresh = true;
    }

    /// The end of the line, where it has not ended.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        self.end_line(&mut out);
        out
    }

    /// A whole session at once, and whatever is half said in it.
    pub(crate) fn view(&mut self, view: &View) -> String {
        self.forget();
        let mut out = String::new();
        let title = view.session.title.as_deref().unwrap_or("untitled");
        let head = format!("-- {} · {} · {}", one_line(title, 200), one_line(&view.session.agent, 80), view.session.id);
        self.note(&mut out, &head);
        if view.more {
            self.note(&mut out, "-- there are older messages: see `rejoin messages`");
        }
        let mut known = HashSet::new();
        for whole in &view.recent {
            known.insert(whole.message.id.clone());
            self.whole(&mut out, whole);
        }
        if let Some(turn) = &view.open_turn {
            if !known.contains(&turn.prompt.message) {
                self.said(&mut out, &turn.prompt.text);
            }
            for part in &turn.parts {
                self.part(&mut out, part, false);
            }
        }
        for ask in &view.asks {
            self.lines(&mut out, ask::ask(ask, self.style));
        }
        for item in &view.queue {
            self.note(&mut out, &format!("+ queued {}: {}", item.id, one_line(&item.text, 400)));
        }
        out
    }

    /// A message that is complete.
    pub(crate) fn whole(&mut self, out: &mut String, whole: &WholeMessage) {
        if whole.message.role == MessageRole::User {
            let texts = whole.parts.iter().filter_map(|part| match &part.body {
                PartBody::Text { text } => Some(text.as_str()),
                _ => None,
            });
            self.said(out, &texts.collect::<Vec<_>>().join("\n"));
            for part in &whole.parts {
                self.lines(out, part::other(&part.body, self.style));
            }
            return;
        }
        if whole.message.summary {
            self.note(out, "-- a summary of what was said before");
        }
        if whole.truncated {
            self.note(out, "-- earlier parts are left out");
        }
        for part in &whole.parts {
            self.part(out, part, true);
        }
        self.end_line(out);
        self.ending(out, &whole.message);
    }

    fn ending(&mut self, out: &mut String, message: &Message) {
        if let Some(error) = &message.error {
            let line = self.style.bad(&format!("-- {}", one_line(error, 400)));
            self.line(out, &line);
        }
    }

    /// What an event adds.
    pub(crate) fn event(&mut self, logged: &Logged) -> String {
        let mut out = String::new();
        let style = self.style;
        match &logged.event {
            Event::SessionCreated { header, .. } => {
                let title = header.title.as_deref().unwrap_or("untitled");
                let (title, agent) = (one_line(title, 200), one_line(&header.agent, 80));
                self.note(&mut out, &format!("-- {title} · {agent} · {}", header.id));
            }
            Event::SessionRenamed { title } => {
                let title = title.as_deref().unwrap_or("untitled");
                self.note(&mut out, &format!("-- renamed to {}", one_line(title, 200)));
            }
            Event::SessionArchived {} => self.note(&mut out, "-- archived"),
            Event::SessionUnarchived {} => self.note(&mut out, "-- out of the archive"),
            Event::SessionClosed {} => self.note(&mut out, "-- closed"),
            Event::SessionReopened {} => self.note(&mut out, "-- reopened"),
            Event::SessionEnded { end } => {
                self.note(&mut out, &format!("-- ended: {}", one_line(&end.reason, 400)));
            }
            Event::SessionDeleted {} => self.note(&mut out, "-- deleted"),
            Event::SessionRestored { .. } => self.note(&mut out, "-- restored from a backup"),
            Event::ModelSet { model } => {
                let model = model.as_ref().map_or("the agent's own", |model| &model.model);
                self.note(&mut out, &format!("-- model: {}", one_line(model, 200)));
            }
            Event::TurnStarted { prompt, item: None, reference: Some(reference), .. } => {
                if let Some(at) = self.own.iter().position(|own| own == reference) {
                    self.own.remove(at);
                    self.hush = Some(prompt.clone());
                }
            }
            Event::Steered { text, .. } => {
                self.end_line(&mut out);
                let text = clean(text);
                let line = style.person(&format!("> (steer) {}", text.replace('\n', "\n  ")));
                self.line(&mut out, &line);
            }
            Event::TurnEnded { outcome, usage, .. } => {
                self.end_line(&mut out);
                let line = turn_end(outcome, usage, style);
                self.line(&mut out, &line);
                self.forget();
            }
            Event::MessageAdded { message, parts } => {
                let hushed = self.hush.take().is_some_and(|hush| hush == message.id);
                if !hushed {
                    let whole = WholeMessage { message: message.clone(), parts: parts.clone(), truncated: false };
                    self.whole(&mut out, &whole);
                }
            }
            Event::MessageCompleted { message } => self.ending(&mut out, message),
            Event::PartStarted { part } | Event::PartUpdated { part } => {
                self.part(&mut out, part, false);
            }
            Event::PartDelta { part, text, .. } => {
                // A call's arguments grow too; they are shown when they are whole.
                if let Some(shown) = self.shown.get_mut(part) {
                    shown.bytes += text.len();
                    let voice = shown.voice;
                    self.grow(&mut out, part, voice, text);
                }
            }
            Event::PartCompleted { part, .. } => self.part(&mut out, part, true),
            Event::ToolOutput { part, call, text, .. } => {
                self.poured.insert(call.clone());
                self.grow(&mut out, part, Voice::Output, text);
            }
            Event::AskOpened { ask } => self.lines(&mut out, ask::ask(ask, style)),
            Event::AskAnswered { answer, .. } => {
                let who = one_line(logged.author.user.as_str(), 128);
                self.note(&mut out, &format!("-- {who} answered: {}", ask::answer(answer)));
            }
            Event::AskClosed { reason, .. } => {
                let why = ask::unanswered(*reason);
                self.note(&mut out, &format!("-- not answered: {why}"));
            }
            Event::AskRemembered { ask, allowed, .. } => {
                let word = if *allowed { "allowed" } else { "denied" };
                let question = one_line(&ask.question, 200);
                self.note(&mut out, &format!("-- {word} as remembered: {question}"));
            }
            Event::Queued { item } => {
                let text = one_line(&item.text, 400);
                self.note(&mut out, &format!("+ queued {}: {text}", item.id));
            }
            Event::QueueEdited { item, text } => {
                self.note(&mut out, &format!("+ edited {item}: {}", one_line(text, 400)));
            }
            Event::Dequeued { item } => self.note(&mut out, &format!("+ taken off the queue: {item}")),
            Event::ControlChanged { control, reason } => {
                let line = format!("-- control: {}", control_line(control, *reason));
                self.note(&mut out, &line);
            }
            Event::Forked { into, .. } => self.note(&mut out, &format!("-- forked into {into}")),
            Event::Reverted { message, inclusive, .. } => {
                let from = if *inclusive { "from" } else { "behind" };
                self.note(&mut out, &format!("-- reverted: what comes {from} message {message} is taken back"));
            }
            Event::CompactionStarted { .. } => self.note(&mut out, "-- compacting"),
            Event::CompactionEnded { error, .. } => {
                let line = match error {
                    Some(error) => format!("-- not compacted: {}", one_line(error, 400)),
                    None => "-- compacted".to_owned(),
                };
                self.note(&mut out, &line);
            }
            Event::ChildStarted { session, name, .. } => {
                self.note(&mut out, &format!("-- {} works in session {session}", one_line(name, 200)));
            }
            Event::ChildEnded { session, outcome } => {
                let word = outcome_word(outcome);
                self.note(&mut out, &format!("-- session {session}: {word}"));
            }
            Event::FileChanged { path, change, version, .. } => {
                let word = match change {
                    FileChange::Created => "created",
                    FileChange::Modified => "changed",
                    FileChange::Deleted => "deleted",
                };
                let version = version.map_or(String::new(), |version| format!(" (version {version})"));
                self.note(&mut out, &format!("~ {word} {}{version}", one_line(path, 400)));
            }
            Event::SealedAdded { number, .. } => {
                self.note(&mut out, &format!("-- sealed message {number}"));
            }
            Event::Unknown(_) => {
                let kind = one_line(logged.event.kind(), 80);
                self.note(&mut out, &format!("-- {kind} (newer than this version)"));
            }
            // What says nothing to somebody who reads along.
            Event::SessionLabelled { .. }
            | Event::ConfigSet { .. }
            | Event::AgentChanged { .. }
            | Event::TurnStarted { .. }
            | Event::MessageStarted { .. }
            | Event::GrantAdded { .. }
            | Event::GrantRevoked { .. }
            | Event::QueueMoved { .. }
            | Event::UsageReported { .. }
            | Event::RegisterSet { .. } => {}
        }
        out
    }

    /// Shows what is new of a part.
    fn part(&mut self, out: &mut String, part: &Part, complete: bool) {
        match &part.body {
            PartBody::Text { text } => self.running(out, &part.id, Voice::Answer, text, complete),
            PartBody::Reasoning { text } => {
                self.running(out, &part.id, Voice::Thought, text, complete);
            }
            PartBody::Tool(call) => {
                // While arguments stream in there is nothing whole to show.
                let begun = complete || !matches!(call.state, ToolState::Pending);
                if begun && self.called.insert(part.id.clone()) {
                    self.end_line(out);
                    let line = part::call(call, self.style);
                    self.line(out, &line);
                }
                if complete {
                    self.called.remove(&part.id);
                    let poured = self.poured.remove(&call.call);
                    self.lines(out, part::result(call, poured, self.style));
                }
            }
            // A plan is shown whenever it changes; the rest when it is there.
            PartBody::Plan { .. } => self.lines(out, part::other(&part.body, self.style)),
            body if complete => self.lines(out, part::other(body, self.style)),
            _ => {}
        }
    }

    fn running(&mut self, out: &mut String, id: &PartId, voice: Voice, text: &str, complete: bool) {
        let bytes = self.shown.get(id).map_or(0, |shown| shown.bytes);
        if let Some(rest) = text.get(bytes..).filter(|rest| !rest.is_empty()) {
            self.grow(out, id, voice, rest);
        }
        if complete {
            self.shown.remove(id);
            if voice == Voice::Thought {
                self.end_line(out);
            }
        } else {
            let bytes = bytes.max(text.len());
            self.shown.insert(id.clone(), Shown { bytes, voice });
        }
    }

    /// Adds running text, and sets each line of it as its voice wants.
    fn grow(&mut self, out: &mut String, id: &PartId, voice: Voice, text: &str) {
        if self.speaking.as_ref() != Some(id) {
            self.end_line(out);
            self.speaking = Some(id.clone());
        }
        let text = match voice {
            Voice::Output => part::output(text),
            _ => clean(text),
        };
        if voice == Voice::Answer {
            out.push_str(&text);
            self.fresh = if text.is_empty() { self.fresh } else { text.ends_with('\n') };
            return;
        }
        let prefix = if voice == Voice::Thought { "| " } else { "    " };
        for line in text.split_inclusive('\n') {
            if self.fresh {
                out.push_str(&self.style.faint(prefix));
            }
            let (line, end) = match line.strip_suffix('\n') {
                Some(line) => (line, "\n"),
                None => (line, ""),
            };
            out.push_str(&self.style.faint(line));
            out.push_str(end);
            self.fresh = !end.is_empty();
        }
    }

    /// What a person said.
    fn said(&mut self, out: &mut String, text: &str) {
        self.end_line(out);
        let text = clean(text);
        for (at, line) in text.trim_end().split('\n').enumerate() {
            let mark = if at == 0 { "> " } else { "  " };
            let line = self.style.person(&format!("{mark}{line}"));
            self.line(out, line.trim_end());
        }
    }

    fn note(&mut self, out: &mut String, text: &str) {
        self.end_line(out);
        let line = self.style.faint(text);
        self.line(out, &line);
    }

    fn lines(&mut self, out: &mut String, lines: Vec<String>) {
        for line in lines {
            self.end_line(out);
            self.line(out, &line);
        }
    }

    fn line(&mut self, out: &mut String, line: &str) {
        out.push_str(line);
        out.push('\n');
        self.fresh = true;
    }

    fn end_line(&mut self, out: &mut String) {
        if !self.fresh {
            out.push('\n');
            self.fresh = true;
        }
        self.speaking = None;
    }

    /// Nothing is half said any more.
    fn forget(&mut self) {
        self.speaking = None;
        self.shown.clear();
        self.called.clear();
        self.poured.clear();
        self.hush = None;
    }
}

pub(crate) fn outcome_word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed => "completed".to_owned(),
        Outcome::Failed { code, message, .. } => {
            format!("failed: {} ({})", one_line(message, 400), one_line(code, 80))
        }
        Outcome::Interrupted { reason } => format!("interrupted: {}", one_line(reason, 200)),
    }
}

fn turn_end(outcome: &Outcome, usage: &Usage, style: Style) -> String {
    let mut line = format!("-- {}", outcome_word(outcome));
    if *usage != Usage::default() {
        line.push_str(&format!(" · {}", usage_line(usage)));
    }
    match outcome {
        Outcome::Completed => style.faint(&line),
        _ => style.bad(&line),
    }
}

/// Tokens, and money where it is known.
pub(crate) fn usage_line(usage: &Usage) -> String {
    let mut line = format!("{} in, {} out", usage.input, usage.output);
    if let Some(micros) = usage.cost_micros {
        line.push_str(&format!(", ${}.{:06}", micros / 1_000_000, micros % 1_000_000));
    }
    line
}

fn control_line(control: &Control, reason: ControlReason) -> String {
    let holder = control.holder().map(|holder| {
        let (user, client) = (holder.user.as_str(), holder.client.as_str());
        format!("{} ({})", one_line(user, 128), one_line(client, 128))
    });
    let holder = holder.unwrap_or_else(|| "nobody".to_owned());
    match control {
        Control::Held { takeover: Some(takeover), .. } => format!(
            "{holder} holds it; {} ({}) wants it",
            one_line(takeover.by.user.as_str(), 128),
            one_line(takeover.by.client.as_str(), 128)
        ),
        _ if reason == ControlReason::TakeoverDenied => format!("{holder} keeps it"),
        Control::Held { .. } => format!("{holder} has it"),
        Control::Grace { .. } => format!("{holder} had it and is away"),
        Control::Free => "nobody has it".to_owned(),
    }
}

#[cfg(test)]
mod tests;
