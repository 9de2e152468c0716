//! What travels through a browser on its way to GitHub and back: whose way it is, signed; and GitHub's own signatures.

use aws_lc_rs::hmac;
use rejoin_core::position::Millis;
use rejoin_seal::base64;

use crate::server::vault::derived;

/// How long somebody may take at GitHub.
const VALID_MS: Millis = 5 * 60_000;
/// The longest state that is looked at.
const LONGEST: usize = 512;

/// Makes and reads states.
pub(crate) struct State {
    key: hmac::Key,
}

impl State {
    pub(crate) fn new(seed: &[u8; 32]) -> State {
        State { key: hmac::Key::new(hmac::HMAC_SHA256, &derived(seed, "happy github state")) }
    }

    pub(crate) fn make(&self, account: &str, now: Millis) -> String {
        let text = format!("{} {account}", now + VALID_MS);
        let tag = hmac::sign(&self.key, text.as_bytes());
        format!("{}.{}", base64::encode_url(text), base64::encode_url(tag))
    }

    /// The account whose way it is, if it has not taken too long.
    pub(crate) fn read(&self, state: &str, now: Millis) -> Option<String> {
        let (text, tag) = state.split_once('.').filter(|_| state.len() <= LONGEST)?;
        let (text, tag) = (base64::decode_url(text).ok()?, base64::decode_url(tag).ok()?);
        hmac::verify(&self.key, &text, &tag).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (until, account) = text.split_once(' ')?;
        (now <= until.parse().ok()?).then(|| account.to_owned())
    }
}

/// Whether GitHub signed a body: `sha256=` and hex.
pub(crate) fn is_signed(secret: &str, body: &[u8], signature: &str) -> bool {
    let Some(tag) = signature.strip_prefix("sha256=").and_then(unhex) else { return false };
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body, &tag).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_whose_way_it_is_for_five_minutes() {
        let (states, others) = (State::new(&[1; 32]), State::new(&[2; 32]));
        let state = states.make("cabc", 1_000);
        assert_eq!(states.read(&state, 1_000 + VALID_MS).as_deref(), Some("cabc"));
        assert_eq!(states.read(&state, 1_001 + VALID_MS), None);
        assert_eq!(others.read(&state, 1_000), None);
        for garbage in ["", ".", "a.b", &state[1..], &state[..state.len() - 2], &"a.".repeat(1_000)] {
            assert_eq!(states.read(garbage, 1_000), None);
        }
    }

    #[test]
    fn a_webhook_is_signed_with_its_secret() {
        // The example of GitHub's documentation.
        let secret = "It's a Secret to Everybody";
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_signed(secret, b"Hello, World!", signature));
        assert!(!is_signed(secret, b"Hello, World", signature));
        assert!(!is_signed("other", b"Hello, World!", signature));
        for garbage in ["", "sha256=", "sha256=75", "sha256=é", "sha1=757107", "sha256=7"] {
            assert!(!is_signed(secret, b"Hello, World!", garbage));
        }
    }
}
