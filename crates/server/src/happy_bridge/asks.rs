//! What an agent asks, in Happy's agent state: permissions as requests, anything else as forms; and answers to both.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_core::ask::{Answer, Ask, AskBody, Choice, Question, Settled};
use rejoin_core::grant::Scope;
use rejoin_core::id::AskId;
use rejoin_core::pattern::{Matcher, Pattern};
use rejoin_core::position::Millis;
use rejoin_happy::payload::{
    AgentState, Completed, Decision, Extra, PermissionAnswer, PermissionMode, RequestStatus, ToolRequest,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::outward::arguments;

/// Settled ones that stay in sight, so that an app that slept learns of them. The whole state travels with each change.
const KEPT: usize = 32;
/// In which field a request says which ask it is: apps name it by the tool call that waits.
const ASK: &str = "ask";
const FORMS: &str = "communications";
const SETTLED_FORMS: &str = "completedCommunications";
/// The one question of an ask that is no form.
const ONLY: &str = "answer";

/// Adds what waits for an answer. Again it changes nothing.
pub(super) fn open(state: &mut AgentState, ask: &Ask) {
    if is_known(state, &ask.id) {
        return;
    }
    match &ask.body {
        AskBody::Permission { tool, input, .. } => {
            let by_call = ask.call.as_ref().map(ToString::to_string);
            let is_free = |name: &String| state.requests.as_ref().is_none_or(|requests| !requests.contains_key(name));
            let name = by_call.clone().filter(is_free).unwrap_or_else(|| ask.id.to_string());
            let mut request = ToolRequest::new(tool, Value::Object(arguments(input)), ask.opened_at);
            request.tool_use_id = by_call;
            request.extra.insert(ASK.to_owned(), ask.id.as_str().into());
            // One that was settled under this name would hide it.
            if let Some(completed) = &mut state.completed_requests {
                completed.remove(&name);
            }
            state.ask(name, request);
        }
        // What a client must be able to do, an app is not.
        AskBody::Capability { .. } => {}
        body => {
            let mut form = json!({
                "kind": "form", "createdAt": ask.opened_at, "title": ask.question,
                "form": { "questions": questions(&ask.question, body) },
            });
            if let Some(call) = &ask.call {
                form["toolUseId"] = call.as_str().into();
            }
            forms(state, FORMS).insert(ask.id.to_string(), form);
        }
    }
}

/// Moves what waited to what is settled.
pub(super) fn settle(state: &mut AgentState, ask: &AskId, how: &Settled, at: Millis) {
    let requests = state.requests.iter().flatten();
    let name = requests.filter(|(_, request)| is_of(&request.extra, ask)).map(|(name, _)| name.clone()).next();
    if let Some(name) = name {
        let (status, decision, reason) = verdict(how);
        state.complete(&name, status, at, |completed| decide(completed, decision, reason));
    }
    if let Some(mut form) = forms(state, FORMS).remove(ask.as_str()) {
        let answered = matches!(how, Settled::Answered(answer) if *answer != Answer::Dismiss);
        form["status"] = if answered { "answered" } else { "cancelled" }.into();
        form["completedAt"] = at.into();
        if let Settled::Answered(answer) = how {
            form["answers"] = told_answers(&form, answer);
        }
        forms(state, SETTLED_FORMS).insert(ask.to_string(), form);
    }
    trim(state);
}

/// Makes the state say what is so: what waits is in it, and what does not is given up.
pub(super) fn agree(state: &mut AgentState, waiting: &[Ask], at: Millis) {
    let waits = |id: &str| waiting.iter().any(|ask| ask.id.as_str() == id);
    let known = state.requests.iter().flatten().filter_map(|(_, request)| request.extra.get(ASK)?.as_str());
    let known = known.chain(forms_in(state, FORMS).into_iter().flat_map(Map::keys).map(String::as_str));
    let gone: Vec<AskId> = known.filter(|id| !waits(id)).filter_map(|id| AskId::new(id).ok()).collect();
    for ask in gone {
        settle(state, &ask, &Settled::Unanswered(rejoin_core::ask::Unanswered::Interrupted), at);
    }
    waiting.iter().for_each(|ask| open(state, ask));
    state.controlled_by_user = Some(false);
}

/// Which ask an app means by the name of a request.
pub(super) fn named<'a>(waiting: &'a [Ask], name: &str) -> Option<&'a Ask> {
    let by_id = waiting.iter().find(|ask| ask.id.as_str() == name);
    by_id.or_else(|| waiting.iter().find(|ask| ask.call.as_ref().is_some_and(|call| call.as_str() == name)))
}

