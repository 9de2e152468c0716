//! Colours, where they are wanted.

/// Paints text for a terminal, or leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    pub(crate) fn new(colours: bool) -> Style {
        Style { colours }
    }
    fn paint(self, code: &str, text: &str) -> String {
        match self.colours && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
    /// What is there but matters less.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
    /// What went wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }
    /// What waits for somebody.
    pub(crate) fn wanted(self, text: &str) -> String {
        self.paint("33", text)
    }
    /// What people said.
    pub(crate) fn person(self, text: &str) -> String {
        self.paint("36", text)
    }
}
