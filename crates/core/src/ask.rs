//! Asks: what an agent wants to know before it goes on, and the one answer that wins.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::grant::Scope;
use crate::id::{AskId, CallId, SessionId, TurnId};
use crate::pattern::Pattern;
use crate::position::Millis;
use crate::value::is_too_deep;

/// How many may be open in one session, those of its children included.
pub const MOST_ASKS: usize = 64;
/// The longest answer.
pub const LONGEST_ANSWER: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    pub id: AskId,
    pub turn: TurnId,
    /// The tool call that waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The child session that asks, when this is the root's copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SessionId>,
    pub question: String,
    #[serde(flatten)]
    pub body: AskBody,
    pub authority: Authority,
    /// What a client must be able to do to answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    pub opened_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Millis>,
    /// The agent's own mark of where it goes on; an ask without one cannot outlive its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<String>,
}

/// Who may answer: clients that speak of control are bound by `Controller`, others act as their role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Authority {
    #[default]
    Controller,
    /// Whoever has the capabilities; the first answer wins.
    Anyone,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AskBody {
    Permission {
        tool: String,
        #[serde(default)]
        input: Value,
        intents: Vec<Intent>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        risk: Option<String>,
    },
    Single {
        options: Vec<Choice>,
    },
    Multi {
        options: Vec<Choice>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    Text {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<String>,
    },
    Confirm {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<bool>,
    },
    Form {
        questions: Vec<Question>,
    },
    Capability {
        capability: String,
        #[serde(default)]
        input: Value,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub label: String,
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One question of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub key: String,
    pub question: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Choice>,
    #[serde(default)]
    pub multiple: bool,
    #[serde(default)]
    pub required: bool,
}

/// One thing that a tool wants to do, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    pub resource: String,
    pub action: String,
    pub targets: Vec<Pattern>,
    /// The scopes in which a yes may be remembered.
    pub scopes: Vec<Scope>,
}

/// What somebody says to an ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    Allow {
        #[serde(default = "once")]
        scope: Scope,
        /// Remember this instead of the targets themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<Pattern>,
        /// Run the tool with this input instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// How long a remembered yes holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    Deny {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Remember the no.
        #[serde(default = "once")]
        scope: Scope,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<Pattern>,
    },
    Choose {
        value: String,
    },
    ChooseMany {
        values: Vec<String>,
    },
    Write {
        text: String,
    },
    Confirm {
        confirmed: bool,
    },
    Fill {
        values: BTreeMap<String, Value>,
    },
    Provide {
        result: Value,
    },
    Dismiss,
}

fn once() -> Scope {
    Scope::Once
}

/// Why an ask was closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unanswered {
    Expired,
    /// The turn that asked is over.
    Interrupted,
    /// The agent that asked is gone and cannot be brought back.
    AgentLost,
    /// The agent itself took it back.
    Withdrawn,
}

/// How an ask ended, as its agent hears it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Settled {
    Answered(Answer),
    Unanswered(Unanswered),
}

impl Answer {
    /// Whether a value in it is deeper than we keep.
    pub fn is_too_deep(&self) -> bool {
        match self {
            Answer::Allow { input: Some(value), .. } | Answer::Provide { result: value } => is_too_deep(value),
            Answer::Fill { values } => values.values().any(is_too_deep),
            _ => false,
        }
    }
}

impl Ask {
    /// Whether this kind of answer fits this kind of ask.
    pub fn fits(&self, answer: &Answer) -> bool {
        let known = |options: &[Choice], value: &str| options.iter().any(|choice| choice.value == value);
        match (&self.body, answer) {
            (_, Answer::Dismiss) => true,
            (AskBody::Permission { .. }, Answer::Allow { .. } | Answer::Deny { .. }) => true,
            (AskBody::Single { options }, Answer::Choose { value }) => known(options, value),
            (AskBody::Multi { options, min, max }, Answer::ChooseMany { values }) => {
                let most = max.map_or(options.len(), |max| max as usize).min(options.len());
                let enough = (min.unwrap_or(0) as usize..=most).contains(&values.len());
                let distinct = || values.iter().collect::<BTreeSet<_>>().len() == values.len();
                enough && values.iter().all(|value| known(options, value)) && distinct()
            }
            (AskBody::Text { .. }, Answer::Write { .. }) => true,
            (AskBody::Confirm { .. }, Answer::Confirm { .. }) => true,
            (AskBody::Form { questions }, Answer::Fill { values }) => {
                let asked = |key: &String| questions.iter().any(|question| question.key == *key);
                let filled = |key: &String| values.get(key).is_some_and(|value| !value.is_null());
                values.keys().all(asked) && questions.iter().all(|question| !question.required || filled(&question.key))
            }
            (AskBody::Capability { .. }, Answer::Provide { .. }) => true,
            _ => false,
        }
    }
}
