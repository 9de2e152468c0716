//! WebSocket frames as a reader sees them: headers are read, bodies are skipped but for their beginning.

use super::count::{Count, PEEK};

/// The longest header of a frame from a server.
const LONGEST_HEADER: usize = 10;
/// What stands before an event in its message.
const EVENT: &[u8] = b"{\"event\":";
const CAUGHT_UP: &[u8] = b"{\"caughtUp\"";
const GAP: &[u8] = b"{\"gap\"";
const TOOL_RESULT: &[u8] = b"{\"type\":\"tool_result\"";
/// The answer to a joining. Its keys are in the order of their letters.
const SNAPSHOT: &[u8] = b"{\"lastSeq\"";

pub(super) const TEXT: u8 = 1;
const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// What a reader must do about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The body of a ping.
    Pong(Vec<u8>),
    /// The gateway closes, with this code.
    Closed(u16),
}

/// What frames say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// Events of the log, one each.
    #[default]
    Native,
    /// Several frames for an event; the results of tools are counted, and numbered as they come.
    Diminuendo,
}

#[derive(Debug, Default)]
pub(crate) struct Frames {
    tongue: Tongue,
    /// How much of the current frame's body is still to come and of no interest.
    skip: usize,
    /// The beginning of a frame that has not come far enough to be understood.
    held: Vec<u8>,
    /// What was counted before the frame whose body is still to come.
    before: Option<(u64, u64)>,
}

impl Frames {
    pub(crate) fn of(tongue: Tongue) -> Frames {
        Frames { tongue, ..Frames::default() }
    }

    /// Counts what is in `bytes`.
    pub(crate) fn read(&mut self, mut bytes: &[u8], count: &mut Count) -> Option<Reply> {
        count.bytes += bytes.len() as u64;
        let mut reply = None;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return reply;
            }
            self.before = Some((count.seq, count.events));
            if self.held.is_empty() {
                match understood(bytes) {
                    Some(frame) => {
                        reply = take(&frame, self.tongue, count).or(reply);
                        self.skip = frame.whole;
                    }
                    None => {
                        self.held.extend_from_slice(bytes);
                        return reply;
                    }
                }
            } else {
                let more = (LONGEST_HEADER + PEEK - self.held.len()).min(bytes.len());
                let had = self.held.len();
                self.held.extend_from_slice(&bytes[..more]);
                let Some(frame) = understood(&self.held) else {
                    bytes = &bytes[more..];
                    continue;
                };
                reply = take(&frame, self.tongue, count).or(reply);
                // Only its beginning was held; what was taken too much of is read again as the next frame.
                let whole = frame.whole;
                self.held.clear();
                self.skip = whole - had;
            }
        }
    }
}

impl Frames {
    /// Nothing more comes: a frame that was counted and is not all there was not heard.
    pub(super) fn cut(&mut self, count: &mut Count) {
        if let Some((seq, events)) = self.before.take().filter(|_| self.skip > 0) {
            (count.seq, count.events) = (seq, events);
        }
    }
}

struct Frame<'a> {
    opcode: u8,
    /// Its body, or as much of it as is looked at.
    peek: &'a [u8],
    /// Header and body.
    whole: usize,
}

/// The frame that `bytes` begin with, once enough of it is there.
fn understood(bytes: &[u8]) -> Option<Frame<'_>> {
    let (opcode, start, body) = header(bytes)?;
    let peek = bytes.get(start..start + body.min(PEEK))?;
    Some(Frame { opcode, peek, whole: start + body })
}

/// Kind of a frame, where its body begins, and how long that is.
pub(super) fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (start, body) = match second & 0x7f {
        126 => (4, u16::from_be_bytes(rest.get(..2)?.try_into().ok()?) as usize),
        127 => (10, u64::from_be_bytes(rest.get(..8)?.try_into().ok()?) as usize),
        short => (2, short as usize),
    };
    Some((first & 0x0f, start, body))
}

