//! What an agent does becomes what happened: parts of its message, asks, files, usage, the end of its turn.

use super::Decider;
use crate::event::{Event, Growing};
use crate::happening::{FromAgent, Happening};
use crate::header::AgentStatus;
use crate::id::{CallId, MessageId};
use crate::part::{LONGEST_PART, Message, MessageRole, MessageStatus, Part, PartBody, ToolCall, ToolState};
use crate::turn::{MOST_OPEN_CALLS, Outcome};
use crate::value::shallow;

impl Decider<'_> {
    /// Decides what an agent says. What belongs to a turn that is over, or makes no sense, is dropped.
    pub fn happened(&mut self, from: FromAgent) {
        let current = self.session.turn.as_ref().map(|turn| &turn.id);
        match from.happening {
            Happening::Life { status, detail } => return self.lives(status, detail),
            Happening::Compacted { summary } => return self.compacted(Ok(summary)),
            Happening::CompactionFailed { error } => return self.compacted(Err(error)),
            Happening::Title(_) | Happening::FileChanged { .. } if from.turn.is_none() => {}
            _ if from.turn.is_none() || from.turn.as_ref() != current => return,
            _ => {}
        }
        match from.happening {
            Happening::Text(text) => self.grow(text, false),
            Happening::Thinking(text) => self.grow(text, true),
            Happening::Pause => self.pause(),
            Happening::ToolCalled { call, name, input } => self.tool_called(call, name, shallow(input)),
            Happening::ToolArguments { call, name, delta } => self.tool_arguments(call, name, delta),
            Happening::ToolStarted { call, input } => self.tool_started(&call, input.map(shallow)),
            Happening::ToolOutput { call, text, error } => {
                if let Some(part) = self.tool(&call).map(|part| part.id.clone()) {
                    self.emit(Event::ToolOutput { part, call, text, error });
                }
            }
            Happening::ToolEnded { call, result } => self.tool_ended(&call, result.map(shallow)),
            Happening::ToolDone { call, name, input, output } => {
                let (input, output) = (shallow(input), shallow(output));
                let state = ToolState::Completed { started_at: self.now, ended_at: self.now, output };
                self.whole_part(PartBody::Tool(ToolCall { call, name, input, state, arguments: None, child: None }));
            }
            Happening::Asked(new) => {
                // Nothing streams while an agent waits, so that a parked turn has nothing half said.
                self.pause();
                self.asked(new);
            }
            Happening::AskWithdrawn(ask) => self.withdraw(&ask),
            Happening::Plan(items) => self.whole_part(PartBody::Plan { items }),
            Happening::Image { mime, url } => self.whole_part(PartBody::Image { mime, url }),
            Happening::File { name, mime, url } => self.whole_part(PartBody::File { name, mime, url }),
            Happening::Step { number, finish, usage } => self.whole_part(PartBody::Step { number, finish, usage }),
            Happening::Raw { source, value } => self.whole_part(PartBody::Raw { source, value: shallow(value) }),
            Happening::Usage(usage) => {
                let turn = self.session.turn.as_ref().map(|turn| turn.id.clone());
                self.emit(Event::UsageReported { usage, turn });
                if self.facts.broke || self.over_budget() {
                    let whose = if self.over_budget() { "session" } else { "tenant" };
                    let message = format!("the {whose}'s budget is used up");
                    self.end_turn(Outcome::Failed { code: "budget_exceeded".into(), message, retry_ms: None });
                }
            }
            Happening::Title(title) => {
                // An agent's title that does not fit is no reason to stop it.
                let _ = self.rename(Some(title));
            }
            Happening::FileChanged { path, change, version, hash, size } => {
                self.emit(Event::FileChanged { path, change, version, hash, size });
            }
            Happening::Task { name, text: _, call } => {
                let session: crate::id::SessionId = self.mint();
                let working =
                    call.as_ref().and_then(|call| self.with_tool(call, |tool| tool.child = Some(session.clone())));
                self.emit(Event::ChildStarted { session, name, call });
                if let Some(part) = working {
                    self.emit(Event::PartUpdated { part });
                }
            }
            Happening::Done => self.end_turn(Outcome::Completed),
            Happening::Failed { code, message, retry_ms } => self.end_turn(Outcome::Failed { code, message, retry_ms }),
            Happening::Life { .. } | Happening::Compacted { .. } | Happening::CompactionFailed { .. } => {}
        }
    }

    fn lives(&mut self, status: AgentStatus, detail: Option<String>) {
        if self.session.header.agent_status != status {
            self.emit(Event::AgentChanged { status, detail: detail.clone() });
        }
        if matches!(status, AgentStatus::Failed | AgentStatus::Stopped) {
            let message = detail.unwrap_or_else(|| "the agent is gone".to_owned());
            // In this order: a turn that the end of a compaction lets start is for a fresh agent.
            self.end_turn(Outcome::Failed { code: "agent_failed".into(), message: message.clone(), retry_ms: None });
            self.compacted(Err(message));
        }
    }

    /// The message that the agent's parts belong to; it begins with the first of them.
    fn message(&mut self) -> MessageId {
        let turn = self.session.turn.as_ref().expect("parts belong to a turn, and that was checked");
        if let Some(message) = &turn.message {
            return message.id.clone();
        }
        let turn = turn.id.clone();
        let model = self.session.header.model.clone();
        let message = Message {
            id: self.mint(),
            role: MessageRole::Assistant,
            status: MessageStatus::Streaming,
            created_at: self.now,
            turn: Some(turn),
            completed_at: None,
            model: model.as_ref().map(|model| model.model.clone()),
            provider: model.and_then(|model| model.provider),
            usage: None,
            error: None,
            parent: None,
            summary: false,
        };
        let id = message.id.clone();
        self.emit(Event::MessageStarted { message });
        id
    }

    fn grow(&mut self, mut text: String, reasoning: bool) {
        if text.is_empty() {
            return;
        }
        // What is too long for one part fills several.
        while text.len() > LONGEST_PART {
            let rest = text.split_off(text.floor_char_boundary(LONGEST_PART));
            self.grow(std::mem::replace(&mut text, rest), reasoning);
        }
        let turn = self.session.turn.as_ref().expect("text belongs to a turn, and that was checked");
        let open = turn.parts.last().filter(|part| match &part.body {
            PartBody::Text { text: so_far } => !reasoning && so_far.len() + text.len() <= LONGEST_PART,
            PartBody::Reasoning { text: so_far } => reasoning && so_far.len() + text.len() <= LONGEST_PART,
            _ => false,
        });
        let part = match open {
            Some(part) => part.id.clone(),
            None => {
                self.pause();
                let empty = String::new();
                self.open_part(if reasoning {
                    PartBody::Reasoning { text: empty }
                } else {
                    PartBody::Text { text: empty }
                })
            }
        };
        let of = if reasoning { Growing::Reasoning } else { Growing::Text };
        self.emit(Event::PartDelta { part, text, marks: Default::default(), of });
    }

    /// Completes what streams: text and reasoning. Tools stay open.
    pub(super) fn pause(&mut self) {
        let Some(turn) = &self.session.turn else {
            return;
        };
        let streaming = |part: &&Part| matches!(part.body, PartBody::Text { .. } | PartBody::Reasoning { .. });
        let open: Vec<Part> = turn.parts.iter().filter(streaming).cloned().collect();
        for part in open {
            self.emit(Event::PartCompleted { part, whole: false });
        }
    }

    fn open_part(&mut self, body: PartBody) -> crate::id::PartId {
        let message = self.message();
        let part = Part { id: self.mint(), message, at: self.now, body };
        let id = part.id.clone();
        self.emit(Event::PartStarted { part });
        id
    }

    fn whole_part(&mut self, body: PartBody) {
        self.pause();
        let message = self.message();
        let part = Part { id: self.mint(), message, at: self.now, body };
        self.emit(Event::PartCompleted { part, whole: true });
    }

    fn tool(&self, id: &CallId) -> Option<&Part> {
        let is_it = |part: &&Part| matches!(&part.body, PartBody::Tool(call) if call.call == *id);
        self.session.turn.as_ref()?.parts.iter().find(is_it)
    }

    /// The open part of a tool call, changed.
    fn with_tool(&self, id: &CallId, change: impl FnOnce(&mut ToolCall)) -> Option<Part> {
        let mut part = self.tool(id)?.clone();
        if let PartBody::Tool(call) = &mut part.body {
            change(call);
        }
        Some(part)
    }

    fn too_many_open(&self) -> bool {
        let is_call = |part: &&Part| matches!(part.body, PartBody::Tool(_));
        self.session.turn.as_ref().is_some_and(|turn| turn.parts.iter().filter(is_call).count() >= MOST_OPEN_CALLS)
    }

    fn tool_called(&mut self, call: CallId, name: String, input: serde_json::Value) {
        let arrived = self.with_tool(&call, |open| {
            open.input = input.clone();
            open.arguments = None;
        });
        if let Some(part) = arrived {
            return self.emit(Event::PartUpdated { part });
        }
        if self.too_many_open() {
            let message = format!("more than {MOST_OPEN_CALLS} tool calls are open");
            return self.end_turn(Outcome::Failed { code: "too_many_calls".into(), message, retry_ms: None });
        }
        self.pause();
        self.open_part(PartBody::Tool(ToolCall {
            call,
            name,
            input,
            state: ToolState::Pending,
            arguments: None,
            child: None,
        }));
    }

    fn tool_arguments(&mut self, call: CallId, name: String, delta: String) {
        let open = self.tool(&call).map(|part| (part.id.clone(), part.body.text().map(str::len)));
        let (part, length) = match open {
            Some((part, Some(length))) => (part, length),
            Some((_, None)) => return, // they are whole already
            None if self.too_many_open() => return,
            None => {
                self.pause();
                let input = serde_json::Value::Null;
                let body = ToolCall {
                    call: call.clone(),
                    name,
                    input,
                    state: ToolState::Pending,
                    arguments: Some(String::new()),
                    child: None,
                };
                (self.open_part(PartBody::Tool(body)), 0)
            }
        };
        if !delta.is_empty() && length + delta.len() <= LONGEST_PART {
            let of = Growing::Arguments { call };
            self.emit(Event::PartDelta { part, text: delta, marks: Default::default(), of });
        }
    }

    /// Arguments stream in before a call does anything; an agent that does not say when they are whole says so by going on.
    fn arguments_ended(&mut self, call: &CallId) {
        let streaming = |part: &&Part| matches!(&part.body, PartBody::Tool(open) if open.arguments.is_some());
        if self.tool(call).filter(streaming).is_none() {
            return;
        }
        let part = self.with_tool(call, |open| {
            let arguments = open.arguments.take().unwrap_or_default();
            open.input = serde_json::from_str(&arguments).map(shallow).unwrap_or(serde_json::Value::String(arguments));
        });
        if let Some(part) = part {
            self.emit(Event::PartUpdated { part });
        }
    }

    fn tool_started(&mut self, call: &CallId, input: Option<serde_json::Value>) {
        let now = self.now;
        self.arguments_ended(call);
        let part = self.with_tool(call, |open| {
            open.state = ToolState::Running { started_at: now };
            if let Some(input) = input {
                open.input = input;
            }
        });
        if let Some(part) = part {
            self.emit(Event::PartUpdated { part });
        }
    }

    fn tool_ended(&mut self, call: &CallId, result: Result<serde_json::Value, String>) {
        let now = self.now;
        self.arguments_ended(call);
        let part = self.with_tool(call, |open| {
            let started_at = open.state.started_at().unwrap_or(now);
            open.state = match result {
                Ok(output) => ToolState::Completed { started_at, ended_at: now, output },
                Err(error) => ToolState::Failed { started_at, ended_at: now, error },
            };
        });
        if let Some(part) = part {
            self.emit(Event::PartCompleted { part, whole: false });
        }
    }
}
