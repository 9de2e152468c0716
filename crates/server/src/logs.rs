//! Structured logs on stderr, written by a thread of their own: a terminal that stands still must not stop the gateway.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};

use crate::options::{Bad, LogStyle};

/// Lines that wait to be written. When there are more, they are dropped and counted; whoever logs does not wait.
const WAITING: usize = 4_096;

/// Ends the logs: what waits is written when this is dropped.
pub struct Logs {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

/// Begins to log. Once per process.
pub fn begin(style: LogStyle, filter: &str) -> Result<Logs, Bad> {
    let filter = EnvFilter::try_new(filter).map_err(|error| Bad { option: "log-filter", why: error.to_string() })?;
    let logs = Logs::over(io::stderr());
    let subscriber = fmt().with_env_filter(filter).with_writer(logs.lines.clone());
    let begun = match style {
        LogStyle::Json => tracing::subscriber::set_global_default(
            subscriber.json().flatten_event(true).with_current_span(false).finish(),
        ),
        LogStyle::Pretty => {
            let colour = io::IsTerminal::is_terminal(&io::stderr());
            tracing::subscriber::set_global_default(subscriber.with_ansi(colour).finish())
        }
    };
    if begun.is_err() {
        tracing::debug!("logs have begun before"); // an embedding program has its own
    }
    Ok(logs)
}

impl Logs {
    fn over(out: impl Write + Send + 'static) -> Logs {
        let (sender, receiver) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let lines = Lines { sender, lost: lost.clone() };
        let thread = std::thread::Builder::new().name("logs".to_owned()).spawn(move || write(receiver, &lost, out));
        Logs { lines, thread: thread.ok() }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        // The subscriber keeps its sender for ever, so the end is told.
        let told = self.lines.sender.send(Line::End);
        if let (Ok(()), Some(thread)) = (told, self.thread.take()) {
            let _ = thread.join(); // a panic there has been told already
        }
    }
}

enum Line {
    Text(Vec<u8>),
    End,
}

#[derive(Clone)]
struct Lines {
    sender: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

/// One event on its way.
struct OneLine<'a> {
    lines: &'a Lines,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = OneLine<'a>;
    fn make_writer(&'a self) -> OneLine<'a> {
        OneLine { lines: self, text: Vec::new() }
    }
}

impl Write for OneLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for OneLine<'_> {
    fn drop(&mut self) {
        let text = Line::Text(std::mem::take(&mut self.text));
        if let Err(TrySendError::Full(_)) = self.lines.sender.try_send(text) {
            self.lines.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(lines: Receiver<Line>, lost: &AtomicU64, mut out: impl Write) {
    while let Ok(Line::Text(text)) = lines.recv() {
        // Nobody can be told that logs cannot be written.
        let _ = out.write_all(&text);
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{lost} log lines were dropped: they came faster than they could be written");
        }
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// A terminal that can be held.
    #[derive(Clone, Default)]
    struct Terminal(Arc<(Mutex<Screen>, Condvar)>);

    #[derive(Default)]
    struct Screen {
        held: bool,
        shown: Vec<u8>,
    }

    impl Terminal {
        fn hold(&self, held: bool) {
            self.0.0.lock().unwrap().held = held;
            self.0.1.notify_all();
        }
        fn shows(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().shown.clone()).unwrap()
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut screen = self.0.1.wait_while(self.0.0.lock().unwrap(), |screen| screen.held).unwrap();
            screen.shown.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_stands_still_costs_lines_and_no_time() {
        let terminal = Terminal::default();
        terminal.hold(true);
        let logs = Logs::over(terminal.clone());
        for line in 0..WAITING * 2 {
            writeln!(logs.lines.make_writer(), "line {line}").unwrap();
        }
        terminal.hold(false);
        drop(logs);
        let shown = terminal.shows();
        assert!(shown.starts_with("line 0\n") && shown.contains("log lines were dropped"), "{}", &shown[..100]);
        assert!(shown.lines().count() <= WAITING + 3);
    }

    #[test]
    fn the_last_line_is_written_before_the_end() {
        let terminal = Terminal::default();
        let logs = Logs::over(terminal.clone());
        writeln!(logs.lines.make_writer(), "the end").unwrap();
        drop(logs);
        assert_eq!(terminal.shows(), "the end\n");
    }
}
