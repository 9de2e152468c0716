//! The names of sessions.

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Twenty letters that nobody guesses: whoever knows them may speak for the session.
pub(super) fn random() -> String {
    let mut bytes = [0; 15];
    rand::fill(&mut bytes).expect("the system has randomness");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
