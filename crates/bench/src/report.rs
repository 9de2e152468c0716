//! Where figures go as they are found.

use std::io::Write;

use crate::figure::Figure;

/// How figures are printed.
pub(crate) struct Report {
    json: bool,
    printed: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report { json, printed: false }
    }

    pub(crate) fn add(&mut self, figure: &Figure) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(figure)?)?;
        } else {
            if !self.printed {
                writeln!(out, "{}", Figure::heading())?;
            }
            writeln!(out, "{}", figure.row())?;
        }
        self.printed = true;
        out.flush()?;
        Ok(())
    }

    /// Something the reader of the figures must know. Goes to stderr, so that stdout stays a table or JSON.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("bench: {text}");
    }
}
