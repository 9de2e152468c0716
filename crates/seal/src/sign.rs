//! Signing in: who holds an account's secret signs a challenge.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// An account's Ed25519 pair.
#[derive(Clone)]
pub struct SigningPair(SigningKey);

impl SigningPair {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> SigningPair {
        SigningPair(SigningKey::from_bytes(seed))
    }

    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub fn sign(&self, challenge: &[u8]) -> [u8; 64] {
        self.0.sign(challenge).to_bytes()
    }
}

impl fmt::Debug for SigningPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningPair(…)")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("checking a signature: a public key has 32 bytes, not {0}")]
    KeyLength(usize),
    #[error("checking a signature: a signature has 64 bytes, not {0}")]
    SignatureLength(usize),
    /// No point at all, one of the few for which anybody can sign, or one that is written in an unusual way.
    #[error("checking a signature: the public key is not usable")]
    BadKey,
    #[error("checking a signature: it does not verify")]
    Mismatch,
}

/// Whether the holder of `public` has signed `challenge`. A key has one spelling only, so that it can be an account's name.
pub fn verify(public: &[u8], challenge: &[u8], signature: &[u8]) -> Result<(), Unverified> {
    let public: &[u8; 32] = public.try_into().map_err(|_| Unverified::KeyLength(public.len()))?;
    let signature: &[u8; 64] = signature.try_into().map_err(|_| Unverified::SignatureLength(signature.len()))?;
    let key = VerifyingKey::from_bytes(public).map_err(|_| Unverified::BadKey)?;
    if key.is_weak() || key.to_edwards().compress().as_bytes() != public {
        return Err(Unverified::BadKey);
    }
    key.verify_strict(challenge, &Signature::from_bytes(signature)).map_err(|_| Unverified::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> SigningPair {
        SigningPair::from_seed(&[7; 32])
    }

    #[test]
    fn a_signature_holds_for_its_challenge_and_key_only() {
        let (pair, stranger) = (pair(), SigningPair::from_seed(&[8; 32]));
        let signature = pair.sign(b"challenge");
        assert_eq!(verify(&pair.public(), b"challenge", &signature), Ok(()));
        assert_eq!(verify(&pair.public(), b"another", &signature), Err(Unverified::Mismatch));
        assert_eq!(verify(&stranger.public(), b"challenge", &signature), Err(Unverified::Mismatch));
        assert_eq!(verify(&pair.public(), b"", &pair.sign(b"")), Ok(()));
    }

    #[test]
    fn keys_and_signatures_of_other_lengths_are_refused() {
        let signature = pair().sign(b"challenge");
        assert_eq!(verify(&[0; 31], b"", &signature), Err(Unverified::KeyLength(31)));
        assert_eq!(verify(&[], b"", &signature), Err(Unverified::KeyLength(0)));
        assert_eq!(verify(&pair().public(), b"", &signature[1..]), Err(Unverified::SignatureLength(63)));
        assert_eq!(verify(&pair().public(), b"", &[0; 65]), Err(Unverified::SignatureLength(65)));
    }

    /// With such a key some signatures hold for any challenge: all zeroes got a token from the reference server.
    #[test]
    fn a_key_of_small_order_opens_no_account() {
        // The points of order 1, 2, 4 and 8, spelled properly.
        let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        let other_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let minus_one = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        let one = "0100000000000000000000000000000000000000000000000000000000000000";
        let zero = "0000000000000000000000000000000000000000000000000000000000000000";
        for text in [order_8, other_8, minus_one, one, zero] {
            let mut key = crate::vectors::unhex(text);
            for sign in [0, 0x80] {
                key[31] = key[31] & 0x7f | sign;
                assert_eq!(verify(&key, b"any", &[0; 64]), Err(Unverified::BadKey), "{text}");
                let mut identity = [0; 64];
                identity[0] = 1;
                assert_eq!(verify(&key, b"any", &identity), Err(Unverified::BadKey), "{text}");
            }
        }
    }

    #[test]
    fn a_key_has_one_spelling_only() {
        // p + 3 to p + 18 in little endian: where they are points at all, they are those of 3 to 18 under another name.
        let mut points = 0;
        for more in 3..=18_u8 {
            let mut other = [0xff; 32];
            (other[0], other[31]) = (0xed + more, 0x7f);
            let mut usual = [0; 32];
            usual[0] = more;
            points += usize::from(VerifyingKey::from_bytes(&usual).is_ok());
            assert_eq!(verify(&other, b"any", &[0; 64]), Err(Unverified::BadKey), "{more}");
        }
        assert!(points > 0, "there was nothing to refuse");
    }

    /// `s + L` in place of `s` would be a second signature of the same challenge.
    #[test]
    fn a_signature_cannot_be_bent_into_another() {
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut signature = pair().sign(b"challenge");
        let mut carry = 0;
        for (byte, more) in signature[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_eq!(verify(&pair().public(), b"challenge", &signature), Err(Unverified::Mismatch));
    }

    #[test]
    fn nobody_sees_a_pair_in_a_log() {
        assert_eq!(format!("{:?}", pair()), "SigningPair(…)");
    }
}
