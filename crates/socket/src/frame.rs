//! Building the frames that a server sends.
//!
//! Each function adds one whole, final, unmasked frame to `out`. Many of them in one buffer make a
//! chunk: `out.split().freeze()` is ready for every connection that shows it.

use bytes::{BufMut, Bytes, BytesMut};

/// Close codes that our doors use themselves. A dialect brings its own from 4000 up.
pub mod code {
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1001;
    pub const PROTOCOL: u16 = 1002;
    pub const NOT_UTF8: u16 = 1007;
    pub const POLICY: u16 = 1008;
    pub const TOO_BIG: u16 = 1009;
    pub const INTERNAL: u16 = 1011;
    pub const TRY_LATER: u16 = 1013;
}

/// The most that a ping, a pong or a close may carry (RFC 6455, 5.5).
pub const CONTROL: usize = 125;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

pub fn text(out: &mut BytesMut, payload: &str) {
    whole(out, TEXT, payload.as_bytes());
}

/// A text in pieces, for whoever puts it together from what is known to be UTF-8: the lines of a log, say.
pub fn text_of(out: &mut BytesMut, pieces: &[&[u8]]) {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    head(out, TEXT, length);
    pieces.iter().for_each(|piece| out.put_slice(piece));
}

pub fn binary(out: &mut BytesMut, payload: &[u8]) {
    whole(out, BINARY, payload);
}

/// A ping; a payload beyond [`CONTROL`] bytes is cut.
pub fn ping(out: &mut BytesMut, payload: &[u8]) {
    whole(out, PING, &payload[..payload.len().min(CONTROL)]);
}

/// A pong; a payload beyond [`CONTROL`] bytes is cut, and no valid ping has one.
pub fn pong(out: &mut BytesMut, payload: &[u8]) {
    whole(out, PONG, &payload[..payload.len().min(CONTROL)]);
}

/// A close. The reason is cut, between characters, to the room there is.
///
/// A code that must not travel (1005 and 1006 say that there was none) leaves the frame empty.
pub fn close(out: &mut BytesMut, code: u16, reason: &str) {
    if !may_travel(code) {
        return whole(out, CLOSE, &[]);
    }
    let reason = &reason[..reason.floor_char_boundary(CONTROL - 2)];
    let mut body = [0; CONTROL];
    body[..2].copy_from_slice(&code.to_be_bytes());
    body[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
    whole(out, CLOSE, &body[..2 + reason.len()]);
}

/// One frame on its own, as a chunk: `frame::chunk(|out| frame::ping(out, b""))`.
pub fn chunk(build: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    build(&mut out);
    out.freeze()
}

/// Whether a close code may be written in a frame (RFC 6455, 7.4, and what was registered since).
pub(crate) fn may_travel(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn whole(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    head(out, opcode, payload.len());
    out.put_slice(payload);
}

fn head(out: &mut BytesMut, opcode: u8, length: usize) {
    const LONGEST_HEADER: usize = 10;
    const FINAL: u8 = 0x80;
    out.reserve(LONGEST_HEADER + length);
    out.put_u8(FINAL | opcode);
    match length {
        short @ 0..=125 => out.put_u8(short as u8),
        medium @ 126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(127);
            out.put_u64(long as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tungstenite::protocol::frame::FrameHeader;

    #[test]
    fn the_length_is_written_in_its_shortest_form() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (0xFFFF, 4), (0x1_0000, 10)] {
            let frame = chunk(|out| binary(out, &vec![7; length]));
            assert_eq!(frame.len(), header + length);
            let (read, announced) = FrameHeader::parse(&mut Cursor::new(&frame)).unwrap().unwrap();
            assert_eq!(announced, length as u64);
            assert!(read.is_final && read.mask.is_none());
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = chunk(|out| close(out, 4001, &"é".repeat(200)));
        assert_eq!(frame[1], 124); // 2 + 61 × 2: half an é would have fitted
        assert_eq!(std::str::from_utf8(&frame[4..]).unwrap(), "é".repeat(61));
    }

    #[test]
    fn a_code_that_must_not_travel_does_not() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(&chunk(|out| close(out, code, "why"))[..], [0x88, 0]);
        }
    }
}
