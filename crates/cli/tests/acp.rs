//! The real program as an agent of an editor: it is talked to in lines of JSON-RPC.

mod shared;

use std::collections::VecDeque;

use serde_json::{Value, json};
use shared::{Gateway, Going};

struct Editor {
    agent: Going,
    heard: VecDeque<Value>,
    read: usize,
    asked: u64,
}

impl Editor {
    fn open(gateway: &Gateway) -> Editor {
        Editor::with(gateway, "script", json!({}))
    }

    fn with(gateway: &Gateway, agent: &str, capabilities: Value) -> Editor {
        let agent = gateway.going(&["acp", "--agent", agent]);
        let mut editor = Editor { agent, heard: VecDeque::new(), read: 0, asked: 0 };
        let (_, said) = editor.ask("initialize", json!({ "protocolVersion": 1, "clientCapabilities": capabilities }));
        assert_eq!(said["result"]["protocolVersion"], 1);
        assert_eq!(said["result"]["agentCapabilities"]["loadSession"], true);
        editor
    }

    fn line(&mut self, message: Value) {
        self.agent.types(&message.to_string());
    }

    /// Gives a request without waiting for its answer.
    fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.line(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The next message.
    fn next(&mut self) -> Value {
        while self.heard.is_empty() {
            let text = self.agent.more();
            let whole = text.rfind('\n').map_or(self.read, |end| end + 1).max(self.read);
            self.heard.extend(text[self.read..whole].lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            self.read = whole;
        }
        self.heard.pop_front().unwrap()
    }

    /// What is told until the answer comes, and the answer. Permissions are given: the first option of each. Forms are
    /// filled in: with the first of what can be chosen, and `blue`.
    fn answer_to(&mut self, id: u64) -> (Vec<Value>, Value) {
        let mut updates = Vec::new();
        loop {
            let said = self.next();
            match said["method"].as_str() {
                Some("session/update") => updates.push(said["params"]["update"].clone()),
                Some("session/request_permission") => {
                    let chosen = json!({ "outcome": { "outcome": "selected", "optionId": said["params"]["options"][0]["optionId"] } });
                    self.line(json!({ "jsonrpc": "2.0", "id": said["id"], "result": chosen }));
                }
                Some("elicitation/create") => {
                    let properties = said["params"]["requestedSchema"]["properties"].as_object().unwrap();
                    let value = |field: &Value| match field["type"].as_str() {
                        Some("array") => json!([field["items"]["anyOf"][0]["const"]]),
                        _ if field["oneOf"].is_array() => field["oneOf"][0]["const"].clone(),
                        _ => json!("blue"),
                    };
                    let content: serde_json::Map<String, Value> =
                        properties.iter().map(|(name, field)| (name.clone(), value(field))).collect();
                    let result = json!({ "action": "accept", "content": content });
                    self.line(json!({ "jsonrpc": "2.0", "id": said["id"], "result": result }));
                }
                Some("$/cancel_request") => {} // somebody else has answered
                Some(other) => panic!("nobody asked for {other}"),
                None if said["id"] == id => return (updates, said),
                None => panic!("an answer to something else: {said}"),
            }
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> (Vec<Value>, Value) {
        let id = self.begin(method, params);
        self.answer_to(id)
    }

    fn new_session(&mut self, cwd: &str) -> (String, Value) {
        let (_, made) = self.ask("session/new", json!({ "cwd": cwd, "mcpServers": [] }));
        let session = made["result"]["sessionId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        (session, made["result"].clone())
    }

    fn prompt(&mut self, session: &str, text: &str) -> (Vec<Value>, Value) {
        self.ask("session/prompt", json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] }))
    }
}

fn kinds(updates: &[Value]) -> Vec<&str> {
    updates.iter().map(|update| update["sessionUpdate"].as_str().unwrap()).collect()
}

fn text(updates: &[Value], kind: &str) -> String {
    let of_kind = updates.iter().filter(|update| update["sessionUpdate"] == kind);
    of_kind.map(|update| update["content"]["text"].as_str().unwrap()).collect()
}

#[test]
fn an_editor_s_session_lives_in_the_gateway_and_is_found_again_after_a_restart() {
    let mut gateway = Gateway::start();
    let folder = gateway.data().parent().unwrap().join("project");
    std::fs::create_dir(&folder).unwrap();
    let cwd = folder.canonicalize().unwrap();

    let mut editor = Editor::open(&gateway);
    let (_, made) = editor.ask("session/new", json!({ "cwd": cwd, "mcpServers": [] }));
    let session = made["result"]["sessionId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let (updates, ended) = editor.prompt(
        &session,
        "hello\n!think hm\n!tool look {\"at\":1} => seen\n!ask permission shell ls\n!ask confirm sure?\n!plan A | B\n!write a.txt hi",
    );
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    assert_eq!(text(&updates, "agent_message_chunk"), "hello\nallowed once\nyes\n");
    assert_eq!(text(&updates, "agent_thought_chunk"), "hm");
    assert!(kinds(&updates).contains(&"plan"));
    let results: Vec<_> = updates.iter().filter(|update| update["status"] == "completed").collect();
    assert_eq!(results[0]["rawOutput"], "seen");
    assert_eq!(std::fs::read_to_string(cwd.join("a.txt")).unwrap(), "hi", "it works in the editor's folder");
    let (_, failed) = editor.prompt(&session, "!fail broken it broke");
    assert!(failed["error"]["message"].as_str().unwrap().contains("it broke"), "{failed}");

    gateway.kill();
    gateway.start_again();
    let mut again = Editor::open(&gateway);
    let (_, listed) = again.ask("session/list", json!({ "cwd": cwd }));
    assert_eq!(listed["result"]["sessions"][0]["sessionId"], session.as_str(), "{listed}");
    let (updates, loaded) = again.ask("session/load", json!({ "sessionId": session, "cwd": cwd, "mcpServers": [] }));
    assert!(loaded.get("result").is_some(), "{loaded}");
    assert!(text(&updates, "user_message_chunk").starts_with("hello\n!think"));
    assert_eq!(text(&updates, "agent_message_chunk"), "hello\nallowed once\nyes\n");
    let (updates, ended) = again.prompt(&session, "and on");
    assert_eq!(
        (text(&updates, "agent_message_chunk").as_str(), &ended["result"]["stopReason"]),
        ("and on", &json!("end_turn"))
    );
}

#[test]
fn a_turn_that_is_cancelled_says_so_and_what_is_unknown_is_an_error() {
    let gateway = Gateway::start();
    let mut editor = Editor::open(&gateway);
    let (_, made) = editor.ask("session/new", json!({ "cwd": "/tmp", "mcpServers": [] }));
    let session = made["result"]["sessionId"].as_str().unwrap().to_owned();
    let id = editor.begin(
        "session/prompt",
        json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "begun\n!sleep 600000" }] }),
    );
    assert_eq!(editor.next()["params"]["update"]["content"]["text"], "begun\n");
    editor.line(json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } }));
    let (_, ended) = editor.answer_to(id);
    assert_eq!(ended["result"]["stopReason"], "cancelled", "{ended}");

    for (method, params, code) in [
        ("session/dance", json!({}), -32601),
        ("session/new", json!({ "cwd": "relative" }), -32602),
        ("session/load", json!({ "sessionId": "nobody", "cwd": "/tmp" }), -32002),
        ("session/prompt", json!({ "sessionId": "nobody", "prompt": [] }), -32002),
        ("session/prompt", json!({ "sessionId": session, "prompt": [] }), -32602),
    ] {
        let (_, said) = editor.ask(method, params);
        assert_eq!(said["error"]["code"], code, "{method}: {said}");
    }
    editor.agent.types("this is not JSON");
    assert_eq!(editor.next()["error"]["code"], -32700);
}

