//! Tells what an agent does in a turn as happenings.

use std::collections::{HashMap, HashSet};

use rejoin_core::happening::Happening;
use rejoin_core::id::{AskId, CallId, TurnId};
use serde_json::{Map, Value, json};

use super::failure::shortened;
use super::permission::Waiting;
use super::wire::call::{CallContent, CallUpdate, Status};
use super::wire::content::Block;
use super::wire::text;
use super::wire::update::Update;

/// Calls that are remembered at a time. The rules end a turn that has more of them open than a quarter of this.
const MOST_CALLS: usize = 1_024;
/// Bytes of a call's output that are told while it comes, and of what it gives back in the end.
const LONGEST_OUTPUT: usize = 1 << 20;
/// Bytes of an input or a raw value. A difference of two large files is larger, and is cut.
const LONGEST_VALUE: usize = 4 << 20;
/// How much of a turn's id the ids made from it repeat.
const LONGEST_STEM: usize = 64;

/// What was told of a turn's calls so far.
#[derive(Debug)]
pub(super) struct Telling {
    stem: String,
    calls: HashMap<String, Call>,
    /// Ids of calls that are over: agents like to say once more what became of them.
    over: HashSet<String>,
    minted: u64,
    /// A call of which there is news that waits, for the agent will soon say more.
    untold: Option<String>,
}

#[derive(Debug)]
struct Call {
    id: CallId,
    title: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    raw_input: Option<Value>,
    raw_output: Option<Value>,
    locations: Vec<Value>,
    content: Vec<CallContent>,
    status: Status,
    /// What was told of its output.
    output: String,
    is_told: bool,
    is_started: bool,
}

/// What an update means beyond what it tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Noted {
    /// A call is over that may have changed files.
    pub(super) may_have_changed: bool,
    /// A terminal of ours is shown by this call.
    pub(super) shown: Option<(CallId, String)>,
}

impl Telling {
    pub(super) fn new(turn: &TurnId) -> Telling {
        let id = turn.as_str();
        let stem = id[id.len().saturating_sub(LONGEST_STEM)..].to_owned(); // ids are ASCII
        Telling { stem, calls: HashMap::new(), over: HashSet::new(), minted: 0, untold: None }
    }

    pub(super) fn update(&mut self, update: Update, out: &mut Vec<Happening>) -> Noted {
        if !matches!(&update, Update::Call(_)) {
            self.flush(out);
        }
        match update {
            Update::Said(Block::Text(text)) => out.push(Happening::Text(text)),
            Update::Thought(Block::Text(text)) => out.push(Happening::Thinking(text)),
            Update::Said(block) | Update::Thought(block) => out.push(shown(block)),
            Update::Call(call) => return self.call(*call, out),
            Update::Plan(items) => out.push(Happening::Plan(items)),
            Update::Title(title) => out.push(Happening::Title(title)),
            Update::Commands(value) => out.push(raw("commands", value)),
            Update::Mode(mode) => out.push(raw("mode", json!({"mode": mode}))),
            Update::Options(value) => out.push(raw("options", value)),
            Update::Other { kind, value } => out.push(raw(&kind, value)),
            Update::Echo | Update::Used(_) => {}
        }
        Noted::default()
    }

    /// Tells what waits.
    pub(super) fn flush(&mut self, out: &mut Vec<Happening>) {
        if let Some(call) = self.untold.take().and_then(|id| self.calls.get_mut(&id)) {
            call.tell(out);
        }
    }

    /// The call that a permission is asked for, told before it is asked about.
    pub(super) fn waiting(&mut self, update: Option<CallUpdate>, out: &mut Vec<Happening>) -> Waiting {
        self.flush(out);
        let Some(update) = update.filter(|update| !self.over.contains(&update.id)) else {
            let (call, input) = (None, Value::Null);
            return Waiting { call, tool: "tool".to_owned(), kind: None, title: None, input, paths: Vec::new() };
        };
        let id = update.id.clone();
        self.call(update, out);
        self.flush(out);
        match self.calls.get(&id) {
            Some(call) => call.waiting(),
            // It was over at once: the agent asks about something that it has done.
            None => Waiting {
                call: None,
                tool: "tool".to_owned(),
                kind: None,
                title: None,
                input: Value::Null,
                paths: Vec::new(),
            },
        }
    }

