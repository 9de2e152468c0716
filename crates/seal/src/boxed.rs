//! What only the holder of one X25519 secret can open: `ephemeral public key [32] ‖ nonce [24] ‖ tag [16] ‖ ciphertext`.

use crypto_box::aead::Aead;
use crypto_box::{SalsaBox, SecretKey};
use zeroize::Zeroizing;

use crate::secret::random;
use crate::unopened::{at_least, cut};
use crate::{PublicKey, Unopened, public_key};

const NONCE: usize = 24;
/// What a bundle is longer than what is in it.
pub const OVERHEAD: usize = PublicKey::LENGTH + NONCE + 16;

/// Seals for whoever holds the secret of `to`. The pair it is sealed from is fresh each time, so not even its sealer opens it again.
pub fn seal_to(to: &PublicKey, bytes: &[u8]) -> Vec<u8> {
    seal_with(&Zeroizing::new(random()), &random(), to, bytes)
}

pub fn open(secret: &[u8; 32], bundle: &[u8]) -> Result<Vec<u8>, Unopened> {
    at_least(bundle, OVERHEAD)?;
    let (from, rest) = cut::<{ PublicKey::LENGTH }>(bundle);
    let (nonce, sealed) = cut::<NONCE>(rest);
    if !public_key::is_canonical(from) {
        return Err(Unopened::Refused); // another spelling of the same key: bytes that nobody sealed
    }
    SalsaBox::new(&(*from).into(), &SecretKey::from_bytes(*secret))
        .decrypt(nonce.into(), sealed)
        .map_err(|_| Unopened::Refused)
}

pub(crate) fn seal_with(ephemeral: &[u8; 32], nonce: &[u8; NONCE], to: &PublicKey, bytes: &[u8]) -> Vec<u8> {
    let ephemeral = SecretKey::from_bytes(*ephemeral);
    let sealed = SalsaBox::new(&(*to.as_bytes()).into(), &ephemeral)
        .encrypt(nonce.into(), bytes)
        .expect("no slice is longer than the cipher can seal");
    [&ephemeral.public_key().as_bytes()[..], nonce, &sealed].concat()
}
