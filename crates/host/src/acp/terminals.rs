//! Commands that an agent has us run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use rejoin_machine::cage::Fence;
use rejoin_machine::shell::End;
use rejoin_machine::terminal::{From, Run, SCROLLBACK, Spec, Terminal};
use rejoin_ports::agent::Opening;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::message::{BAD_PARAMS, INTERNAL, NOT_FOUND, RpcError};
use super::wire::text;
use crate::workbench::Workbench;

/// Terminals of one session that are not released. Each may run a command and keeps its output.
const MOST: usize = 32;

/// The terminals of one life of an agent. They end with it.
#[derive(Clone)]
pub(super) struct Terminals {
    bench: Workbench,
    folder: PathBuf,
    env: Vec<(String, String)>,
    open: Arc<Mutex<Open>>,
    /// A terminal that is shown has more to show.
    news: Arc<Notify>,
}

#[derive(Default)]
struct Open {
    terminals: HashMap<String, Terminal>,
    named: u64,
    /// The agent is gone: what it had asked for before is not begun any more.
    over: bool,
}

/// A terminal that a call shows, and how much of it was told.
pub(super) struct Shown {
    terminal: Terminal,
    cursor: u64,
    watcher: tokio::task::AbortHandle,
}

impl Terminals {
    pub(super) fn new(bench: &Workbench, opening: &Opening) -> Terminals {
        Terminals {
            bench: bench.clone(),
            folder: opening.folder.clone(),
            env: opening.config.environment.clone().into_iter().collect(),
            open: Arc::default(),
            news: Arc::default(),
        }
    }

    pub(super) fn create(&self, params: &Value) -> Result<Value, RpcError> {
        let command = text(params, "command").filter(|command| !command.trim().is_empty());
        let command = command.ok_or_else(|| RpcError::new(BAD_PARAMS, "there is no command"))?.to_owned();
        let args: Vec<String> = strings(params.get("args"));
        // Without arguments of its own it is a line for a shell: that is what agents send.
        let run = if args.is_empty() { Run::Script(command) } else { Run::Program { program: command, args } };
        let folder = text(params, "cwd").map_or_else(|| self.folder.clone(), |cwd| self.folder.join(cwd));
        let mut spec = Spec::plain(run, folder);
        spec.env = self.env.clone();
        spec.env.extend(variables(params.get("env")));
        spec.cage = self.bench.cage;
        spec.fence = Fence { workspace: self.folder.clone(), hidden: self.bench.hidden.clone(), ..Fence::default() };
        if let Some(limit) = params.get("outputByteLimit").and_then(Value::as_u64) {
            spec.scrollback = usize::try_from(limit).unwrap_or(SCROLLBACK).clamp(1, SCROLLBACK);
        }
        let mut open = self.lock();
        if open.over {
            return Err(RpcError::new(INTERNAL, "the agent has ended"));
        }
        if open.terminals.len() >= MOST {
            return Err(RpcError::new(INTERNAL, format!("{MOST} terminals are open; release some")));
        }
        let failed = |error: &dyn std::error::Error| match error.source() {
            Some(source) => RpcError::new(INTERNAL, format!("{error}: {source}")),
            None => RpcError::new(INTERNAL, error.to_string()),
        };
        let terminal = Terminal::open(&spec, &self.bench.shell).map_err(|error| failed(&error))?;
        open.named += 1;
        let id = format!("term-{}", open.named);
        open.terminals.insert(id.clone(), terminal);
        Ok(json!({"terminalId": id}))
    }

    pub(super) fn output(&self, params: &Value) -> Result<Value, RpcError> {
        let output = self.find(params)?.output();
        let mut result = json!({"output": output.text(), "truncated": output.truncated});
        if let Some(end) = output.over {
            result["exitStatus"] = status(end);
        }
        Ok(result)
    }

    pub(super) async fn wait(&self, params: &Value) -> Result<Value, RpcError> {
        let terminal = self.find(params)?;
        Ok(status(terminal.wait().await))
    }

