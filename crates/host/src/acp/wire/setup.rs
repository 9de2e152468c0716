//! What comes before the first prompt: what the agent can do, how to sign in, and its session.

use rejoin_ports::agent::{AgentChoice, AgentOption, AgentSettings};
use serde_json::{Value, json};

use super::{has, take_list, take_text, text};

/// The version of the protocol that we speak.
pub(in crate::acp) const VERSION: u64 = 1;
/// Modes, options, and values of an option that are looked at: more than anybody chooses from.
const MOST_CHOICES: usize = 1_000;

/// What an agent says it is and can do.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::acp) struct Introduction {
    pub(in crate::acp) version: u64,
    pub(in crate::acp) name: Option<String>,
    pub(in crate::acp) release: Option<String>,
    pub(in crate::acp) can: Abilities,
    pub(in crate::acp) sign_ins: Vec<SignIn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::acp) struct Abilities {
    pub(in crate::acp) load: bool,
    pub(in crate::acp) resume: bool,
    pub(in crate::acp) close: bool,
    pub(in crate::acp) list: bool,
    pub(in crate::acp) fork: bool,
    pub(in crate::acp) image: bool,
    pub(in crate::acp) audio: bool,
    pub(in crate::acp) embedded: bool,
    pub(in crate::acp) mcp_http: bool,
    pub(in crate::acp) mcp_sse: bool,
}

/// A way of signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::acp) struct SignIn {
    pub(in crate::acp) id: String,
    pub(in crate::acp) name: String,
    pub(in crate::acp) description: Option<String>,
    /// Variables that it takes, if it says so.
    pub(in crate::acp) variables: Vec<String>,
    /// Somebody has to do it on a terminal.
    pub(in crate::acp) by_hand: bool,
}

pub(in crate::acp) fn initialize() -> Value {
    json!({
        "protocolVersion": VERSION,
        "clientCapabilities": {
            "fs": {"readTextFile": true, "writeTextFile": true},
            "terminal": true,
            "elicitation": {"form": {}},
        },
        "clientInfo": {"name": "rejoin", "title": "Rejoin", "version": env!("CARGO_PKG_VERSION")},
    })
}

impl Introduction {
    pub(in crate::acp) fn read(mut value: Value) -> Introduction {
        let can = &value["agentCapabilities"];
        let (prompt, mcp) = (&can["promptCapabilities"], &can["mcpCapabilities"]);
        let session = &can["sessionCapabilities"];
        let abilities = Abilities {
            load: has(can, "loadSession"),
            resume: has(session, "resume"),
            close: has(session, "close"),
            list: has(session, "list"),
            fork: has(session, "fork"),
            image: has(prompt, "image"),
            audio: has(prompt, "audio"),
            embedded: has(prompt, "embeddedContext"),
            mcp_http: has(mcp, "http"),
            mcp_sse: has(mcp, "sse"),
        };
        let info = &value["agentInfo"];
        let name = text(info, "title").or_else(|| text(info, "name")).map(str::to_owned);
        let release = text(info, "version").map(str::to_owned);
        let version = value["protocolVersion"].as_u64().unwrap_or(0);
        let methods = match value.get_mut("authMethods").map(Value::take) {
            Some(Value::Array(methods)) => methods,
            _ => Vec::new(),
        };
        let sign_ins = methods.into_iter().filter_map(SignIn::read).collect();
        Introduction { version, name, release, can: abilities, sign_ins }
    }
}

impl SignIn {
    fn read(value: Value) -> Option<SignIn> {
        let mut from = super::members(value);
        let id = take_text(&mut from, "id")?;
        let kind = take_text(&mut from, "type");
        let variables = take_list(&mut from, "vars").unwrap_or_default();
        let named = |variable: Value| match variable {
            Value::String(name) => Some(name),
            other => text(&other, "name").map(str::to_owned),
        };
        Some(SignIn {
            name: take_text(&mut from, "name").unwrap_or_else(|| id.clone()),
            description: take_text(&mut from, "description"),
            variables: variables.into_iter().filter_map(named).collect(),
            by_hand: kind.as_deref() == Some("terminal"),
            id,
        })
    }
}

/// What a session of the agent can be set to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::acp) struct Settings {
    pub(in crate::acp) modes: Vec<AgentChoice>,
    pub(in crate::acp) mode: Option<String>,
    pub(in crate::acp) options: Vec<AgentOption>,
    /// Models, from agents that offer them apart from their options.
    pub(in crate::acp) models: Vec<String>,
    pub(in crate::acp) model: Option<String>,
}

