//! Bearer tokens: who somebody is, signed by the gateway. They do not expire, as clients keep them for ever.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rejoin_core::position::Millis;
use serde::{Deserialize, Serialize};

/// The longest text that is looked at as a token.
const LONGEST: usize = 2_048;
const ISSUER: &str = "handy";

/// Makes and reads tokens.
pub(super) struct Tokens {
    pair: Ed25519KeyPair,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    iat: u64,
    nbf: u64,
    jti: String,
    /// Of a terminal's token: the request that it was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

impl Tokens {
    /// The same seed reads the tokens of an earlier life.
    pub(super) fn new(seed: &[u8; 32]) -> Tokens {
        Tokens { pair: Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are a seed") }
    }

    pub(super) fn mint(&self, account: &str, session: Option<&str>, now: Millis) -> String {
        let seconds = now / 1_000;
        let claims = Claims {
            sub: account.to_owned(),
            iss: ISSUER.to_owned(),
            iat: seconds,
            nbf: seconds,
            jti: uuid::Uuid::now_v7().to_string(),
            session: session.map(str::to_owned),
        };
        let claims = serde_json::to_vec(&claims).expect("claims are plain");
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA"}"#), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// The account that a token names, if we made it.
    pub(super) fn read(&self, token: &str, now: Millis) -> Option<String> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public = UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).ok()?;
        // What follows was written by us.
        let (header, claims) = signed.split_once('.')?;
        let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        // A clock that was set back a little locks nobody out.
        let begun = claims.nbf <= now / 1_000 + 300;
        (header["alg"] == "EdDSA" && claims.iss == ISSUER && begun).then_some(claims.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_outlives_the_process_and_no_other_key_reads_it() {
        let (tokens, others) = (Tokens::new(&[7; 32]), Tokens::new(&[8; 32]));
        let token = tokens.mint("cabc", Some("cdef"), 1_000_000);
        assert_eq!(Tokens::new(&[7; 32]).read(&token, u64::MAX / 2).as_deref(), Some("cabc"));
        assert_eq!(others.read(&token, 1_000_000), None);
        assert_ne!(token, tokens.mint("cabc", Some("cdef"), 1_000_000), "each has a name of its own");
    }

    #[test]
    fn a_changed_token_is_none() {
        let tokens = Tokens::new(&[7; 32]);
        let token = tokens.mint("cabc", None, 1_000_000);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of a part has bits that stand for nothing, and may not be set either.
            assert_eq!(tokens.read(&changed, 1_000_000), None, "{at}");
        }
        for garbage in ["", ".", "..", "a.b.c", "é.é.é", &"a".repeat(10_000)] {
            assert_eq!(tokens.read(garbage, 1_000_000), None);
        }
        assert_eq!(tokens.read(&token, 0), None, "from a future that is too far away");
    }
}
