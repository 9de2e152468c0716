//! The public half of an X25519 pair: whom something is sealed for.

use std::fmt;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};

use crate::base64;

/// A key that only its owner can open for. Those for which everybody could are refused at the door.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("reading a public key: not base64")]
    NotBase64,
    #[error("reading a public key: it has 32 bytes, not {0}")]
    Length(usize),
    /// Whatever is sealed for it has a key that everybody knows; or it is written in an unusual way.
    #[error("reading a public key: it is not usable")]
    Weak,
}

impl PublicKey {
    pub const LENGTH: usize = 32;

    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Result<PublicKey, BadKey> {
        if is_canonical(&bytes) && is_strong(&bytes) { Ok(PublicKey(bytes)) } else { Err(BadKey::Weak) }
    }

    pub fn from_slice(bytes: &[u8]) -> Result<PublicKey, BadKey> {
        PublicKey::from_bytes(bytes.try_into().map_err(|_| BadKey::Length(bytes.len()))?)
    }

    pub fn from_base64(text: &str) -> Result<PublicKey, BadKey> {
        PublicKey::from_slice(&base64::decode(text).map_err(|_| BadKey::NotBase64)?)
    }

    pub fn to_base64(&self) -> String {
        base64::encode(self.0)
    }

    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The public half of a pair that we hold.
    pub(crate) fn of(secret: &crypto_box::SecretKey) -> PublicKey {
        PublicKey(secret.public_key().to_bytes())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

/// Whether this is how everybody writes the key. X25519 ignores the topmost bit and reduces what is above the prime, so
/// there are other spellings; nobody who computes a public key arrives at one.
pub(crate) fn is_canonical(bytes: &[u8; 32]) -> bool {
    let above_the_prime = bytes[31] == 0x7f && bytes[1..31].iter().all(|&byte| byte == 0xff) && bytes[0] >= 0xed;
    bytes[31] & 0x80 == 0 && !above_the_prime
}

/// Agreeing with a point of small order gives zero, whatever one's own key is, and aws-lc refuses that.
fn is_strong(bytes: &[u8; 32]) -> bool {
    let anybody = PrivateKey::from_private_key(&X25519, &[1; 32]).expect("any 32 bytes are a secret key");
    agree(&anybody, UnparsedPublicKey::new(&X25519, bytes), (), |_| Ok(())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::unhex;

    #[test]
    fn a_key_for_which_everybody_could_open_is_refused() {
        for weak in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            assert!(is_canonical(&unhex(weak).try_into().unwrap()), "{weak}");
            assert_eq!(PublicKey::from_slice(&unhex(weak)), Err(BadKey::Weak), "{weak}");
        }
    }

    #[test]
    fn a_key_has_one_spelling_only() {
        let mut nine = [0; 32];
        nine[0] = 9;
        assert!(PublicKey::from_bytes(nine).is_ok());
        let (mut with_the_top_bit, mut above_the_prime) = (nine, [0xff; 32]);
        with_the_top_bit[31] = 0x80;
        (above_the_prime[0], above_the_prime[31]) = (0xed + 9, 0x7f);
        assert_eq!(PublicKey::from_bytes(with_the_top_bit), Err(BadKey::Weak));
        assert_eq!(PublicKey::from_bytes(above_the_prime), Err(BadKey::Weak));
    }

    #[test]
    fn other_lengths_and_other_alphabets_are_refused() {
        assert_eq!(PublicKey::from_slice(&[9; 31]), Err(BadKey::Length(31)));
        assert_eq!(PublicKey::from_base64(&base64::encode([9; 33])), Err(BadKey::Length(33)));
        assert_eq!(PublicKey::from_base64("never"), Err(BadKey::NotBase64));
        let key = PublicKey::from_bytes([9; 32]).unwrap();
        assert_eq!(PublicKey::from_base64(&key.to_base64()), Ok(key));
    }
}