impl Settings {
    /// From the answer to whatever opened the session.
    pub(in crate::acp) fn read(value: &Value) -> Settings {
        let (modes, models) = (&value["modes"], &value["models"]);
        let model = |model: &Value| Some(text(model, "modelId")?.to_owned());
        Settings {
            modes: list(modes, "availableModes").iter().filter_map(|mode| choice(mode, "id")).collect(),
            mode: text(modes, "currentModeId").map(str::to_owned),
            options: options(&value["configOptions"]),
            models: list(models, "availableModels").iter().filter_map(model).collect(),
            model: text(models, "currentModelId").map(str::to_owned),
        }
    }

    pub(in crate::acp) fn has_mode(&self, id: &str) -> bool {
        self.modes.iter().any(|mode| mode.id == id)
    }

    /// As everybody may know them.
    pub(in crate::acp) fn told(&self) -> AgentSettings {
        AgentSettings { mode: self.mode.clone(), modes: self.modes.clone(), options: self.options.clone() }
    }
}

pub(in crate::acp) fn ids(choices: &[AgentChoice]) -> Vec<String> {
    choices.iter().map(|choice| choice.id.clone()).collect()
}

/// A list of options, as agents give them.
pub(in crate::acp) fn options(value: &Value) -> Vec<AgentOption> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().take(MOST_CHOICES).filter_map(option).collect()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let all = value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    &all[..all.len().min(MOST_CHOICES)]
}

fn choice(value: &Value, id: &str) -> Option<AgentChoice> {
    let id = text(value, id)?.to_owned();
    let name = text(value, "name").map_or_else(|| id.clone(), str::to_owned);
    Some(AgentChoice { id, name, description: text(value, "description").map(str::to_owned) })
}

fn option(value: &Value) -> Option<AgentOption> {
    let current = match value.get("currentValue")? {
        Value::String(text) => text.clone(),
        Value::Bool(on) => on.to_string(),
        _ => return None,
    };
    // Values may be in groups.
    let grouped = list(value, "options").iter().flat_map(|choice| match choice.get("options") {
        Some(Value::Array(inner)) => inner.as_slice(),
        _ => std::slice::from_ref(choice),
    });
    let AgentChoice { id, name, description } = choice(value, "id")?;
    let category = text(value, "category").map(str::to_owned);
    let values = grouped.filter_map(|value| choice(value, "value")).take(MOST_CHOICES).collect();
    Some(AgentOption { id, name, description, category, value: current, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_may_be_told_by_true_or_by_an_object() {
        let told = json!({
            "protocolVersion": 1,
            "agentCapabilities": {
                "loadSession": true,
                "promptCapabilities": {"image": true, "audio": "nonsense"},
                "sessionCapabilities": {"resume": {}, "close": null},
            },
            "authMethods": [
                {"id": "login", "name": "Log in", "description": "in a browser"},
                {"id": "key", "type": "env_var", "vars": [{"name": "A_KEY"}, "B_KEY"]},
                {"name": "no id"},
            ],
            "agentInfo": {"name": "x", "version": "2"},
        });
        let read = Introduction::read(told);
        let can = Abilities { load: true, resume: true, image: true, ..Abilities::default() };
        assert_eq!((read.version, read.can), (1, can));
        assert_eq!((read.name.as_deref(), read.release.as_deref()), (Some("x"), Some("2")));
        assert_eq!(read.sign_ins.len(), 2);
        assert_eq!(read.sign_ins[1].variables, ["A_KEY", "B_KEY"]);
        assert_eq!(Introduction::read(json!("nonsense")), Introduction::default());
    }

    #[test]
    fn settings_are_found_wherever_an_agent_puts_them() {
        let told = json!({
            "modes": {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask"}, {"id": "code"}]},
            "models": {"currentModelId": "m1", "availableModels": [{"modelId": "m1"}, {"modelId": "m2"}]},
            "configOptions": [
                {"id": "model", "category": "model", "type": "select", "currentValue": "a",
                 "options": [{"value": "a"}, {"name": "group", "options": [{"value": "b"}]}]},
                {"id": "web", "type": "boolean", "currentValue": true},
                {"id": "strange", "currentValue": 3},
            ],
        });
        let read = Settings::read(&told);
        assert_eq!((ids(&read.modes), read.mode.as_deref()), (vec!["ask".to_owned(), "code".to_owned()], Some("ask")));
        assert_eq!((read.modes[0].name.as_str(), read.modes[1].name.as_str()), ("Ask", "code"));
        assert_eq!(read.models, ["m1", "m2"]);
        assert_eq!(read.options.len(), 2);
        assert_eq!(ids(&read.options[0].values), ["a", "b"]);
        assert_eq!((read.options[1].value.as_str(), read.options[1].values.len()), ("true", 0));
        assert_eq!(Settings::read(&json!(null)), Settings::default());
    }
}