fn take(frame: &Frame<'_>, tongue: Tongue, count: &mut Count) -> Option<Reply> {
    match frame.opcode {
        TEXT if tongue == Tongue::Diminuendo => {
            if frame.peek.starts_with(TOOL_RESULT) {
                count.number(count.seq + 1);
            } else if frame.peek.starts_with(SNAPSHOT) {
                count.caught_up = true;
            }
            None
        }
        TEXT => {
            if let Some(event) = frame.peek.strip_prefix(EVENT) {
                count.event(event);
            } else if frame.peek.starts_with(CAUGHT_UP) {
                count.caught_up = true;
            } else if frame.peek.starts_with(GAP) {
                count.gaps += 1;
            }
            None
        }
        CLOSE => Some(Reply::Closed(frame.peek.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]])))),
        PING => Some(Reply::Pong(frame.peek.to_vec())),
        _ => None,
    }
}

/// A frame as a client must send it. The mask is all zeros: it protects proxies from hostile clients, and we are neither.
pub(super) fn mask(opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match body.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        middle @ ..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(body);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> Vec<u8> {
        let mut frame = vec![0x81];
        match body.len() {
            short @ ..126 => frame.push(short as u8),
            middle @ ..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(body.as_bytes());
        frame
    }

    fn conversation() -> Vec<u8> {
        let mut bytes = Vec::new();
        for seq in 1..=40u64 {
            let filler = "x".repeat([0, 1, 100, 300, 70_000][seq as usize % 5]);
            bytes.extend(text(&format!(
                r#"{{"event":{{"epoch":"0a1b2c","seq":{seq},"type":"partDelta","text":"{filler}"}}}}"#
            )));
        }
        bytes.extend(text(r#"{"caughtUp":{"position":{"epoch":"0a1b2c","seq":40}}}"#));
        bytes
    }

    #[test]
    fn cuts_anywhere_do_not_change_the_count() {
        let bytes = conversation();
        for size in [1, 2, 3, 7, 64, 223, 224, 225, 1_000, 65_536, bytes.len()] {
            let (mut frames, mut count) = (Frames::default(), Count::default());
            for piece in bytes.chunks(size) {
                assert_eq!(frames.read(piece, &mut count), None);
            }
            assert_eq!((count.seq, count.events, count.lost, count.repeated), (40, 40, 0, 0), "pieces of {size}");
            assert!(count.caught_up, "pieces of {size}");
            assert_eq!(count.bytes, bytes.len() as u64);
        }
    }

    #[test]
    fn half_a_frame_was_not_heard() {
        let whole = text(&format!(r#"{{"event":{{"epoch":"0a","seq":1,"text":"{}"}}}}"#, "x".repeat(500)));
        for (cut, heard) in [(whole.len(), 1), (whole.len() - 1, 0), (300, 0), (20, 0)] {
            let (mut frames, mut count) = (Frames::default(), Count::default());
            frames.read(&whole[..cut], &mut count);
            frames.cut(&mut count);
            assert_eq!((count.seq, count.events), (heard, heard), "cut at {cut}");
        }
    }

    #[test]
    fn pings_and_closes_are_told() {
        let (mut frames, mut count) = (Frames::default(), Count::default());
        assert_eq!(frames.read(&[0x89, 2, b'h', b'i'], &mut count), Some(Reply::Pong(b"hi".to_vec())));
        assert_eq!(frames.read(&[0x88, 2, 0x11, 0x38], &mut count), Some(Reply::Closed(4408)));
        assert_eq!(count.events, 0);
    }

    #[test]
    fn what_we_send_says_its_own_length() {
        assert_eq!(mask(1, b"ab"), [0x81, 0x82, 0, 0, 0, 0, b'a', b'b']);
        assert_eq!(mask(1, &[0; 126])[1..4], [0x80 | 126, 0, 126]);
    }
}
