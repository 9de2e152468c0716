//! The real program, as a person at a shell has it: a gateway, and verbs that talk to it.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What is not there after this long will not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway with a data folder of its own.
pub(crate) struct Gateway {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) url: String,
    /// Where Happy's own listener is, of a gateway that has one.
    pub(crate) happy: Option<String>,
    config: Option<PathBuf>,
}

/// What a verb printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Gateway {
    pub(crate) fn start() -> Gateway {
        Gateway::of(None)
    }
    /// One with a configuration file.
    pub(crate) fn configured(config: &Path) -> Gateway {
        Gateway::of(Some(config.to_path_buf()))
    }
    /// One that listens for Happy's clients at an address of their own, too.
    pub(crate) fn for_happy() -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let (child, ready) = serve(&folder, ANY, Some(ANY), None);
        let (url, happy) = (address(&ready, "listen"), address(&ready, "happy"));
        Gateway { folder, child, url, happy: Some(happy), config: None }
    }
    fn of(config: Option<PathBuf>) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let (child, ready) = serve(&folder, ANY, None, config.as_deref());
        Gateway { folder, child, url: address(&ready, "listen"), happy: None, config }
    }
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        let bare = |url: &str| url.strip_prefix("http://").unwrap().to_owned();
        let happy = self.happy.as_deref().map(bare);
        (self.child, _) = serve(&self.folder, &bare(&self.url), happy.as_deref(), self.config.as_deref());
    }
    fn command(&self, words: &[&str]) -> Command {
        let mut command = program(words);
        command.env("REJOIN_URL", &self.url);
        command.env("REJOIN_DATA", self.data());
        command
    }
    /// Runs a verb to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        said(self.command(words).output().unwrap())
    }
    /// Runs a verb that must go well, and gives back what it printed, without the last line's end.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        said.out.trim_end_matches('\n').to_owned()
    }
    /// The same with `--json`: one value for each line.
    pub(crate) fn json(&self, words: &[&str]) -> Vec<Value> {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        lines(&self.ok(&words))
    }
    pub(crate) fn with_input(&self, words: &[&str], input: &str) -> Said {
        let mut child = piped(self.command(words).stdin(Stdio::piped()));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        said(child.wait_with_output().unwrap())
    }
    /// Starts a verb that goes on.
    pub(crate) fn going(&self, words: &[&str]) -> Going {
        Going::of(&mut self.command(words))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ANY: &str = "127.0.0.1:0";

fn address(ready: &Value, of: &str) -> String {
    ready[of].as_str().unwrap().to_owned()
}

fn serve(folder: &tempfile::TempDir, listen: &str, happy: Option<&str>, config: Option<&Path>) -> (Child, Value) {
    let ready = folder.path().join("ready");
    let _ = std::fs::remove_file(&ready);
    let data = folder.path().join("data");
    let mut command = program(&["serve", "--listen", listen, "--log-filter", "warn"]);
    command.arg("--data").arg(data).arg("--ready-file").arg(&ready);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    if let Some(happy) = happy {
        command.arg("--happy-listen").arg(happy);
    }
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            return (child, serde_json::from_str(&text).unwrap());
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the gateway ended at its start: {status}");
        }
        assert!(begun.elapsed() < PATIENCE, "the gateway is not ready");
        std::thread::sleep(Duration::from_millis(2)); // a process cannot wait for another's file
    }
}

/// The program with nothing of our own environment that it would listen to.
pub(crate) fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    for name in ["REJOIN_URL", "REJOIN_KEY", "REJOIN_DATA", "REJOIN_CLIENT"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

fn piped(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Every line as the JSON object that it is.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    let object = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    text.lines().map(object).collect()
}

/// A verb that goes on.
pub(crate) struct Going {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    out: Vec<u8>,
}

impl Going {
    /// Starts a program whose output is read as it comes.
    pub(crate) fn of(command: &mut Command) -> Going {
        let mut child = piped(command.stdin(Stdio::piped()));
        let mut stdout = child.stdout.take().unwrap();
        let (to, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut piece) {
                if to.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Going { child, pieces, out: Vec::new() }
    }
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
    /// Whether it has printed this so far.
    pub(crate) fn has(&mut self, text: &str) -> bool {
        while let Ok(piece) = self.pieces.try_recv() {
            self.out.extend_from_slice(&piece);
        }
        self.shown().contains(text)
    }
    /// Reads on until it has printed this.
    pub(crate) fn until(&mut self, text: &str) {
        self.until_times(text, 1);
    }
    /// Reads on until it has printed this so often.
    pub(crate) fn until_times(&mut self, text: &str, times: usize) {
        while self.shown().matches(text).count() < times {
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.out.extend_from_slice(&piece),
                Err(_) => panic!("`{text}` does not come: {}", self.shown()),
            }
        }
    }
    pub(crate) fn types(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }
    /// Everything it has printed, once it has printed something more.
    pub(crate) fn more(&mut self) -> String {
        match self.pieces.recv_timeout(PATIENCE) {
            Ok(piece) => self.out.extend_from_slice(&piece),
            Err(_) => panic!("nothing more comes behind: {}", self.shown()),
        }
        self.shown()
    }
    /// Waits for its end.
    pub(crate) fn end(self) -> Said {
        self.end_within(PATIENCE)
    }
    /// Waits for its end, and so long for every word until then.
    pub(crate) fn end_within(mut self, patience: Duration) -> Said {
        drop(self.child.stdin.take());
        while let Ok(piece) = self.pieces.recv_timeout(patience) {
            self.out.extend_from_slice(&piece);
        }
        let mut err = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut err).unwrap();
        Said {
            out: String::from_utf8(std::mem::take(&mut self.out)).unwrap(),
            err,
            code: self.child.wait().unwrap().code().unwrap_or(-1),
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose environment has a word, oldest first.
pub(crate) fn processes_of(word: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |id: &u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(word)
    };
    let mut found: Vec<u32> = ids.filter(has).collect();
    found.sort_unstable();
    found
}