    pub(super) fn ask_id(&self, number: u64) -> AskId {
        AskId::new(format!("{}-ask{number}", self.stem)).expect("a number behind part of an id")
    }

    /// Whether this call goes on.
    pub(super) fn is_open(&self, call: &CallId) -> bool {
        self.calls.values().any(|known| known.id == *call)
    }

    /// More output of a terminal that a call shows.
    pub(super) fn terminal_output(&mut self, call: &CallId, text: String, out: &mut Vec<Happening>) {
        let Some(shows) = self.calls.values_mut().find(|known| known.id == *call) else { return };
        let left = LONGEST_OUTPUT.saturating_sub(shows.output.len());
        if left == 0 || text.is_empty() {
            return;
        }
        shows.start(out);
        let text = text[..text.floor_char_boundary(left)].to_owned();
        shows.output.push_str(&text);
        out.push(Happening::ToolOutput { call: call.clone(), text, error: false });
    }

    /// Ends what is open, for the turn is over or goes on with something else.
    pub(super) fn end(&mut self, why: &str, out: &mut Vec<Happening>) {
        self.flush(out);
        let mut open: Vec<Call> = self.calls.drain().map(|(_, call)| call).collect();
        open.sort_by(|a, b| a.id.cmp(&b.id)); // in some order that does not change
        for mut call in open {
            call.tell(out);
            out.push(Happening::ToolEnded { call: call.id, result: Err(why.to_owned()) });
        }
    }

    fn call(&mut self, update: CallUpdate, out: &mut Vec<Happening>) -> Noted {
        if self.over.contains(&update.id) {
            return Noted::default();
        }
        if self.untold.as_ref().is_some_and(|untold| *untold != update.id) {
            self.flush(out);
        }
        let id = update.id.clone();
        if !self.calls.contains_key(&id) {
            if self.calls.len() >= MOST_CALLS {
                return Noted::default(); // the rules have ended this turn long ago
            }
            let call = Call::new(self.mint(&id));
            self.calls.insert(id.clone(), call);
        }
        let call = self.calls.get_mut(&id).expect("just put there");
        let was_shown = call.terminal();
        let has_news = call.take(update);
        let mut noted = Noted::default();
        match call.status {
            Status::Pending if has_news => self.untold = Some(id),
            Status::Pending => {}
            Status::Running => {
                if has_news && call.is_told {
                    self.untold = Some(id.clone());
                }
                call.start(out);
                call.tell_output(out);
                let shown = call.terminal();
                if shown.is_some() && shown != was_shown {
                    noted.shown = shown.map(|terminal| (call.id.clone(), terminal));
                }
            }
            Status::Completed | Status::Failed => {
                let call = self.calls.remove(&id).expect("just looked at");
                if self.over.len() >= MOST_CALLS {
                    self.over.clear();
                }
                self.over.insert(id);
                self.untold = None;
                noted.may_have_changed = call.may_change();
                call.end(out);
            }
        }
        noted
    }

    /// The agent's own id if it can be one; of what is none, one is made.
    fn mint(&mut self, id: &str) -> CallId {
        self.minted += 1;
        CallId::new(id).unwrap_or_else(|_| {
            CallId::new(format!("{}-acp{}", self.stem, self.minted)).expect("a number behind part of an id")
        })
    }
}

impl Call {
    fn new(id: CallId) -> Call {
        Call {
            id,
            title: None,
            name: None,
            kind: None,
            raw_input: None,
            raw_output: None,
            locations: Vec::new(),
            content: Vec::new(),
            status: Status::Pending,
            output: String::new(),
            is_told: false,
            is_started: false,
        }
    }

