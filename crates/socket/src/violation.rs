//! What a client can do wrong in its frames.

use crate::frame::code;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The message was read past and forgotten, and the connection goes on: the door answers in its
    /// own words. Every other violation ends the reading.
    #[error("a message of {size} bytes is over the limit of {limit}")]
    Oversize { size: u64, limit: usize },
    #[error("a message of at least {announced} bytes is over the hard limit of {limit}")]
    FarTooBig { announced: u64, limit: usize },
    #[error("a text message is not UTF-8")]
    NotUtf8,
    #[error("a frame is not masked")]
    Unmasked,
    #[error("a reserved bit is set, and no extension was agreed on")]
    ReservedBits,
    #[error("opcode {0} is not known")]
    Opcode(u8),
    #[error("a control frame announces {0} bytes")]
    LongControl(u64),
    #[error("a control frame is fragmented")]
    FragmentedControl,
    #[error("a continuation has nothing to continue")]
    NothingToContinue,
    #[error("a new message begins inside a fragmented one")]
    Interrupted,
    #[error("a close frame has a body that says nothing valid")]
    BadClose,
}

impl Violation {
    /// Whether nothing can be read after it, so that all that is left is to close.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Violation::Oversize { .. })
    }

    /// The code to close with, for a door that has no better one.
    pub fn close_code(&self) -> u16 {
        match self {
            Violation::Oversize { .. } | Violation::FarTooBig { .. } => code::TOO_BIG,
            Violation::NotUtf8 => code::NOT_UTF8,
            Violation::Unmasked
            | Violation::ReservedBits
            | Violation::Opcode(_)
            | Violation::LongControl(_)
            | Violation::FragmentedControl
            | Violation::NothingToContinue
            | Violation::Interrupted
            | Violation::BadClose => code::PROTOCOL,
        }
    }
}
