//! Thirty-two bytes that nobody may see: wiped when dropped, compared in constant time, printed as `…`.

use std::fmt;

use zeroize::Zeroizing;

pub(crate) const LENGTH: usize = 32;

#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; LENGTH]>);

impl Secret {
    pub(crate) fn new(bytes: [u8; LENGTH]) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    pub(crate) fn random() -> Secret {
        let mut secret = Secret::new([0; LENGTH]);
        fill(&mut *secret.0);
        secret
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Secret> {
        bytes.try_into().ok().map(Secret::new)
    }

    pub(crate) fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

/// Random bytes, for keys and nonces.
pub(crate) fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the system gives random bytes");
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&*self.0, &*other.0).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