    /// Takes over what an update says. Whether it changes what the call is about.
    fn take(&mut self, update: CallUpdate) -> bool {
        fn set<T: PartialEq>(mine: &mut Option<T>, theirs: Option<T>) -> bool {
            let is_new = theirs.is_some() && *mine != theirs;
            if is_new {
                *mine = theirs;
            }
            is_new
        }
        let mut news = !self.is_told;
        news |= set(&mut self.title, update.title);
        set(&mut self.name, update.name);
        set(&mut self.kind, update.kind);
        news |= set(&mut self.raw_input, update.raw_input);
        set(&mut self.raw_output, update.raw_output);
        if let Some(locations) = update.locations {
            news |= self.locations != locations;
            self.locations = locations;
        }
        if let Some(content) = update.content {
            self.content = content;
        }
        if let Some(status) = update.status {
            // A call that has begun is not pending any more, whatever is said.
            if !(status == Status::Pending && self.is_started) {
                self.status = status;
            }
        }
        news
    }

    fn tool(&self) -> String {
        let name = self.name.as_deref().or(self.kind.as_deref()).filter(|name| !name.is_empty());
        shortened(name.unwrap_or("tool"), 128)
    }

    /// What the tool was given, and what the agent says about it where that leaves room.
    fn input(&self) -> Value {
        let mut input = match self.raw_input.clone().map(cut) {
            Some(Value::Object(members)) => members,
            None => Map::new(),
            Some(other) => Map::from_iter([("input".to_owned(), other)]),
        };
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|_| !input.contains_key(name)) {
                input.insert(name.to_owned(), value);
            }
        };
        add("title", self.title.clone().map(Value::String));
        add("kind", self.kind.clone().map(Value::String));
        add("locations", Some(Value::Array(self.locations.clone())).filter(|_| !self.locations.is_empty()).map(cut));
        Value::Object(input)
    }

    fn tell(&mut self, out: &mut Vec<Happening>) {
        self.is_told = true;
        out.push(Happening::ToolCalled { call: self.id.clone(), name: self.tool(), input: self.input() });
    }

    fn start(&mut self, out: &mut Vec<Happening>) {
        if !self.is_told {
            self.tell(out);
        }
        if !self.is_started {
            self.is_started = true;
            self.status = Status::Running;
            out.push(Happening::ToolStarted { call: self.id.clone(), input: None });
        }
    }

    /// Content comes anew each time. As long as it only grows, what is new of it is output.
    fn tell_output(&mut self, out: &mut Vec<Happening>) {
        let Some(text) = self.text().filter(|text| text.len() <= LONGEST_OUTPUT) else { return };
        let Some(more) = text.strip_prefix(&*self.output).filter(|more| !more.is_empty()) else { return };
        out.push(Happening::ToolOutput { call: self.id.clone(), text: more.to_owned(), error: false });
        self.output = text;
    }

    /// All of its content, if that is nothing but text.
    fn text(&self) -> Option<String> {
        let mut all = String::new();
        for content in &self.content {
            match content {
                CallContent::Block(Block::Text(text)) => all.push_str(text),
                _ => return None,
            }
        }
        Some(all)
    }

    /// The terminal of ours that it shows.
    fn terminal(&self) -> Option<String> {
        self.content.iter().find_map(|content| match content {
            CallContent::Terminal(id) => Some(id.clone()),
            _ => None,
        })
    }

    /// Whether such a tool may change files. What is not known to leave them alone may.
    fn may_change(&self) -> bool {
        !matches!(self.kind.as_deref(), Some("read" | "search" | "think" | "fetch" | "switch_mode"))
    }

    fn waiting(&self) -> Waiting {
        let path = |location: &Value| Some(text(location, "path")?.to_owned());
        Waiting {
            call: Some(self.id.clone()),
            tool: self.tool(),
            kind: self.kind.clone(),
            title: self.title.clone(),
            input: self.input(),
            paths: self.locations.iter().filter_map(path).collect(),
        }
    }

    fn end(mut self, out: &mut Vec<Happening>) {
        let result = if self.status == Status::Failed { Err(self.error()) } else { Ok(self.result()) };
        if !self.is_told && result.is_ok() {
            let (name, input) = (self.tool(), self.input());
            let output = result.unwrap_or_default();
            return out.push(Happening::ToolDone { call: self.id, name, input, output });
        }
        if !self.is_started {
            // The last word on what it was about.
            self.tell(out);
        }
        self.start(out);
        out.push(Happening::ToolEnded { call: self.id, result });
    }

    /// Text, if it is no more than that; otherwise everything as it came.
    fn result(&mut self) -> Value {
        let raw = self.raw_output.take().map(cut);
        if let Some(text) = self.text() {
            match raw {
                None => return Value::String(shortened(&text, LONGEST_OUTPUT)),
                Some(raw) if text.is_empty() => return raw,
                Some(raw) => return json!({"text": shortened(&text, LONGEST_OUTPUT), "rawOutput": raw}),
            }
        }
        let output = &self.output;
        let content: Vec<Value> = std::mem::take(&mut self.content)
            .into_iter()
            .map(|content| match content {
                CallContent::Block(block) => block.write(),
                CallContent::Terminal(id) => json!({"type": "terminal", "terminalId": id, "output": output}),
                CallContent::Diff(value) | CallContent::Other(value) => value,
            })
            .collect();
        let mut result = json!({"content": cut(Value::Array(content))});
        if let Some(raw) = raw {
            result["rawOutput"] = raw;
        }
        result
    }

    fn error(&self) -> String {
        let text = self.text().filter(|text| !text.trim().is_empty());
        let raw = || match &self.raw_output {
            Some(Value::String(text)) => Some(text.clone()),
            Some(value) => Some(value.to_string()),
            None => None,
        };
        let error = text.or_else(raw).unwrap_or_else(|| "the tool failed".to_owned());
        shortened(&error, LONGEST_OUTPUT)
    }
}

