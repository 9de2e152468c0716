//! NaCl's secret box as it travels: `nonce [24] ‖ tag [16] ‖ ciphertext` (XSalsa20-Poly1305).

use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};

use crate::Unopened;
use crate::secret::{Secret, random};
use crate::unopened::{at_least, cut};

const NONCE: usize = 24;
pub(crate) const OVERHEAD: usize = NONCE + 16;

pub(crate) fn seal(key: &Secret, bytes: &[u8]) -> Vec<u8> {
    seal_with(&random(), key, bytes)
}

pub(crate) fn open(key: &Secret, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
    at_least(sealed, OVERHEAD)?;
    let (nonce, sealed) = cut::<NONCE>(sealed);
    cipher(key).decrypt(nonce.into(), sealed).map_err(|_| Unopened::Refused)
}

pub(crate) fn seal_with(nonce: &[u8; NONCE], key: &Secret, bytes: &[u8]) -> Vec<u8> {
    let sealed = cipher(key).encrypt(nonce.into(), bytes).expect("no slice is longer than the cipher can seal");
    [&nonce[..], &sealed].concat()
}

fn cipher(key: &Secret) -> XSalsa20Poly1305 {
    XSalsa20Poly1305::new(key.bytes().into())
}