    pub(super) fn kill(&self, params: &Value) -> Result<Value, RpcError> {
        self.find(params)?.kill();
        Ok(json!({}))
    }

    pub(super) fn release(&self, params: &Value) -> Result<Value, RpcError> {
        let terminal = self.find(params)?;
        terminal.kill();
        self.lock().terminals.remove(text(params, "terminalId").unwrap_or_default());
        Ok(json!({}))
    }

    /// Begins to show a terminal: from its first byte that is kept.
    pub(super) fn show(&self, id: &str) -> Option<Shown> {
        let terminal = self.lock().terminals.get(id)?.clone();
        let (mut viewer, news) = (terminal.view(From::Scrollback), self.news.clone());
        let watcher = tokio::spawn(async move {
            while viewer.next().await.is_some() {
                news.notify_one();
            }
        });
        Some(Shown { terminal, cursor: 0, watcher: watcher.abort_handle() })
    }

    /// Heard of when something that is shown has more to show.
    pub(super) fn news(&self) -> Arc<Notify> {
        self.news.clone()
    }

    /// Ends all that still run, and begins no more.
    pub(super) fn end(&self) {
        let mut open = self.lock();
        open.over = true;
        for (_, terminal) in open.terminals.drain() {
            terminal.kill();
        }
    }

    fn find(&self, params: &Value) -> Result<Terminal, RpcError> {
        let id = text(params, "terminalId").unwrap_or_default();
        let terminal = self.lock().terminals.get(id).cloned();
        terminal.ok_or_else(|| RpcError::new(NOT_FOUND, format!("there is no terminal {id}")))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("no holder of this lock panics")
    }
}

impl Shown {
    /// What has come since it was last asked. A letter whose end has not come yet waits.
    pub(super) fn more(&mut self) -> String {
        let output = self.terminal.output_since(self.cursor);
        let bytes = &output.bytes[..];
        let whole = match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() && output.over.is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        self.cursor = output.end - (bytes.len() - whole) as u64;
        String::from_utf8_lossy(&bytes[..whole]).into_owned()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

fn status(end: End) -> Value {
    match end {
        End::Exited(code) => json!({"exitCode": code, "signal": null}),
        End::Signalled(signal) => json!({"exitCode": null, "signal": name(signal)}),
    }
}

fn name(signal: i32) -> String {
    let known = [(1, "SIGHUP"), (2, "SIGINT"), (6, "SIGABRT"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM")];
    let found = known.iter().find(|(number, _)| *number == signal);
    found.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

fn variables(value: Option<&Value>) -> Vec<(String, String)> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| Some((text(item, "name")?.to_owned(), text(item, "value")?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rejoin_core::header::Config;
    use rejoin_core::id::{SessionId, TenantId};
    use rejoin_machine::cage::Cage;
    use rejoin_machine::shell::Shell;
    use rejoin_ports::agent::PlainMemory;

    use super::*;
    use crate::acp::check::NoFiles;

    #[tokio::test]
    async fn what_a_gone_agent_had_asked_for_is_not_begun_any_more() {
        let bench = Workbench { shell: Shell::unwatched(), cage: Cage::Off, hidden: Vec::new() };
        let opening = Opening {
            session: SessionId::new("s").unwrap(),
            tenant: TenantId::new("t").unwrap(),
            agent: "acp:x".to_owned(),
            folder: std::env::temp_dir(),
            config: Config::default(),
            model: None,
            files: Arc::new(NoFiles),
            memory: Arc::<PlainMemory>::default(),
            has_past: false,
        };
        let terminals = Terminals::new(&bench, &opening);
        let opened = terminals.create(&json!({"command": "sleep 600"})).unwrap();
        let terminal = terminals.find(&opened).unwrap();
        terminals.end();
        terminal.wait().await;
        assert!(terminals.create(&json!({"command": "sleep 600"})).is_err());
    }
}
