//! What somebody who looks at a terminal sees, and how to show it to somebody else.

use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vt100::{Callbacks, Parser};

use super::Size;
use super::sequence::Sequences;

/// Rows above the screen that the model keeps, for a screen that grows.
const ABOVE: usize = 100;
/// Letters of a window's title.
const LONGEST_TITLE: usize = 200;

/// Undoes whatever the one who is shown a screen may have on theirs.
const BLANK: &str =
    "\x1b[?1049l\x1b[?6l\x1b[r\x1b[m\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[0 q";
/// To the second screen, and back as programs go back: to where the cursor was.
const SECOND: &str = "\x1b[?1049h";
const FIRST: &[u8] = b"\x1b[?1049l";
/// Of the cursor.
const SAVE: &str = "\x1b7";
const RESTORE: &[u8] = b"\x1b8";

/// A model of the screen.
pub(super) struct Screen {
    parser: Parser<Window>,
    sequences: Sequences,
    size: Size,
}

/// A screen in bytes for a terminal, and where in the output it stands.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) at: u64,
    pub(super) screen: String,
}

#[derive(Default)]
struct Window {
    title: Option<String>,
}

impl Callbacks for Window {
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        let title = String::from_utf8_lossy(title);
        let plain = title.chars().filter(|letter| !letter.is_control()).take(LONGEST_TITLE);
        self.title = Some(plain.collect()).filter(|title: &String| !title.is_empty());
    }
}

impl Screen {
    pub(super) fn new(size: Size) -> Screen {
        Screen { parser: parser(size), sequences: Sequences::new(), size }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }
    pub(super) fn title(&self) -> Option<&str> {
        self.parser.callbacks().title.as_deref()
    }
    pub(super) fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.sequences.feed(bytes);
        self.guarded(|parser| parser.process(bytes));
    }

    pub(super) fn resize(&mut self, size: Size) {
        self.size = size;
        self.sequences.resized();
        let (rows, cols) = raw(size);
        self.guarded(|parser| parser.set_size(rows, cols));
    }

    /// Bytes that make a terminal of the same size look, and go on, like this one.
    pub(super) fn show(&self) -> Shown {
        let seam = self.sequences.seam();
        let screen = self.parser.screen();
        let mut text = BLANK.to_owned();
        if screen.alternate_screen() {
            // The other screen lies beneath it and comes back when the program ends.
            self.draw(&self.after(FIRST), &mut text);
            text.push_str(SECOND);
        }
        self.draw(screen, &mut text);
        text.push_str(&screen.input_mode_formatted());
        text.push_str(seam.opening);
        Shown { at: seam.at, screen: text }
    }

    /// The screen as it would be. The model itself stays as it is.
    fn after(&self, bytes: &[u8]) -> vt100::Screen {
        let mut other = parser(self.size);
        *other.screen_mut() = self.parser.screen().clone();
        other.process(bytes);
        other.screen().clone()
    }

    fn draw(&self, screen: &vt100::Screen, text: &mut String) {
        text.push_str(&screen.contents_formatted());
        if let Some(region) = self.sequences.region(screen.alternate_screen()) {
            text.push_str(&format!("\x1b[{region}r"));
        }
        if screen.alternate_screen() == self.is_alternate() {
            let saved = self.after(RESTORE);
            place(&saved, text);
            text.push_str(SAVE);
        }
        place(screen, text);
    }

    /// The model is made for programs that mean well. Should another one break it, the screen is blank, no more.
    fn guarded(&mut self, change: impl FnOnce(&mut Parser<Window>)) {
        let parser = &mut self.parser;
        if catch_unwind(AssertUnwindSafe(|| change(parser))).is_err() {
            tracing::warn!("the model of a terminal's screen broke and begins anew");
            self.parser = self::parser(self.size);
        }
    }
}

/// Where the cursor is, and how the next letters look.
fn place(screen: &vt100::Screen, text: &mut String) {
    text.push_str(&screen.cursor_state_formatted());
    text.push_str(&screen.attributes_formatted());
}