fn shown(block: Block) -> Happening {
    match block {
        Block::Image { mime, data, uri } => {
            let url = if data.is_empty() { uri.unwrap_or_default() } else { format!("data:{mime};base64,{data}") };
            Happening::Image { mime, url }
        }
        Block::Link { uri, name, mime } => {
            Happening::File { name, mime: mime.unwrap_or_else(|| "application/octet-stream".to_owned()), url: uri }
        }
        other => raw("content", other.write()),
    }
}

fn raw(kind: &str, value: Value) -> Happening {
    Happening::Raw { source: format!("acp.{}", shortened(kind, 64)), value: cut(value) }
}

/// The value itself, or the beginning of its text where it is too long.
fn cut(value: Value) -> Value {
    // Most are short, and counting is cheaper than writing.
    if length(&value) <= LONGEST_VALUE {
        return value;
    }
    json!({"truncated": true, "text": shortened(&value.to_string(), LONGEST_OUTPUT)})
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| length(item) + 8).sum(),
        Value::Object(members) => members.iter().map(|(key, member)| key.len() + length(member) + 8).sum(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(updates: &[Value]) -> Vec<Happening> {
        let mut telling = Telling::new(&TurnId::new("t").unwrap());
        let mut out = Vec::new();
        for update in updates {
            telling.update(Update::read(update.clone()), &mut out);
        }
        telling.end("over", &mut out);
        out
    }

    fn call(fields: Value) -> Value {
        let mut update = json!({"sessionUpdate": "tool_call_update", "toolCallId": "c"});
        for (name, value) in fields.as_object().unwrap() {
            update[name] = value.clone();
        }
        update
    }

    fn output(text: &str) -> Value {
        json!([{"type": "content", "content": {"type": "text", "text": text}}])
    }

    fn words(happenings: &[Happening]) -> Vec<String> {
        let word = |happening: &Happening| match happening {
            Happening::ToolCalled { name, .. } => format!("called {name}"),
            Happening::ToolStarted { .. } => "started".to_owned(),
            Happening::ToolOutput { text, .. } => format!("output {text}"),
            Happening::ToolEnded { result: Ok(value), .. } => format!("ended {value}"),
            Happening::ToolEnded { result: Err(error), .. } => format!("failed {error}"),
            Happening::ToolDone { name, output, .. } => format!("done {name} {output}"),
            Happening::Text(text) => format!("text {text}"),
            Happening::Raw { source, .. } => format!("raw {source}"),
            other => format!("{other:?}"),
        };
        happenings.iter().map(word).collect()
    }

    #[test]
    fn a_call_is_told_from_its_first_word_to_its_last() {
        let all = told(&[
            json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": "Run ls", "kind": "execute", "status": "pending"}),
            call(json!({"rawInput": {"command": "ls"}})),
            call(json!({"status": "in_progress"})),
            call(json!({"content": output("a\n")})),
            call(json!({"content": output("a\nb\n")})),
            call(json!({"status": "completed", "rawOutput": {"exit": 0}})),
            call(json!({"status": "completed", "content": output("once more")})),
        ]);
        let result = r#"ended {"text":"a\nb\n","rawOutput":{"exit":0}}"#;
        assert_eq!(words(&all), ["called execute", "started", "output a\n", "output b\n", result]);
        let Happening::ToolCalled { input, .. } = &all[0] else { panic!() };
        assert_eq!(*input, json!({"command": "ls", "title": "Run ls", "kind": "execute"}));
    }

    #[test]
    fn arguments_that_stream_in_are_told_once_they_rest() {
        let growing = (0..50).map(|length| call(json!({"rawInput": {"text": "x".repeat(length)}})));
        let mut updates: Vec<Value> = growing.collect();
        updates.push(json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "hm"}}));
        updates.push(call(json!({"status": "failed", "content": output("no")})));
        assert_eq!(words(&told(&updates)), ["called tool", "text hm", "called tool", "started", "failed no"]);
    }

    #[test]
    fn a_call_that_came_and_went_in_one_is_told_as_one() {
        let done = call(json!({"name": "read_file", "kind": "read", "status": "completed", "content": output("x")}));
        assert_eq!(words(&told(&[done])), [r#"done read_file "x""#]);
        let failed = call(json!({"status": "failed"}));
        assert_eq!(words(&told(&[failed])), ["called tool", "started", "failed the tool failed"]);
    }

    #[test]
    fn differences_are_kept_as_they_came() {
        let diff = json!({"type": "diff", "path": "/w/a", "oldText": null, "newText": "x"});
        let all = told(&[call(json!({"kind": "edit", "status": "completed", "content": [diff.clone()]}))]);
        let Happening::ToolDone { output, .. } = &all[0] else { panic!("{all:?}") };
        assert_eq!(output["content"], json!([diff]));
    }

    #[test]
    fn whatever_stays_open_is_ended_with_its_turn() {
        let all = told(&[call(json!({"title": "x"})), call(json!({"toolCallId": "no id\n", "status": "in_progress"}))]);
        assert_eq!(
            words(&all),
            ["called tool", "called tool", "started", "called tool", "failed over", "called tool", "failed over"][..]
                .to_vec()
        );
    }

    #[test]
    fn unknown_updates_are_kept_and_strange_ones_do_no_harm() {
        let all = told(&[
            json!({"sessionUpdate": "brand_new", "x": 1}),
            json!({"sessionUpdate": "tool_call", "title": "no id"}),
            json!({"sessionUpdate": "agent_message_chunk"}),
            json!({"sessionUpdate": 5}),
            json!("nonsense"),
            json!({"sessionUpdate": "plan", "entries": [{"content": "a", "status": "in_progress"}, 5, {}]}),
        ]);
        let kinds = words(&all);
        assert_eq!(kinds[..5], ["raw acp.brand_new", "raw acp.tool_call", "raw acp.content", "raw acp.", "raw acp."]);
        assert!(matches!(&all[5], Happening::Plan(items) if items.len() == 1));
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let long = call(json!({"status": "completed", "rawOutput": "x".repeat(LONGEST_VALUE + 1)}));
        let all = told(&[long]);
        let Happening::ToolDone { output, .. } = &all[0] else { panic!() };
        assert_eq!(output["truncated"], true);
    }
}
