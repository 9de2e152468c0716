//! An ACP agent that does what the prompt says, line by line. It speaks the protocol from the specification, in plain JSON,
//! and knows nothing of our own code.
//!
//! Arguments: `--load`, `--resume`, `--close`, `--state DIR` (where sessions are kept), `--auth METHOD` (wants to be signed in),
//! `--modes`, `--models`, `--version N`, `--silent` (never answers), `--banner` (talks before it speaks), `--deaf` (ignores that
//! its input ends), `--fleeting` (ends as soon as it has opened a session).

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio, exit};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

#[derive(Default)]
struct Options {
    load: bool,
    resume: bool,
    close: bool,
    state: Option<PathBuf>,
    auth: Option<String>,
    modes: bool,
    models: bool,
    version: Option<u64>,
    silent: bool,
    banner: bool,
    deaf: bool,
    fleeting: bool,
}

struct Agent {
    options: Options,
    /// Who waits for the answer to a request of ours, and what it was.
    waiting: Mutex<HashMap<u64, (String, Sender<Value>)>>,
    asked: Mutex<u64>,
    cancelled: (Mutex<bool>, Condvar),
    signed_in: Mutex<bool>,
    mode: Mutex<String>,
    model: Mutex<String>,
    opened: Mutex<Value>,
}

fn main() {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--load" => options.load = true,
            "--resume" => options.resume = true,
            "--close" => options.close = true,
            "--state" => options.state = args.next().map(PathBuf::from),
            "--auth" => options.auth = args.next(),
            "--modes" => options.modes = true,
            "--models" => options.models = true,
            "--version" => options.version = args.next().and_then(|number| number.parse().ok()),
            "--silent" => options.silent = true,
            "--banner" => options.banner = true,
            "--deaf" => options.deaf = true,
            "--fleeting" => options.fleeting = true,
            _ => exit(64),
        }
    }
    if options.banner {
        println!("Welcome to the scripted agent!");
    }
    let agent = Arc::new(Agent {
        options,
        waiting: Mutex::default(),
        asked: Mutex::default(),
        cancelled: Default::default(),
        signed_in: Mutex::default(),
        mode: Mutex::new("ask".into()),
        model: Mutex::new("small".into()),
        opened: Mutex::default(),
    });
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let message: Value = serde_json::from_str(&line).expect("the client writes JSON");
        agent.hear(message);
    }
    if agent.options.deaf {
        forever();
    }
}

fn forever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(600));
    }
}

fn write(value: &Value) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{value}");
    let _ = out.flush();
}

