//! What the agent behind a session can be set to, as editors show it: modes, and options.

use rejoin_sdk::View;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::header::{Config, Model};
use rejoin_sdk::types::part::PartBody;
use rejoin_sdk::types::{AgentOption, AgentSettings};
use serde_json::{Map, Value, json};

/// Adds modes and options to the answer that opens a session. What there is none of is left out.
pub(super) fn tell(settings: &AgentSettings, view: &View, told: &mut Value) {
    if !settings.modes.is_empty() {
        let current = current_mode(settings, view).unwrap_or_else(|| settings.modes[0].id.clone());
        told["modes"] = json!({ "currentModeId": current, "availableModes": settings.modes });
    }
    if !settings.options.is_empty() {
        let mode = current_mode(settings, view);
        told["configOptions"] = options(settings, &view.config, view.session.model.as_ref(), mode.as_deref());
    }
}

fn current_mode(settings: &AgentSettings, view: &View) -> Option<String> {
    let current = last_mode(view).or_else(|| mode(&view.config)).or_else(|| settings.mode.clone());
    current.filter(|mode| settings.modes.iter().any(|known| known.id == *mode))
}

/// The mode that a session is configured for.
pub(super) fn mode(config: &Config) -> Option<String> {
    Some(config.extra.get("acp")?.get("mode")?.as_str()?.to_owned())
}

/// The mode that the agent has told of last.
fn last_mode(view: &View) -> Option<String> {
    let parts = view.recent.iter().rev().flat_map(|whole| whole.parts.iter().rev());
    parts.into_iter().find_map(|part| match &part.body {
        PartBody::Raw { source, value } if source == "acp.mode" => Some(value.get("mode")?.as_str()?.to_owned()),
        _ => None,
    })
}

fn options(settings: &AgentSettings, config: &Config, model: Option<&Model>, mode: Option<&str>) -> Value {
    let set = config.extra.get("acp").and_then(|own| own.get("options"));
    let option = |option: &AgentOption| {
        let chosen = set.and_then(|set| set.get(&option.id)).map(text);
        // Some agents offer their modes as an option besides.
        let chosen = mode.filter(|_| is_mode(option)).map(str::to_owned).or(chosen);
        let chosen = chosen.or_else(|| model.filter(|_| is_model(option)).map(|model| model.model.clone()));
        let value = chosen.unwrap_or_else(|| option.value.clone());
        let mut told = json!({ "id": option.id, "name": option.name });
        if let Some(description) = &option.description {
            told["description"] = description.as_str().into();
        }
        if let Some(category) = &option.category {
            told["category"] = category.as_str().into();
        }
        if option.values.is_empty() {
            told["type"] = "boolean".into();
            told["currentValue"] = (value == "true").into();
        } else {
            let choices: Vec<Value> = option
                .values
                .iter()
                .map(|choice| {
                    let mut told = json!({ "value": choice.id, "name": choice.name });
                    if let Some(description) = &choice.description {
                        told["description"] = description.as_str().into();
                    }
                    told
                })
                .collect();
            told["type"] = "select".into();
            told["currentValue"] = value.into();
            told["options"] = choices.into();
        }
        told
    };
    settings.options.iter().map(option).collect()
}

fn is_model(option: &AgentOption) -> bool {
    option.category.as_deref() == Some("model")
}

fn is_mode(option: &AgentOption) -> bool {
    option.category.as_deref() == Some("mode")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What sets the mode; or says which modes there are.
pub(super) fn set_mode(settings: &AgentSettings, config: &Config, mode: &str) -> Result<Command, String> {
    if !settings.modes.iter().any(|known| known.id == mode) {
        let known: Vec<&str> = settings.modes.iter().map(|mode| mode.id.as_str()).collect();
        return Err(format!("the agent has no mode `{mode}`; it has {}", listed(&known)));
    }
    Ok(configured(config, |own| drop(own.insert("mode".to_owned(), mode.into()))))
}

/// What sets an option; or says why it cannot be set so.
pub(super) fn set_option(
    settings: &AgentSettings,
    config: &Config,
    id: &str,
    value: &Value,
) -> Result<Command, String> {
    let option = settings.options.iter().find(|option| option.id == id);
    let option = option.ok_or_else(|| format!("the agent has no option `{id}`"))?;
    let value = text(value);
    let known: Vec<&str> = match option.values[..] {
        [] => vec!["true", "false"],
        _ => option.values.iter().map(|choice| choice.id.as_str()).collect(),
    };
    if !known.contains(&value.as_str()) {
        return Err(format!("`{id}` cannot be `{value}`; it can be {}", listed(&known)));
    }
    if is_mode(option) && settings.modes.iter().any(|mode| mode.id == value) {
        return set_mode(settings, config, &value);
    }
    if is_model(option) {
        return Ok(Command::SetModel { model: value, provider: None, variant: None });
    }
    Ok(configured(config, |own| {
        let options = own.entry("options").or_insert_with(|| json!({}));
        if !options.is_object() {
            *options = json!({});
        }
        options[id] = value.into();
    }))
}

fn configured(config: &Config, change: impl FnOnce(&mut Map<String, Value>)) -> Command {
    let mut config = Box::new(config.clone());
    let mut own = match config.extra.remove("acp") {
        Some(Value::Object(own)) => own,
        _ => Map::new(),
    };
    change(&mut own);
    config.extra.insert("acp".to_owned(), own.into());
    Command::Configure { config }
}

fn listed(known: &[&str]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use rejoin_sdk::types::AgentChoice;

    use super::*;

    fn choice(id: &str) -> AgentChoice {
        AgentChoice { id: id.into(), name: id.to_uppercase(), description: None }
    }

    fn settings() -> AgentSettings {
        let option = |id: &str, category: Option<&str>, value: &str, values: &[&str]| AgentOption {
            id: id.into(),
            name: id.into(),
            category: category.map(str::to_owned),
            value: value.into(),
            values: values.iter().map(|value| choice(value)).collect(),
            ..AgentOption::default()
        };
        AgentSettings {
            mode: Some("ask".into()),
            modes: vec![choice("ask"), choice("code")],
            options: vec![option("m", Some("model"), "s", &["s", "l"]), option("web", None, "true", &[])],
        }
    }

    #[test]
    fn what_is_set_is_shown_and_what_is_not_there_cannot_be_set() {
        let (settings, config) = (settings(), Config::default());
        let Ok(Command::Configure { config }) = set_mode(&settings, &config, "code") else { panic!() };
        assert_eq!(mode(&config).as_deref(), Some("code"));
        assert!(set_mode(&settings, &config, "dance").unwrap_err().contains("ask, code"));
        let set = set_option(&settings, &config, "web", &json!(false));
        let Ok(Command::Configure { config }) = set else { panic!("{set:?}") };
        assert_eq!(mode(&config).as_deref(), Some("code"), "one does not undo the other");
        let model = Model { model: "l".into(), provider: None, variant: None };
        let shown = options(&settings, &config, Some(&model), None);
        assert_eq!((&shown[0]["currentValue"], &shown[1]["currentValue"]), (&json!("l"), &json!(false)));
        assert_eq!(shown[0]["options"][1], json!({ "value": "l", "name": "L" }));
        assert!(matches!(set_option(&settings, &config, "m", &json!("l")), Ok(Command::SetModel { .. })));
        for (id, value) in [("m", json!("huge")), ("web", json!("maybe")), ("x", json!("y"))] {
            assert!(set_option(&settings, &config, id, &value).is_err(), "{id}");
        }
    }
}
