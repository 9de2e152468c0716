//! Lines of JSON-RPC on standard input and output.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// The longest line that is taken: a prompt with images.
const LONGEST_LINE: u64 = 64 << 20;
/// Messages of the editor that wait for us; when it is full, we read no more.
const HEARD: usize = 64;
/// Lines that wait to be written. When it is full, sessions wait: nothing is lost, the log has it.
const TOLD: usize = 1_024;

/// Codes of errors, as JSON-RPC and the protocol have them.
pub(super) mod code {
    pub(in crate::acp) const PARSE: i64 = -32700;
    pub(in crate::acp) const INVALID_REQUEST: i64 = -32600;
    pub(in crate::acp) const NO_METHOD: i64 = -32601;
    pub(in crate::acp) const INVALID_PARAMS: i64 = -32602;
    pub(in crate::acp) const INTERNAL: i64 = -32603;
    pub(in crate::acp) const AUTH_REQUIRED: i64 = -32000;
    pub(in crate::acp) const NOT_FOUND: i64 = -32002;
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failed {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Failed {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Failed {
        Failed { code, message: message.into() }
    }
    fn to_json(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

/// What the editor says, answers to our requests apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Request { id: Value, method: String, params: Value },
    Notification { method: String, params: Value },
}

/// Questions of ours, and where their answers are awaited.
type Asked = HashMap<u64, oneshot::Sender<Result<Value, Value>>>;

/// The editor, as we talk to it.
#[derive(Clone)]
pub(super) struct Editor {
    lines: mpsc::Sender<String>,
    asked: Arc<Mutex<Asked>>,
    next: Arc<AtomicU64>,
    forms: Arc<AtomicBool>,
}

impl Editor {
    /// What it says of itself when it introduces itself.
    pub(super) fn introduced(&self, capabilities: &Value) {
        let forms = &capabilities["elicitation"]["form"];
        self.forms.store(forms.is_object() || *forms == true, Ordering::Relaxed);
    }

    /// Whether it can show forms.
    pub(super) fn has_forms(&self) -> bool {
        self.forms.load(Ordering::Relaxed)
    }

    pub(super) async fn answer(&self, id: Value, outcome: Result<Value, Failed>) {
        let line = match outcome {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(failed) => json!({ "jsonrpc": "2.0", "id": id, "error": failed.to_json() }),
        };
        self.line(line).await;
    }

    pub(super) async fn notify(&self, method: &str, params: Value) {
        self.line(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Asks the editor, and waits for its answer; `None` when it has gone, or says that it cannot.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Option<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.asked.lock().expect("no holder of this lock panics").insert(id, answer);
        let _forgotten = Forgotten { editor: self.clone(), id };
        self.line(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        answered.await.ok()?.ok()
    }

    async fn line(&self, message: Value) {
        let _ = self.lines.send(message.to_string()).await; // an editor that has gone needs none
    }

    fn answered(&self, id: &Value, outcome: Result<Value, Value>) {
        let waiting = id.as_u64().and_then(|id| self.asked.lock().expect("no holder of this lock panics").remove(&id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(outcome);
        }
    }
}

/// A question of ours that nobody waits for any more is forgotten, and taken back if it was not answered.
struct Forgotten {
    editor: Editor,
    id: u64,
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        let unanswered = self.editor.asked.lock().expect("no holder of this lock panics").remove(&self.id).is_some();
        if unanswered {
            let params = json!({ "requestId": self.id });
            let line = json!({ "jsonrpc": "2.0", "method": "$/cancel_request", "params": params });
            let _ = self.editor.lines.try_send(line.to_string()); // a courtesy: a late answer is passed over
        }
    }
}

/// Begins to read and to write, each on a thread: terminals and pipes wait as they like.
pub(super) fn open(trace: Option<&Path>) -> anyhow::Result<(Editor, mpsc::Receiver<Said>)> {
    let trace =
        trace.map(|path| File::create(path).with_context(|| format!("writing {}", path.display()))).transpose()?;
    let trace = Arc::new(Mutex::new(trace));
    let (said, heard) = mpsc::channel(HEARD);
    let (lines, mut to_write) = mpsc::channel::<String>(TOLD);
    let editor = Editor { lines, asked: Arc::default(), next: Arc::new(AtomicU64::new(1)), forms: Arc::default() };
    let traced = trace.clone();
    std::thread::spawn(move || {
        while let Some(line) = to_write.blocking_recv() {
            note(&traced, "<", &line);
            // Locked for a line, so that the program can still say its last word.
            let mut out = std::io::stdout().lock();
            if out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err() {
                return; // nobody listens
            }
        }
    });
    let reader = editor.clone();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(read) if read as u64 == LONGEST_LINE && !line.ends_with(b"\n") => {
                    line.clear();
                    let why = format!("a message has at most {LONGEST_LINE} bytes");
                    let failed = Failed::new(code::INVALID_REQUEST, why).to_json();
                    let told = json!({ "jsonrpc": "2.0", "id": null, "error": failed }).to_string();
                    if skip_line(&mut input).is_err() || reader.lines.blocking_send(told).is_err() {
                        return;
                    }
                    continue;
                }
                Ok(_) => {}
            }
            note(&trace, ">", &String::from_utf8_lossy(&line));
            if !hear(&reader, &said, &line) {
                return;
            }
        }
    });
    Ok((editor, heard))
}

/// Reads on to the end of a line that is not taken.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let block = input.fill_buf()?;
        let end = block.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(block.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

fn note(trace: &Mutex<Option<File>>, direction: &str, line: &str) {
    if let Some(file) = trace.lock().expect("no holder of this lock panics").as_mut() {
        let _ = writeln!(file, "{direction} {}", line.trim_end()); // a trace that cannot be written helps nobody
    }
}

/// Takes one line. Says whether anybody still listens to us.
fn hear(editor: &Editor, said: &mpsc::Sender<Said>, line: &[u8]) -> bool {
    let refuse = |id: Value, code: i64, why: &str| {
        let line = json!({ "jsonrpc": "2.0", "id": id, "error": Failed::new(code, why).to_json() });
        editor.lines.blocking_send(line.to_string()).is_ok()
    };
    if line.iter().all(u8::is_ascii_whitespace) {
        return true;
    }
    let Ok(Value::Object(mut message)) = serde_json::from_slice(line) else {
        return refuse(Value::Null, code::PARSE, "a message is an object of JSON on a line of its own");
    };
    let id = message.remove("id").filter(|id| !id.is_null());
    let method = message.remove("method");
    let params = message.remove("params").unwrap_or(Value::Null);
    match (id, method) {
        (Some(id), Some(Value::String(method))) => said.blocking_send(Said::Request { id, method, params }).is_ok(),
        (None, Some(Value::String(method))) => said.blocking_send(Said::Notification { method, params }).is_ok(),
        (Some(id), None) => {
            let outcome = match message.remove("error") {
                Some(error) => Err(error),
                None => Ok(message.remove("result").unwrap_or(Value::Null)),
            };
            editor.answered(&id, outcome);
            true
        }
        (id, _) => refuse(id.unwrap_or(Value::Null), code::INVALID_REQUEST, "that is neither a request nor an answer"),
    }
}
