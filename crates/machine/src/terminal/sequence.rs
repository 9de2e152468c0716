//! Where in an output nothing is half said: no letter, and no command to the terminal.

/// What has been begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Letter {
        missing: u8,
    },
    Escape,
    /// An escape with something between it and its end.
    Charset,
    Control,
    /// Strings of any length: for the operating system, for a device, for an application.
    System,
    Device,
    Application,
}

/// Bytes of a command that are looked at: of the ones we know, none is longer.
const LONGEST: usize = 32;
/// A beginning that is longer is not repeated for whoever joins; it is told what it is the middle of.
const REPEATED: u64 = 64;

/// Follows an output, as the model of the screen does.
#[derive(Debug)]
pub(super) struct Sequences {
    within: Within,
    /// Where that began.
    begun: u64,
    at: u64,
    parameters: Vec<u8>,
    /// The scrolling region of either screen, as it was set; the model knows it and does not tell.
    regions: [Option<String>; 2],
    alternate: bool,
}

/// From where on somebody can go on reading who knows all that was said before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seam {
    pub(super) at: u64,
    /// What must come before it.
    pub(super) opening: &'static str,
}

impl Sequences {
    pub(super) fn new() -> Sequences {
        Sequences {
            within: Within::Nothing,
            begun: 0,
            at: 0,
            parameters: Vec::with_capacity(LONGEST),
            regions: [None, None],
            alternate: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
            self.at += 1;
        }
    }

    /// A new size frees the whole screen for scrolling.
    pub(super) fn resized(&mut self) {
        self.regions = [None, None];
    }

    /// The scrolling region of the one screen, or of the other: what stands between `ESC [` and `r`.
    pub(super) fn region(&self, alternate: bool) -> Option<&str> {
        self.regions[usize::from(alternate)].as_deref()
    }

    pub(super) fn seam(&self) -> Seam {
        if self.within == Within::Nothing {
            return Seam { at: self.at, opening: "" };
        }
        if self.at - self.begun <= REPEATED {
            return Seam { at: self.begun, opening: "" };
        }
        let opening = match self.within {
            Within::Nothing | Within::Letter { .. } | Within::Escape | Within::Charset => "",
            Within::Control => "\x1b[",
            Within::System => "\x1b]9999;", // a number that means nothing to anybody
            Within::Device => "\x1bP",
            Within::Application => "\x1b_",
        };
        Seam { at: self.at, opening }
    }

    fn step(&mut self, byte: u8) {
        if let Within::Letter { missing } = self.within {
            match (byte, missing) {
                (0x80..=0xBF, 1) => return self.within = Within::Nothing,
                (0x80..=0xBF, _) => return self.within = Within::Letter { missing: missing - 1 },
                _ => self.within = Within::Nothing, // no letter after all
            }
        }
        match (self.within, byte) {
            (Within::Nothing, 0xC2..=0xDF) => self.begin(Within::Letter { missing: 1 }),
            (Within::Nothing, 0xE0..=0xEF) => self.begin(Within::Letter { missing: 2 }),
            (Within::Nothing, 0xF0..=0xF4) => self.begin(Within::Letter { missing: 3 }),
            (_, 0x1B) => self.begin(Within::Escape),
            (Within::Nothing, _) => {}
            (_, 0x18 | 0x1A) => self.within = Within::Nothing,
            (Within::Escape, b'[') => {
                self.parameters.clear();
                self.within = Within::Control;
            }
            (Within::Escape, b']') => self.within = Within::System,
            (Within::Escape, b'P') => self.within = Within::Device,
            (Within::Escape, b'X' | b'^' | b'_') => self.within = Within::Application,
            (Within::Escape, b'c') => {
                self.regions = [None, None];
                self.alternate = false;
                self.within = Within::Nothing;
            }
            (Within::Escape | Within::Charset, 0x20..=0x2F) => self.within = Within::Charset,
            (Within::Escape | Within::Charset, 0x30..=0x7E) => self.within = Within::Nothing,
            (Within::Control, 0x20..=0x3F) if self.parameters.len() < LONGEST => self.parameters.push(byte),
            (Within::Control, 0x40..=0x7E) => {
                self.within = Within::Nothing;
                self.control(byte);
            }
            (Within::System, 0x07) | (Within::Device, 0x9C) => self.within = Within::Nothing,
            _ => {}
        }
    }

    fn begin(&mut self, what: Within) {
        self.within = what;
        self.begun = self.at;
    }

    fn control(&mut self, last: u8) {
        let Ok(parameters) = std::str::from_utf8(&self.parameters) else {
            return;
        };
        let is_region = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
        match (parameters.strip_prefix('?'), last) {
            (None, b'r') if is_region(parameters) => {
                let region = (!parameters.is_empty()).then(|| parameters.to_owned());
                self.regions[usize::from(self.alternate)] = region;
            }
            (Some(modes), b'h' | b'l') if modes.split(';').any(|mode| matches!(mode, "47" | "1049")) => {
                let enters = last == b'h';
                if enters && modes.split(';').any(|mode| mode == "1049") {
                    self.regions[1] = None; // it is a fresh one
                }
                self.alternate = enters;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seam(bytes: &[u8]) -> (u64, &'static str) {
        let mut sequences = Sequences::new();
        sequences.feed(bytes);
        let Seam { at, opening } = sequences.seam();
        (at, opening)
    }

    #[test]
    fn a_seam_is_never_inside_of_something() {
        for whole in
            ["abc", "\x1b[1;2H", "\x1b]0;title\x07", "\x1b]0;title\x1b\\", "\x1bP1$q\x1b\\", "ä", "\x1b(B", "€𝄞"]
        {
            assert_eq!(seam(whole.as_bytes()), (whole.len() as u64, ""), "{whole:?}");
        }
        for (half, at) in [("ab\x1b", 2), ("ab\x1b[3", 2), ("\x1b[3m\x1b]0;t", 4), ("x\x1b(", 1), ("\x1b[\x1b[", 2)] {
            assert_eq!(seam(half.as_bytes()), (at, ""), "{half:?}");
        }
        assert_eq!(seam(b"a\xe2\x82"), (1, ""));
        assert_eq!(seam(b"a\xe2x"), (3, ""));
    }

    #[test]
    fn whoever_joins_inside_of_a_long_string_is_told_so() {
        let long = "\x1b]52;c;".to_owned() + &"A".repeat(500);
        assert_eq!(seam(long.as_bytes()), (long.len() as u64, "\x1b]9999;"));
    }

    #[test]
    fn regions_belong_to_their_screen() {
        let mut sequences = Sequences::new();
        sequences.feed(b"\x1b[2;10r\x1b[?1049h\x1b[3;5r");
        assert_eq!((sequences.region(false), sequences.region(true)), (Some("2;10"), Some("3;5")));
        sequences.feed(b"\x1b[?1049l\x1b[r");
        assert_eq!((sequences.region(false), sequences.region(true)), (None, Some("3;5")));
        sequences.feed(b"\x1b[?1049h");
        assert_eq!(sequences.region(true), None);
    }
}