/// What an app says to a request.
pub(super) fn permission(ask: &Ask, said: PermissionAnswer) -> Answer {
    match &ask.body {
        AskBody::Permission { intents, .. } if said.approved => {
            use PermissionMode::{AcceptEdits, BypassPermissions, SafeYolo, Yolo};
            let tools = said.allow_tools.unwrap_or_default();
            let wider = said.decision == Some(Decision::ApprovedForSession)
                || !tools.is_empty()
                || matches!(said.mode, Some(AcceptEdits | BypassPermissions | SafeYolo | Yolo));
            let mut targets = intents.iter().flat_map(|intent| &intent.targets);
            let is_shell = targets.any(|target| target.matcher == Matcher::ShellCommand);
            let pattern = is_shell.then(|| tools.iter().find_map(|tool| command(tool))).flatten();
            let scope = if wider { Scope::Session } else { Scope::Once };
            Answer::Allow { scope, pattern, input: said.updated_input, duration_ms: None }
        }
        AskBody::Permission { .. } => Answer::Deny { message: said.reason, scope: Scope::Once, pattern: None },
        AskBody::Confirm { .. } => Answer::Confirm { confirmed: said.approved },
        _ => Answer::Dismiss,
    }
}

/// `Bash(git status)` and `Bash(git:*)`: our patterns of commands are written the same way.
fn command(tool: &str) -> Option<Pattern> {
    let text = tool.strip_prefix("Bash(")?.strip_suffix(')')?;
    (!text.trim().is_empty()).then(|| Pattern::new(Matcher::ShellCommand, text))
}

/// What an app says to a form.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FormAnswer {
    pub(super) id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    answers: BTreeMap<String, Filled>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Filled {
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    custom: Option<String>,
}

/// The answer that a form is. What does not fit the ask is refused by the rules.
pub(super) fn filled(ask: &Ask, said: &FormAnswer) -> Answer {
    if said.status == "cancelled" {
        return Answer::Dismiss;
    }
    let only = said.answers.get(ONLY).cloned().unwrap_or_default();
    match &ask.body {
        AskBody::Single { options } => {
            let value = only.options.first().map(|label| value(options, label));
            Answer::Choose { value: value.or(only.custom).unwrap_or_default() }
        }
        AskBody::Multi { options, .. } => {
            Answer::ChooseMany { values: only.options.iter().map(|label| value(options, label)).collect() }
        }
        AskBody::Text { .. } => Answer::Write { text: only.text() },
        AskBody::Confirm { .. } => {
            Answer::Confirm { confirmed: only.options.first().is_some_and(|label| label == YES) }
        }
        AskBody::Form { questions } => {
            let answered = questions.iter().filter_map(|question| {
                let filled = said.answers.get(&question.key)?;
                Some((question.key.clone(), filled.of(question)))
            });
            Answer::Fill { values: answered.collect() }
        }
        AskBody::Permission { .. } | AskBody::Capability { .. } => Answer::Dismiss,
    }
}

impl Filled {
    fn text(&self) -> String {
        self.custom.clone().unwrap_or_else(|| self.options.join(", "))
    }

    fn of(&self, question: &Question) -> Value {
        let values: Vec<String> = self.options.iter().map(|label| value(&question.options, label)).collect();
        match (question.options.is_empty(), question.multiple) {
            (true, _) => self.text().into(),
            (false, true) => values.into(),
            (false, false) => values.into_iter().next().or_else(|| self.custom.clone()).into(),
        }
    }
}

const YES: &str = "Yes";
const NO: &str = "No";

fn questions(question: &str, body: &AskBody) -> Value {
    let one = |options: &[Choice], multiple: bool| json!([shown(ONLY, question, options, multiple, true)]);
    match body {
        AskBody::Single { options } => one(options, false),
        AskBody::Multi { options, min, .. } => {
            json!([shown(ONLY, question, options, true, min.is_some_and(|min| min > 0))])
        }
        AskBody::Confirm { .. } => {
            let choice = |label: &str| Choice { label: label.into(), value: label.into(), description: None };
            one(&[choice(YES), choice(NO)], false)
        }
        AskBody::Form { questions } => {
            let each = |one: &Question| shown(&one.key, &one.question, &one.options, one.multiple, one.required);
            questions.iter().map(each).collect()
        }
        AskBody::Text { .. } | AskBody::Permission { .. } | AskBody::Capability { .. } => one(&[], false),
    }
}