impl Agent {
    fn hear(self: &Arc<Self>, message: Value) {
        if self.options.silent {
            return;
        }
        let id = message["id"].clone();
        let Some(method) = message["method"].as_str() else {
            if let Some((method, waiting)) = id.as_u64().and_then(|id| self.waiting.lock().unwrap().remove(&id)) {
                self.note(json!({"answers": method, "result": message["result"]}));
                let _ = waiting.send(message);
            }
            return;
        };
        self.note(json!({"method": method, "params": message["params"]}));
        let params = &message["params"];
        if method == "session/prompt" {
            let (agent, params) = (self.clone(), params.clone());
            thread::spawn(move || {
                *agent.cancelled.0.lock().unwrap() = false;
                let answer = match agent.prompt(&params) {
                    Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                    Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
                };
                write(&answer);
            });
            return;
        }
        if method == "session/cancel" {
            *self.cancelled.0.lock().unwrap() = true;
            self.cancelled.1.notify_all();
            return;
        }
        let answer = match self.answer(method, params) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
        };
        write(&answer);
        if method == "session/new" && self.options.fleeting {
            exit(5);
        }
    }

    /// Keeps what was heard, for whoever wants to look at it afterwards.
    fn note(&self, heard: Value) {
        if let Some(dir) = &self.options.state {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(dir.join("heard")).unwrap();
            writeln!(file, "{heard}").unwrap();
        }
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let options = &self.options;
        match method {
            "initialize" => {
                let capability = |has: bool| if has { json!({}) } else { Value::Null };
                let methods = options.auth.iter().map(|id| json!({"id": id, "name": "Sign in"}));
                Ok(json!({
                    "protocolVersion": options.version.unwrap_or(1),
                    "agentInfo": {"name": "scripted", "version": "1.0"},
                    "agentCapabilities": {
                        "loadSession": options.load,
                        "promptCapabilities": {"image": true, "embeddedContext": true},
                        "sessionCapabilities": {"resume": capability(options.resume), "close": capability(options.close)},
                    },
                    "authMethods": methods.collect::<Vec<_>>(),
                    "_heard": params,
                }))
            }
            "authenticate" => {
                *self.signed_in.lock().unwrap() = Some(params["methodId"].as_str().unwrap().to_owned()) == options.auth;
                Ok(json!({}))
            }
            "session/new" | "session/load" | "session/resume"
                if options.auth.is_some() && !*self.signed_in.lock().unwrap() =>
            {
                Err(json!({"code": -32000, "message": "Authentication required"}))
            }
            "session/new" => {
                let id = format!("agent-session-{}", std::process::id());
                *self.opened.lock().unwrap() = params.clone();
                let mut told = self.settings();
                told["sessionId"] = id.into();
                Ok(told)
            }
            "session/load" | "session/resume" => {
                let id = params["sessionId"].as_str().unwrap();
                let kept = options.state.as_ref().and_then(|dir| fs::read_to_string(dir.join(id)).ok());
                let Some(kept) = kept else {
                    return Err(json!({"code": -32002, "message": "no such session"}));
                };
                *self.opened.lock().unwrap() = params.clone();
                if method == "session/load" {
                    for line in kept.lines() {
                        self.update(
                            id,
                            json!({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": line}}),
                        );
                        self.update(id, json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "told again"}}));
                    }
                }
                Ok(self.settings())
            }
            "session/set_mode" => {
                *self.mode.lock().unwrap() = params["modeId"].as_str().unwrap().to_owned();
                Ok(json!({}))
            }
            "session/set_config_option" => {
                *self.model.lock().unwrap() = params["value"].as_str().unwrap().to_owned();
                Ok(json!({}))
            }
            "session/close" => {
                if let Some(dir) = &options.state {
                    fs::write(dir.join("closed"), "").unwrap();
                }
                Ok(json!({}))
            }
            _ => Err(json!({"code": -32601, "message": "Method not found"})),
        }
    }

    fn settings(&self) -> Value {
        let mut told = json!({});
        if self.options.modes {
            let modes = [json!({"id": "ask", "name": "Ask"}), json!({"id": "code", "name": "Code"})];
            told["modes"] = json!({"currentModeId": *self.mode.lock().unwrap(), "availableModes": modes});
        }
        if self.options.models {
            let models = [json!({"value": "small", "name": "S"}), json!({"value": "large", "name": "L"})];
            told["configOptions"] = json!([{
                "id": "the-model", "name": "Model", "category": "model", "type": "select",
                "currentValue": *self.model.lock().unwrap(), "options": models,
            }]);
        }
        told
    }

    fn update(&self, session: &str, update: Value) {
        write(
            &json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": session, "update": update}}),
        );
    }

    fn say(&self, session: &str, text: impl AsRef<str>) {
        let content = json!({"type": "text", "text": text.as_ref()});
        self.update(session, json!({"sessionUpdate": "agent_message_chunk", "content": content}));
    }

    fn ask(&self, method: &str, params: Value) -> Receiver<Value> {
        let (tell, answer) = channel();
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        self.waiting.lock().unwrap().insert(*asked, (method.to_owned(), tell));
        write(&json!({"jsonrpc": "2.0", "id": *asked, "method": method, "params": params}));
        answer
    }

    /// The result, or the error's code and message.
    fn wants(&self, method: &str, params: Value) -> Result<Value, String> {
        let answer = self.ask(method, params).recv().unwrap();
        match answer.get("error") {
            Some(error) => Err(format!("error {} {}", error["code"], error["message"].as_str().unwrap())),
            None => Ok(answer["result"].clone()),
        }
    }

    fn prompt(&self, params: &Value) -> Result<Value, Value> {
        let session = params["sessionId"].as_str().unwrap();
        let blocks = params["prompt"].as_array().unwrap();
        if let Some(dir) = &self.options.state {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(dir.join(session)).unwrap();
            writeln!(file, "a prompt").unwrap();
        }
        let mut result = json!({"stopReason": "end_turn"});
        for block in blocks {
            let Some(text) = block["text"].as_str() else {
                self.say(session, format!("[{}]", block["type"].as_str().unwrap()));
                continue;
            };
            for line in text.lines() {
                let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
                match self.line(session, word, rest, &mut result) {
                    None => {}
                    Some(over) => return over,
                }
            }
        }
        Ok(result)
    }

    fn line(&self, session: &str, word: &str, rest: &str, result: &mut Value) -> Option<Result<Value, Value>> {
        match word {
            "say" => self.say(session, rest),
            "think" => {
                let content = json!({"type": "text", "text": rest});
                self.update(session, json!({"sessionUpdate": "agent_thought_chunk", "content": content}));
            }
            "update" => self.update(session, serde_json::from_str(rest).unwrap()),
            "flood" => {
                for number in 0..rest.parse().unwrap() {
                    self.say(session, format!("tok{number} "));
                }
            }
            "permission" => {
                // permission {"toolCall": ..., "options": [...]}
                let mut params: Value = serde_json::from_str(rest).unwrap();
                params["sessionId"] = session.into();
                let outcome = self.wants("session/request_permission", params).unwrap();
                let outcome = &outcome["outcome"];
                let said = outcome["optionId"].as_str().or(outcome["outcome"].as_str()).unwrap();
                self.say(session, format!("{said}\n"));
            }
            "form" => {
                let schema: Value = serde_json::from_str(rest).unwrap();
                let params =
                    json!({"mode": "form", "sessionId": session, "message": "Well?", "requestedSchema": schema});
                match self.wants("elicitation/create", params) {
                    Ok(told) => self.say(session, format!("{told}\n")),
                    Err(error) => self.say(session, format!("{error}\n")),
                }
            }
            "read" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let number = |at: usize| words.get(at).map(|word| word.parse::<u32>().unwrap());
                let params =
                    json!({"sessionId": session, "path": self.path(words[0]), "line": number(1), "limit": number(2)});
                match self.wants("fs/read_text_file", params) {
                    Ok(told) => self.say(session, told["content"].as_str().unwrap()),
                    Err(error) => self.say(session, error),
                }
            }
            "write" => {
                let (path, content) = rest.split_once(' ').unwrap();
                let params = json!({"sessionId": session, "path": self.path(path), "content": content});
                match self.wants("fs/write_text_file", params) {
                    Ok(_) => self.say(session, "written\n"),
                    Err(error) => self.say(session, error),
                }
            }
            "directly" => {
                let (path, content) = rest.split_once(' ').unwrap();
                fs::write(path, content).unwrap();
            }
            "run" => self.run(session, rest),
            "terminal" => {
                let told = self.wants("terminal/create", json!({"sessionId": session, "command": rest}));
                self.say(session, told.map_or_else(|error| error, |told| told["terminalId"].to_string()));
            }
            "method" => {
                let error = self.wants(rest, json!({})).unwrap_err();
                self.say(session, error);
            }
            "sleep" => thread::sleep(Duration::from_millis(rest.parse().unwrap())),
            "usage" => *result = serde_json::from_str(rest).unwrap(),
            "stop" => result["stopReason"] = rest.into(),
            "error" => {
                return Some(Err(json!({"code": -32603, "message": "Internal error", "data": {"details": rest}})));
            }
            "waitcancel" => {
                let (flag, bell) = &self.cancelled;
                let _cancelled = bell.wait_while(flag.lock().unwrap(), |cancelled| !*cancelled).unwrap();
                return Some(Ok(json!({"stopReason": "cancelled"})));
            }
            "hang" => forever(),
            "complain" => eprintln!("{rest}"),
            "crash" => exit(rest.parse().unwrap()),
            "noise" => println!("{rest}"),
            "broken" => println!("{{\"jsonrpc\": "),
            "huge" => {
                let size: usize = rest.parse().unwrap();
                let mut out = io::stdout().lock();
                let block = vec![b'x'; 1 << 16];
                for _ in 0..size / block.len() + 1 {
                    if out.write_all(&block).is_err() {
                        exit(1);
                    }
                }
                let _ = out.write_all(b"\n");
            }
            "env" => self.say(session, std::env::var(rest).unwrap_or_else(|_| "unset".into())),
            "cwd" => self.say(session, std::env::current_dir().unwrap().to_str().unwrap()),
            "opened" => self.say(session, self.opened.lock().unwrap().to_string()),
            "mode" => self.say(session, &*self.mode.lock().unwrap()),
            "model" => self.say(session, &*self.model.lock().unwrap()),
            "session" => self.say(session, session),
            "pid" => self.say(session, std::process::id().to_string()),
            "grandchild" => {
                // In our group, or in a session of its own; either way it outlives us if nobody sees to it.
                let mut command = match rest {
                    "apart" => Command::new("setsid"),
                    _ => Command::new("env"),
                };
                command.args(["sleep", "600"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                let child = command.spawn().unwrap();
                self.say(session, child.id().to_string());
                std::mem::forget(child); // nobody waits for it, which is the point
            }
            other => self.say(session, format!("no word {other}")),
        }
        None
    }

    fn path(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        std::env::current_dir().unwrap().join(path).to_str().unwrap().to_owned()
    }

    /// A command in a terminal of the client's, shown by a tool call.
    fn run(&self, session: &str, command: &str) {
        let created =
            self.wants("terminal/create", json!({"sessionId": session, "command": command, "outputByteLimit": 1000}));
        let terminal = created.unwrap()["terminalId"].clone();
        let content = json!([{"type": "terminal", "terminalId": terminal}]);
        let call = |fields: Value| {
            let mut update = json!({"sessionUpdate": "tool_call_update", "toolCallId": terminal});
            for (name, value) in fields.as_object().unwrap() {
                update[name] = value.clone();
            }
            self.update(session, update);
        };
        call(json!({"title": command, "kind": "execute", "status": "in_progress", "content": content}));
        let params = json!({"sessionId": session, "terminalId": terminal});
        let ended = self.wants("terminal/wait_for_exit", params.clone()).unwrap();
        let output = self.wants("terminal/output", params.clone()).unwrap();
        self.wants("terminal/release", params).unwrap();
        call(json!({"status": "completed", "rawOutput": {"ended": ended, "output": output}}));
    }
}
