//! Names that nobody guesses and that do not meet.

use std::fmt::Write;

/// Sixteen random bytes, as hex.
pub(crate) fn random() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's source of randomness answers");
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
