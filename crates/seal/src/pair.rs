//! X25519 pairs: the account's, and the one a terminal makes to be let in.

use aws_lc_rs::digest::{SHA512, digest};
use crypto_box::SecretKey;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::{PublicKey, Unopened, boxed};

/// The account's pair: keys of records are wrapped for its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPair(Secret);

impl ContentPair {
    /// libsodium's `crypto_box_seed_keypair`: the secret is the first half of the seed's SHA-512, not the seed.
    pub fn from_seed(seed: &[u8; 32]) -> ContentPair {
        let hash = digest(&SHA512, seed);
        ContentPair(Secret::from_slice(&hash.as_ref()[..32]).expect("SHA-512 gives 64 bytes"))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of(&key(&self.0))
    }

    pub(crate) fn open(&self, bundle: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        boxed::open(self.0.bytes(), bundle).map(Zeroizing::new)
    }

    #[cfg(test)]
    pub(crate) fn secret(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

/// The pair of a terminal that waits to be let in, or of a new device that waits for the account. Made for one occasion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalPair(Secret);

impl TerminalPair {
    pub fn random() -> TerminalPair {
        TerminalPair(Secret::random())
    }

    /// The bytes are the secret itself; nothing is hashed here.
    pub fn from_bytes(bytes: [u8; 32]) -> TerminalPair {
        TerminalPair(Secret::new(bytes))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of(&key(&self.0))
    }

    pub(crate) fn open(&self, bundle: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        boxed::open(self.0.bytes(), bundle).map(Zeroizing::new)
    }
}

/// As short-lived as can be: when it is dropped, `crypto_box` wipes the scalar, but not the bytes that it came from.
fn key(secret: &Secret) -> SecretKey {
    SecretKey::from_bytes(*secret.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sees_a_pair_in_a_log() {
        assert_eq!(format!("{:?}", TerminalPair::random()), "TerminalPair(…)");
        assert_eq!(format!("{:?}", ContentPair::from_seed(&[1; 32])), "ContentPair(…)");
    }
}