const QUESTIONS: &str = r#"!ask text Which colour?
!ask multi Which fruit? | apple | berry
!ask form {"questions":[{"key":"size","question":"Size?","options":[{"label":"Small","value":"s"}],"required":true}]}"#;

#[test]
fn questions_are_put_as_forms_to_an_editor_that_has_forms() {
    let gateway = Gateway::start();
    let mut editor = Editor::with(&gateway, "script", json!({ "elicitation": { "form": {} } }));
    let (session, _) = editor.new_session("/tmp");
    let (updates, ended) = editor.prompt(&session, QUESTIONS);
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    let said = text(&updates, "agent_message_chunk");
    assert!(said.starts_with("blue\napple\n") && said.contains("size"), "{said}");
}

#[test]
fn questions_are_answered_by_the_next_prompt_in_an_editor_that_has_no_forms() {
    let gateway = Gateway::start();
    let mut editor = Editor::open(&gateway);
    let (session, _) = editor.new_session("/tmp");
    let mut said = String::new();
    for (prompt, shown) in [
        (QUESTIONS, "**Which colour?**"),
        ("green", "green\n"),
        ("cherry", ""),
        ("2", "berry\n"),
        ("size=small", "size"),
        ("and on", "and on"),
    ] {
        let (updates, ended) = editor.prompt(&session, prompt);
        said = text(&updates, "agent_message_chunk");
        if shown.is_empty() {
            let why = ended["error"]["message"].as_str().unwrap_or_else(|| panic!("{ended}"));
            assert!(why.contains("none of the options"), "{why}");
        } else {
            assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
            assert!(said.contains(shown), "{prompt}: {said}");
        }
    }
    assert_eq!(said, "and on", "it was a prompt again");
}

