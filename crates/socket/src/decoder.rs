//! Reading what a client sends: bytes in, messages out, no I/O.

use std::io::Cursor;

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::frame::{self, CONTROL};
use crate::mask::unmask;
use crate::violation::Violation;

/// How big a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    message: usize,
    hard: usize,
}

impl Limits {
    /// Up to `message` bytes are read. Up to `hard` a message is read past without being kept, and
    /// reported as [`Violation::Oversize`]; above, it is [`Violation::FarTooBig`], which is fatal.
    pub fn new(message: usize, hard: usize) -> Limits {
        Limits { message, hard: hard.max(message) }
    }
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Text(String),
    Binary(Bytes),
    /// To be answered with [`Writing::pong`](crate::Writing::pong).
    Ping(Bytes),
    Pong(Bytes),
    /// The last thing a client says.
    Close(Option<CloseReason>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    pub code: u16,
    pub text: String,
}

/// Reads client frames, split anywhere. It holds at most twice what arrived (a growing buffer
/// doubles), whatever a header announces, and nothing between messages.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    raw: Vec<u8>,
    /// Where in `raw` the bytes begin that nobody has looked at yet.
    at: usize,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The data message whose frames are arriving; control frames may stand between them.
    message: Option<Message>,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Violated(Violation),
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    is_final: bool,
    key: [u8; 4],
    read: usize,
    left: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    /// What its headers announced so far.
    size: u64,
    /// Stays empty once `size` is over the limit.
    body: Vec<u8>,
}

impl Decoder {
    pub fn new(limits: Limits) -> Decoder {
        Decoder { limits, raw: Vec::new(), at: 0, frame: None, message: None, end: None }
    }

    /// Takes what arrived. Call [`next`](Self::next) until it has nothing before feeding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.end.is_some() {
            return; // nothing behind a close or a violation means anything
        }
        self.raw.drain(..self.at); // at most the beginning of a frame is left to move
        self.at = 0;
        self.raw.extend_from_slice(bytes);
    }

    /// The next message, or `None` until more is fed. A fatal violation is repeated for ever.
    #[expect(clippy::should_implement_trait, reason = "it is not an iterator: `None` is no end")]
    pub fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        match self.end {
            Some(End::Closed) => return Ok(None),
            Some(End::Violated(violation)) => return Err(violation),
            None => {}
        }
        let outcome = self.read();
        match &outcome {
            Ok(Some(Incoming::Close(_))) => self.end(End::Closed),
            Err(violation) if violation.is_fatal() => self.end(End::Violated(*violation)),
            _ if self.at == self.raw.len() => (self.raw, self.at) = (Vec::new(), 0),
            _ => {}
        }
        outcome
    }

    fn end(&mut self, end: End) {
        *self = Decoder { end: Some(end), ..Decoder::new(self.limits) };
    }

    fn read(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.header()? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let whole = match frame.kind {
                Kind::Data => self.data(frame)?,
                _ => self.control(frame)?,
            };
            if whole.is_some() || self.frame.is_some() {
                return Ok(whole);
            }
        }
    }

    /// Reads a header once it is complete, and decides whether its frame may come.
    fn header(&mut self) -> Result<Option<Frame>, Violation> {
        let unread = &self.raw[self.at..];
        let mut cursor = Cursor::new(unread);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            // A cursor cannot fail, so all that is left to refuse is the opcode.
            Err(_) => {
                return Err(Violation::Opcode(unread.first().map_or(0, |byte| byte & 0x0F)));
            }
        };
        self.at += cursor.position() as usize;

        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::ReservedBits);
        }
        let key = header.mask.ok_or(Violation::Unmasked)?;
        let kind = match header.opcode {
            OpCode::Control(control) => {
                if !header.is_final {
                    return Err(Violation::FragmentedControl);
                }
                if length > CONTROL as u64 {
                    return Err(Violation::LongControl(length));
                }
                match control {
                    Control::Ping => Kind::Ping,
                    Control::Pong => Kind::Pong,
                    Control::Close => Kind::Close,
                    Control::Reserved(opcode) => return Err(Violation::Opcode(opcode)),
                }
            }
            OpCode::Data(data) => {
                self.announce(data, length)?;
                Kind::Data
            }
        };
        Ok(Some(Frame { kind, is_final: header.is_final, key, read: 0, left: length }))
    }

    /// Begins or continues a message by `length` bytes.
    fn announce(&mut self, data: Data, length: u64) -> Result<(), Violation> {
        let message = match (data, &mut self.message) {
            (Data::Continue, Some(message)) => message,
            (Data::Continue, None) => return Err(Violation::NothingToContinue),
            (Data::Reserved(opcode), _) => return Err(Violation::Opcode(opcode)),
            (Data::Text | Data::Binary, Some(_)) => return Err(Violation::Interrupted),
            (Data::Text | Data::Binary, none) => {
                none.insert(Message { is_text: matches!(data, Data::Text), size: 0, body: Vec::new() })
            }
        };
        message.size = message.size.saturating_add(length);
        if message.size > self.limits.hard as u64 {
            return Err(Violation::FarTooBig { announced: message.size, limit: self.limits.hard });
        }
        if message.size > self.limits.message as u64 {
            message.body = Vec::new();
        }
        Ok(())
    }

    /// Adds what arrived of a data frame to its message, and gives the message when it is whole.
    fn data(&mut self, mut frame: Frame) -> Result<Option<Incoming>, Violation> {
        let message = self.message.as_mut().expect("a data frame's header made sure of it");
        let kept = message.size <= self.limits.message as u64;
        let unread = &self.raw[self.at..];
        let here = unread.len().min(usize::try_from(frame.left).unwrap_or(usize::MAX));
        if kept {
            let from = message.body.len();
            message.body.extend_from_slice(&unread[..here]);
            unmask(&mut message.body[from..], frame.key, frame.read);
        }
        self.at += here;
        frame.read += here;
        frame.left -= here as u64;
        if frame.left > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        if !frame.is_final {
            return Ok(None);
        }
        let message = self.message.take().expect("it was just added to");
        if !kept {
            return Err(Violation::Oversize { size: message.size, limit: self.limits.message });
        }
        Ok(Some(if message.is_text {
            Incoming::Text(String::from_utf8(message.body).map_err(|_| Violation::NotUtf8)?)
        } else {
            Incoming::Binary(message.body.into())
        }))
    }

    /// Gives a control frame once all of it arrived.
    fn control(&mut self, frame: Frame) -> Result<Option<Incoming>, Violation> {
        let length = frame.left as usize; // at most CONTROL
        let Some(payload) = self.raw[self.at..].get(..length) else {
            self.frame = Some(frame);
            return Ok(None);
        };
        let mut payload = payload.to_vec();
        unmask(&mut payload, frame.key, 0);
        self.at += length;
        Ok(Some(match frame.kind {
            Kind::Ping => Incoming::Ping(payload.into()),
            Kind::Pong => Incoming::Pong(payload.into()),
            Kind::Close => Incoming::Close(close_reason(&payload)?),
            Kind::Data => unreachable!("data frames are read by `data`"),
        }))
    }
}

fn close_reason(body: &[u8]) -> Result<Option<CloseReason>, Violation> {
    if body.is_empty() {
        return Ok(None);
    }
    let (code, text) = body.split_first_chunk().ok_or(Violation::BadClose)?;
    let code = u16::from_be_bytes(*code);
    if !frame::may_travel(code) {
        return Err(Violation::BadClose);
    }
    let text = std::str::from_utf8(text).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(CloseReason { code, text: text.to_owned() }))
}