fn shown(id: &str, question: &str, options: &[Choice], multiple: bool, required: bool) -> Value {
    let option = |choice: &Choice| match &choice.description {
        Some(description) => json!({ "label": choice.label, "description": description }),
        None => json!({ "label": choice.label }),
    };
    let header = if id == ONLY { "Question" } else { id };
    json!({
        "id": id, "header": header, "question": question, "options": options.iter().map(option).collect::<Value>(),
        "multiSelect": multiple, "allowCustom": options.is_empty(), "required": required,
    })
}

/// People choose by what they read.
fn value(options: &[Choice], label: &str) -> String {
    let chosen = options.iter().find(|choice| choice.label == label);
    chosen.map_or(label, |choice| choice.value.as_str()).to_owned()
}

/// An answer in the one shape that apps read: they throw the whole state away for another.
fn told_answers(form: &Value, answer: &Answer) -> Value {
    let plain = |values: &[String]| json!({ ONLY: { "options": values } });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match answer {
        Answer::Choose { value } => plain(std::slice::from_ref(value)),
        Answer::ChooseMany { values } => plain(values),
        Answer::Write { text } => json!({ ONLY: { "options": [], "custom": text } }),
        Answer::Confirm { confirmed } => plain(&[if *confirmed { YES } else { NO }.to_owned()]),
        Answer::Fill { values } => {
            let asked: BTreeSet<&str> = form["form"]["questions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one["id"].as_str())
                .collect();
            let known = values.iter().filter(|(key, _)| asked.contains(key.as_str()));
            let each = known.map(|(key, value)| match value {
                Value::Array(many) => (key.clone(), json!({ "options": many.iter().map(text).collect::<Vec<_>>() })),
                one => (key.clone(), json!({ "options": [], "custom": text(one) })),
            });
            Value::Object(each.collect())
        }
        _ => json!({}),
    }
}

fn verdict(how: &Settled) -> (RequestStatus, Decision, Option<String>) {
    match how {
        Settled::Answered(Answer::Allow { scope: Scope::Once, .. }) => {
            (RequestStatus::Approved, Decision::Approved, None)
        }
        Settled::Answered(Answer::Allow { .. }) => (RequestStatus::Approved, Decision::ApprovedForSession, None),
        Settled::Answered(Answer::Deny { message, .. }) => (RequestStatus::Denied, Decision::Denied, message.clone()),
        Settled::Answered(_) => (RequestStatus::Canceled, Decision::Abort, None),
        Settled::Unanswered(reason) => {
            let reason = serde_json::to_value(reason).ok().and_then(|reason| reason.as_str().map(str::to_owned));
            (RequestStatus::Canceled, Decision::Abort, reason)
        }
    }
}

fn decide(completed: &mut Completed, decision: Decision, reason: Option<String>) {
    if decision == Decision::ApprovedForSession {
        let tools = vec![completed.tool.clone()];
        (completed.allow_tools, completed.allowed_tools) = (Some(tools.clone()), Some(tools));
    }
    (completed.decision, completed.reason) = (Some(decision), reason);
}

fn is_known(state: &AgentState, ask: &AskId) -> bool {
    let waits = state.requests.iter().flatten().any(|(_, request)| is_of(&request.extra, ask));
    let settled = state.completed_requests.iter().flatten().any(|(_, request)| is_of(&request.extra, ask));
    let form = [FORMS, SETTLED_FORMS]
        .iter()
        .any(|part| forms_in(state, part).is_some_and(|forms| forms.contains_key(ask.as_str())));
    waits || settled || form
}

fn is_of(extra: &Extra, ask: &AskId) -> bool {
    extra.get(ASK).and_then(Value::as_str) == Some(ask.as_str())
}

fn forms_in<'a>(state: &'a AgentState, part: &str) -> Option<&'a Extra> {
    state.extra.get(part)?.as_object()
}

fn forms<'a>(state: &'a mut AgentState, part: &str) -> &'a mut Extra {
    let forms = state.extra.entry(part).or_insert_with(|| json!({}));
    if !forms.is_object() {
        *forms = json!({});
    }
    forms.as_object_mut().expect("made one just now")
}

/// Forgets the oldest of what is settled.
fn trim(state: &mut AgentState) {
    if let Some(completed) = &mut state.completed_requests {
        while completed.len() > KEPT {
            let oldest = completed.iter().min_by_key(|(_, one)| one.completed_at).map(|(name, _)| name.clone());
            completed.remove(&oldest.expect("there are some"));
        }
    }
    let settled = forms(state, SETTLED_FORMS);
    while settled.len() > KEPT {
        let oldest = settled.iter().min_by_key(|(_, one)| one["completedAt"].as_u64()).map(|(name, _)| name.clone());
        settled.remove(&oldest.expect("there are some"));
    }
}

#[cfg(test)]
mod tests;