#[test]
fn an_ask_that_somebody_else_answers_is_taken_away_again() {
    let gateway = Gateway::start();
    let mut editor = Editor::open(&gateway);
    let (session, _) = editor.new_session("/tmp");
    let prompt = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "!ask confirm sure?" }] });
    let id = editor.begin("session/prompt", prompt);
    let asked = editor.next();
    assert_eq!(asked["method"], "session/request_permission", "{asked}");
    let ask = gateway.json(&["answer", &session])[0]["id"].as_str().unwrap().to_owned();
    gateway.ok(&["answer", &session, &ask, "no"]);
    let mut taken_away = false;
    let ended = loop {
        let said = editor.next();
        taken_away |= said["method"] == "$/cancel_request" && said["params"]["requestId"] == asked["id"];
        if said["id"] == id {
            break said;
        }
    };
    assert!(taken_away);
    assert_eq!(ended["result"]["stopReason"], "end_turn");
}

#[test]
fn cancelling_a_prompt_that_waits_for_somebody_elses_turn_leaves_that_turn_alone() {
    let gateway = Gateway::start();
    let mut editor = Editor::open(&gateway);
    let (session, _) = editor.new_session("/tmp");
    let mut other = gateway.going(&["prompt", &session, "theirs\n!waitsteer"]);
    other.until("theirs");
    let prompt = json!({ "sessionId": session, "prompt": [{ "type": "text", "text": "mine" }] });
    let id = editor.begin("session/prompt", prompt);
    editor.line(json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": { "sessionId": session } }));
    let (updates, ended) = editor.answer_to(id);
    assert_eq!(ended["result"]["stopReason"], "cancelled", "{ended}");
    assert!(!text(&updates, "agent_message_chunk").contains("mine"));
    gateway.ok(&["steer", &session, "go on"]);
    other.until("go on");
    assert_eq!(other.end().code, 0, "theirs was not interrupted");
}

#[test]
fn a_fork_knows_what_was_said_and_is_a_session_of_its_own() {
    let gateway = Gateway::start();
    let mut editor = Editor::open(&gateway);
    let (session, _) = editor.new_session("/tmp");
    editor.prompt(&session, "hello");
    let (_, forked) = editor.ask("session/fork", json!({ "sessionId": session, "cwd": "/tmp", "mcpServers": [] }));
    let fork = forked["result"]["sessionId"].as_str().unwrap_or_else(|| panic!("{forked}")).to_owned();
    assert_ne!(fork, session);
    let (updates, _) = editor.ask("session/load", json!({ "sessionId": fork, "cwd": "/tmp", "mcpServers": [] }));
    assert_eq!(text(&updates, "agent_message_chunk"), "hello");
    let (updates, _) = editor.prompt(&fork, "and on");
    assert_eq!(text(&updates, "agent_message_chunk"), "and on");
}

/// An agent with modes and an option, as small as can be.
const MODAL: &str = r#"#!/bin/sh
mode=ask size=small
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  field() { printf '%s' "$line" | sed -n "s/.*\"$1\":\"\([a-z]*\)\".*/\1/p"; }
  say() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' "$1"; }
  result='{}'
  case "$line" in
    *'"initialize"'*) result='{"protocolVersion":1,"agentCapabilities":{}}' ;;
    *'"session/new"'*)
      modes='{"currentModeId":"ask","availableModes":[{"id":"ask","name":"Ask"},{"id":"code","name":"Code"}]}'
      sizes='{"id":"size","name":"Size","type":"select","currentValue":"small","options":[{"value":"small","name":"S"},{"value":"large","name":"L"}]}'
      result="{\"sessionId\":\"s\",\"modes\":$modes,\"configOptions\":[$sizes]}" ;;
    *'"session/set_mode"'*) mode=$(field modeId) ;;
    *'"session/set_config_option"'*) size=$(field value) ;;
    *'"session/prompt"'*)
      case "$line" in *switch*) mode=ask; say '{"sessionUpdate":"current_mode_update","currentModeId":"ask"}' ;; esac
      say "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$mode $size\"}}"
      result='{"stopReason":"end_turn"}' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

