//! Lines that a person types.

use std::io::{BufRead, IsTerminal};

use tokio::sync::mpsc;

/// Lines read ahead. A person types slower; a pipe waits.
const AHEAD: usize = 16;
/// The longest line: a prompt may be as long.
const LONGEST: u64 = 4 << 20;

/// Lines of standard input, or nothing at all.
pub(super) struct Lines {
    lines: Option<mpsc::Receiver<String>>,
    terminal: bool,
}

impl Lines {
    /// Reads where there is a terminal on both sides, or where it is asked for.
    pub(super) fn open(asked_for: bool, out_is_terminal: bool) -> Lines {
        let terminal = std::io::stdin().is_terminal();
        let wanted = asked_for || (terminal && out_is_terminal);
        Lines { lines: wanted.then(read), terminal }
    }
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }
    /// Whether lines may come that nobody sits there to type.
    pub(super) fn has_more(&self) -> bool {
        self.lines.is_some() && !self.terminal
    }
    /// The next line; `None` once, when there are no more. Waits for ever where nothing is read.
    pub(super) async fn next(&mut self) -> Option<String> {
        let Some(lines) = &mut self.lines else {
            return std::future::pending().await;
        };
        let line = lines.recv().await;
        if line.is_none() {
            self.lines = None;
        }
        line
    }
}

/// Standard input blocks whoever reads it, so a thread of its own does. It ends with the process.
fn read() -> mpsc::Receiver<String> {
    let (to, lines) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = std::io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return;
            }
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if to.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
