//! Standard output: text for people, JSON lines for programs.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;

use crate::render::style::Style;

/// Where results go. Notes for people (a lost connection, say) go to standard error instead.
pub(crate) struct Out {
    to: BufWriter<Stdout>,
    pub(crate) json: bool,
    pub(crate) style: Style,
    pub(crate) terminal: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Out {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Out { to: BufWriter::new(io::stdout()), json, style: Style::new(terminal && !no_color && !dumb), terminal }
    }

    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.to.write_all(text.as_bytes())
    }
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        self.text(line.as_ref())?;
        self.text("\n")
    }
    /// One object, on one line.
    pub(crate) fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.text("\n")
    }
    /// The object for programs, or the line for people.
    pub(crate) fn either(&mut self, value: &impl Serialize, line: impl FnOnce(Style) -> String) -> io::Result<()> {
        match self.json {
            true => self.object(value),
            false => {
                let line = line(self.style);
                self.line(line)
            }
        }
    }
    /// Nothing waits in us any more. Call it before waiting for anything else.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