#[test]
fn an_editor_shows_and_sets_the_modes_and_options_of_the_agent_behind() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("modal");
    std::fs::write(&program, MODAL).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = home.path().join("rejoin.toml");
    std::fs::write(&config, format!("[agents.modal]\ncommand = {program:?}\n")).unwrap();
    let gateway = Gateway::configured(&config);
    let mut editor = Editor::with(&gateway, "acp:modal", json!({}));
    let (session, made) = editor.new_session(home.path().to_str().unwrap());
    assert_eq!(made["modes"]["currentModeId"], "ask", "{made}");
    assert_eq!(made["modes"]["availableModes"][1], json!({ "id": "code", "name": "Code" }));
    assert_eq!(made["configOptions"][0]["options"][1]["value"], "large");
    let (updates, _) = editor.prompt(&session, "before");
    assert_eq!(text(&updates, "agent_message_chunk"), "ask small");

    let (updates, set) = editor.ask("session/set_mode", json!({ "sessionId": session, "modeId": "code" }));
    assert_eq!(set["result"], json!({}), "{set}");
    assert!(updates.iter().all(|update| update["sessionUpdate"] == "current_mode_update"), "{updates:?}");
    let option = json!({ "sessionId": session, "configId": "size", "value": "large" });
    let (_, set) = editor.ask("session/set_config_option", option);
    assert_eq!(set["result"]["configOptions"][0]["currentValue"], "large", "{set}");
    let (updates, _) = editor.prompt(&session, "behind");
    assert_eq!(text(&updates, "agent_message_chunk"), "code large");
    let (_, refused) = editor.ask("session/set_mode", json!({ "sessionId": session, "modeId": "dance" }));
    assert_eq!(refused["error"]["code"], -32602, "{refused}");

    // The agent chooses by itself, and whoever opens the session anew sees that.
    let (updates, _) = editor.prompt(&session, "switch");
    let told = updates.iter().find(|update| update["sessionUpdate"] == "current_mode_update");
    assert_eq!(told.unwrap_or_else(|| panic!("{updates:?}"))["currentModeId"], "ask");
    let params = json!({ "sessionId": session, "cwd": "/tmp", "mcpServers": [] });
    for method in ["session/load", "session/resume"] {
        let (_, opened) = editor.ask(method, params.clone());
        assert_eq!(opened["result"]["modes"]["currentModeId"], "ask", "{opened}");
        assert_eq!(opened["result"]["configOptions"][0]["currentValue"], "large");
    }
}

/// An agent that writes what opens its session into a file, and answers each prompt with nothing.
const WRITES_DOWN: &str = r#"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) said='{"protocolVersion":1,"agentCapabilities":{"mcpCapabilities":{"http":true}}}' ;;
    *'"session/new"'*) printf '%s\n' "$line" >> "$TOLD"; said='{"sessionId":"s"}' ;;
    *'"session/prompt"'*) said='{"stopReason":"end_turn"}' ;;
    *) said='{}' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$said"
done
"#;

/// Whether a file below the folder has this text in it.
fn anywhere(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return anywhere(&path, text);
        }
        // Files of a database that is in use come and go.
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn secrets_of_an_editor_s_mcp_servers_reach_the_agent_and_are_kept_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let (script, told, config) =
        (folder.path().join("agent.sh"), folder.path().join("told"), folder.path().join("c.toml"));
    std::fs::write(&script, WRITES_DOWN).unwrap();
    let table = format!(
        "[agents.plain]\ncommand = 'sh'\nargs = ['{}']\nenv = {{ TOLD = '{}' }}\n",
        script.display(),
        told.display()
    );
    std::fs::write(&config, table).unwrap();
    let mut gateway = Gateway::configured(&config);
    let mut editor = Editor::with(&gateway, "acp:plain", json!({}));
    let headers = json!([{ "name": "Authorization", "value": "Bearer s3cret-word" }]);
    let server = json!({ "type": "http", "name": "web", "url": "http://127.0.0.1:1/mcp", "headers": headers });
    let (_, made) = editor.ask("session/new", json!({ "cwd": folder.path(), "mcpServers": [server] }));
    let session = made["result"]["sessionId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let (_, ended) = editor.prompt(&session, "hello");
    assert_eq!(ended["result"]["stopReason"], "end_turn", "{ended}");
    let heard = |told: &std::path::Path| std::fs::read_to_string(told).unwrap().matches("Bearer s3cret-word").count();
    let before = heard(&told);
    assert!(before > 0, "the agent is given it");

    assert!(gateway.ok(&["show", &session, "--json"]).contains("Authorization"));
    assert!(!gateway.ok(&["show", &session, "--json"]).contains("s3cret-word"));
    assert!(anywhere(&gateway.data(), "hello"), "this looks into the right files");
    assert!(!anywhere(&gateway.data(), "s3cret-word"));

    gateway.kill();
    gateway.start_again();
    gateway.ok(&["prompt", &session, "again"]);
    assert!(heard(&told) > before, "so it is in the gateway's next life");
    assert!(!anywhere(&gateway.data(), "s3cret-word"));
}