fn parser(size: Size) -> Parser<Window> {
    let (rows, cols) = raw(size);
    Parser::new_with_callbacks(rows, cols, ABOVE, Window::default())
}

fn raw(size: Size) -> (NonZeroU16, NonZeroU16) {
    let some = |count| NonZeroU16::new(count).expect("a size has no side of nothing");
    (some(size.rows), some(size.cols))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(screen: &Screen) -> (String, String, bool) {
        let shown = screen.parser.screen();
        (shown.contents_formatted(), shown.input_mode_formatted(), shown.alternate_screen())
    }

    /// One who was shown the screen at `cut` ends up with the same as one who saw everything.
    fn joins(size: Size, output: &[u8], cut: usize) -> (Screen, Screen) {
        let mut first = Screen::new(size);
        first.feed(&output[..cut]);
        let shown = first.show();
        first.feed(&output[cut..]);
        let mut late = Screen::new(size);
        late.feed(b"\x1b[?1049hrubbish\x1b[?1000h\x1b[2;3r\x1b[31m\x1b[?6h"); // what they had before
        late.feed(shown.screen.as_bytes());
        late.feed(&output[shown.at as usize..]);
        (first, late)
    }

    #[test]
    fn a_late_joiners_screen_equals_the_firsts_wherever_they_join() {
        let mut story = String::from("$ ls\r\n\x1b[1;34msrc\x1b[0m  ä€𝄞漢字\r\n\x1b]0;a title\x07\x1b[?2004h$ vi\r\n");
        story +=
            "\x1b[?1049h\x1b[?1h\x1b=\x1b[1;1H\x1b[2;8r\x1b[8;1Hlast\r\nscrolled\x1b[3;4H\x1b[7minverse\x1b[m\x1b[?25l";
        story += "\x1b[1;1H\x1bM\x1b[?1000h\x1b[?1006h\x1b[4;1Hx\x1b[?25h\x1b[?1000l\x1b[r\x1b[?1l\x1b>\x1b[?1049l";
        story +=
            "$ back\r\n\x1b[3;6rone\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix\r\nseven\x1b[6 q\x1b]8;;http://x\x1b\\link";
        let size = Size::new(20, 10).unwrap();
        for cut in 0..=story.len() {
            let (first, late) = joins(size, story.as_bytes(), cut);
            assert_eq!(
                state(&late),
                state(&first),
                "joined at {cut}: {:?}",
                &story.as_bytes()[cut.saturating_sub(9)..cut]
            );
        }
    }

    #[test]
    fn the_title_is_bounded_and_plain() {
        let mut screen = Screen::new(Size::default());
        screen.feed(format!("\x1b]2;{}\x07", "long ".repeat(1_000)).as_bytes());
        assert!(screen.title().unwrap().chars().count() <= LONGEST_TITLE);
        screen.feed(b"\x1b]2;\x07");
        assert_eq!(screen.title(), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Bytes(Vec<u8>),
        Size(u16, u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        let letters = prop::sample::select(
            b"\x1b\x1b\x1b[[[]PX0123456789;;?hlHJKLMPST@rmABCDb \r\n\t\x08ab\xe6\xbc\xa2\xc3".to_vec(),
        );
        prop_oneof![
            3 => prop::collection::vec(letters, 1..60).prop_map(Step::Bytes),
            1 => prop::collection::vec(any::<u8>(), 1..60).prop_map(Step::Bytes),
            1 => (1u16..30, 1u16..20).prop_map(|(cols, rows)| Step::Size(cols, rows)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn nothing_that_a_program_says_breaks_the_gateway(steps in prop::collection::vec(step(), 1..40)) {
            let mut screen = Screen::new(Size::new(10, 5).unwrap());
            for step in steps {
                match step {
                    Step::Bytes(bytes) => screen.feed(&bytes),
                    Step::Size(cols, rows) => screen.resize(Size::new(cols, rows).unwrap()),
                }
                let shown = screen.show();
                prop_assert!(shown.at <= screen.sequences.seam().at);
            }
        }
    }
}
