//! MCP servers, as a session's configuration names them: a list in the protocol's form, or the map from names that most
//! programs use.

use serde_json::{Map, Value, json};

use super::wire::setup::Abilities;
use super::wire::{members, take_list, take_text};

/// Where they stand in a configuration.
pub const MEMBER: &str = "mcpServers";

/// Shows each value of a header or a variable: what it is for, and the value. What it is for names the server's address or
/// command, and the header or variable, so that a value sealed for one is not opened for another.
pub fn each_secret<E>(
    configured: &mut Value,
    mut show: impl FnMut(&str, &mut String) -> Result<(), E>,
) -> Result<(), E> {
    let servers: Vec<&mut Value> = match configured {
        Value::Array(servers) => servers.iter_mut().collect(),
        Value::Object(named) => named.values_mut().collect(),
        _ => return Ok(()),
    };
    for server in servers {
        let reached = json!([server.get("url"), server.get("command"), server.get("args")]).to_string();
        for member in ["headers", "env"] {
            let mut show = |name: &str, value: &mut String| show(&format!("{reached}\n{member}\n{name}"), value);
            match server.get_mut(member) {
                Some(Value::Object(given)) => {
                    for (name, value) in given {
                        if let Value::String(value) = value {
                            show(name, value)?;
                        }
                    }
                }
                Some(Value::Array(pairs)) => {
                    for pair in pairs {
                        let name = pair.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                        if let Some(Value::String(value)) = pair.get_mut("value") {
                            show(&name, value)?;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The servers in the protocol's form. The error names what is wrong.
pub(super) fn in_form(configured: Option<&Value>, can: Abilities) -> Result<Vec<Value>, String> {
    let servers = match configured {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(servers)) => servers.clone(),
        Some(Value::Object(named)) => {
            let named = named.iter().map(|(name, server)| {
                let mut server = members(server.clone());
                server.insert("name".into(), name.as_str().into());
                Value::Object(server)
            });
            named.collect()
        }
        Some(_) => return Err("mcpServers is neither a list nor an object".to_owned()),
    };
    servers.into_iter().map(|server| one(members(server), can)).collect()
}

fn one(mut from: Map<String, Value>, can: Abilities) -> Result<Value, String> {
    let name = take_text(&mut from, "name").ok_or("an MCP server has no name")?;
    let kind = take_text(&mut from, "type");
    if let Some(url) = take_text(&mut from, "url") {
        let kind = kind.unwrap_or_else(|| "http".to_owned());
        let (known, able) = match kind.as_str() {
            "sse" => (true, can.mcp_sse),
            "http" | "streamable-http" => (true, can.mcp_http),
            _ => (false, false),
        };
        if !known || !able {
            return Err(format!("the agent takes no MCP servers over {kind}, such as {name}"));
        }
        let kind = if kind == "sse" { "sse" } else { "http" };
        return Ok(json!({"type": kind, "name": name, "url": url, "headers": pairs(from.remove("headers"))}));
    }
    let command = take_text(&mut from, "command").ok_or_else(|| format!("MCP server {name} has no command"))?;
    let args = take_list(&mut from, "args").unwrap_or_default();
    Ok(json!({"name": name, "command": command, "args": args, "env": pairs(from.remove("env"))}))
}

/// `{"A": "b"}` as `[{"name": "A", "value": "b"}]`; what is a list already stays as it is.
fn pairs(value: Option<Value>) -> Value {
    match value {
        Some(Value::Object(members)) => {
            members.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
        }
        Some(list @ Value::Array(_)) => list,
        _ => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [Value; 2] {
        let map =
            json!({"files": {"command": "mcp-files", "args": ["."], "env": {"A": "b"}}, "web": {"url": "http://w"}});
        let list = json!([
            {"name": "files", "command": "mcp-files", "args": ["."], "env": [{"name": "A", "value": "b"}]},
            {"type": "http", "name": "web", "url": "http://w", "headers": []},
        ]);
        [map, list]
    }

    #[test]
    fn they_may_be_named_either_way() {
        let can = Abilities { mcp_http: true, ..Abilities::default() };
        let [map, list] = both();
        assert_eq!(Value::Array(in_form(Some(&map), can).unwrap()), list);
        assert_eq!(Value::Array(in_form(Some(&list), can).unwrap()), list);
        assert!(in_form(Some(&map), Abilities::default()).unwrap_err().contains("web"));
        assert!(in_form(Some(&json!(["x"])), can).is_err() && in_form(Some(&json!(1)), can).is_err());
        assert_eq!(in_form(None, can), Ok(Vec::new()));
    }

    #[test]
    fn their_secrets_are_shown_with_what_they_are_for_however_they_are_written() {
        let shown = both().map(|mut servers| {
            let mut shown = Vec::new();
            let each = each_secret(&mut servers, |purpose, value| {
                shown.push((purpose.to_owned(), std::mem::replace(value, "changed".to_owned())));
                Ok::<_, ()>(())
            });
            assert_eq!(each, Ok(()));
            assert!(servers.to_string().contains("changed"));
            shown
        });
        assert_eq!(shown[0], shown[1]);
        assert_eq!(shown[0], [("[null,\"mcp-files\",[\".\"]]\nenv\nA".to_owned(), "b".to_owned())]);
    }
}
