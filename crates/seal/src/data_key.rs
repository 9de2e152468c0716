//! The key of one record, which travels wrapped for its account.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::secret::{LENGTH, Secret, random};
use crate::unopened::at_least;
use crate::{BlobKey, ContentPair, PublicKey, Unopened, base64, boxed, tree};

/// The first byte of all that is sealed with or around such a key: which way it was done. There is only one so far.
const WAY: u8 = 0;
const NONCE: usize = 12;
const TAG: usize = 16;
/// `0 ‖ nonce ‖ tag`, around nothing.
const LEAST: usize = 1 + NONCE + TAG;

/// A session, a machine or an artifact has one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey(Secret);

impl DataKey {
    pub const LENGTH: usize = LENGTH;
    /// How many bytes a wrapped key has, before base64.
    pub const WRAPPED: usize = 1 + boxed::OVERHEAD + LENGTH;

    pub fn random() -> DataKey {
        DataKey(Secret::random())
    }

    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> DataKey {
        DataKey(Secret::new(bytes))
    }

    pub fn from_base64(text: &str) -> Option<DataKey> {
        Secret::from_slice(&Zeroizing::new(base64::decode(text).ok()?)).map(DataKey)
    }

    pub fn to_base64(&self) -> Zeroizing<String> {
        base64::encode(self.as_bytes()).into()
    }

    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        self.0.bytes()
    }

    /// The key as it travels with its record, in base64. Only the account's secret opens it.
    pub fn wrap_for(&self, account: &PublicKey) -> String {
        Self::wrapped(&boxed::seal_to(account, self.as_bytes()))
    }

    /// Opens what [`DataKey::wrap_for`] gave.
    pub fn unwrap(account: &ContentPair, wrapped: &str) -> Result<DataKey, Unopened> {
        let wrapped = base64::decode(wrapped)?;
        at_least(&wrapped, 1 + boxed::OVERHEAD)?;
        let key = account.open(behind_way(&wrapped)?)?;
        Secret::from_slice(&key).map(DataKey).ok_or(Unopened::NotAKey(key.len()))
    }

    /// The key of attachments in a session with this key.
    pub fn blob_key(&self) -> BlobKey {
        BlobKey::derived(&tree::derive(self.as_bytes(), "Happy Blobs", &["session"]))
    }

    /// `0 ‖ nonce [12] ‖ ciphertext ‖ tag [16]` (AES-256-GCM).
    pub(crate) fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        self.seal_with(&random(), bytes)
    }

    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        at_least(sealed, LEAST)?;
        let (nonce, sealed) = crate::unopened::cut::<NONCE>(behind_way(sealed)?);
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.cipher().open_in_place(nonce, Aad::empty(), &mut bytes).map_err(|_| Unopened::Refused)?.len();
        bytes.truncate(opened);
        Ok(bytes)
    }

    pub(crate) fn seal_with(&self, nonce: &[u8; NONCE], bytes: &[u8]) -> Vec<u8> {
        const HEAD: usize = 1 + NONCE;
        let mut sealed = Vec::with_capacity(LEAST + bytes.len());
        sealed.push(WAY);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(bytes);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[HEAD..])
            .expect("nothing that fits into memory here is longer than the cipher can seal");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    pub(crate) fn wrapped(bundle: &[u8]) -> String {
        base64::encode([&[WAY], bundle].concat())
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.as_bytes()).expect("the key has the cipher's length"))
    }
}

fn behind_way(bytes: &[u8]) -> Result<&[u8], Unopened> {
    match bytes {
        [WAY, rest @ ..] => Ok(rest),
        [way, ..] => Err(Unopened::Prefix(*way)),
        [] => Err(Unopened::TooShort { length: 0, least: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountSecret;

    #[test]
    fn a_wrapped_key_opens_for_its_account_only() {
        let (account, stranger) = (AccountSecret::random().content_pair(), AccountSecret::random().content_pair());
        let key = DataKey::random();
        let wrapped = key.wrap_for(&account.public());
        assert_eq!(wrapped.len(), 140);
        assert_eq!(base64::decode(&wrapped).unwrap().len(), DataKey::WRAPPED);
        assert_eq!(DataKey::unwrap(&account, &wrapped), Ok(key));
        assert_eq!(DataKey::unwrap(&stranger, &wrapped), Err(Unopened::Refused));
    }

    #[test]
    fn what_is_not_a_wrapped_key_says_why() {
        let account = AccountSecret::random().content_pair();
        let sealed = |bytes: &[u8]| boxed::seal_to(&account.public(), bytes);
        let unwrap = |bytes: Vec<u8>| DataKey::unwrap(&account, &base64::encode(bytes));
        assert_eq!(DataKey::unwrap(&account, "*"), Err(Unopened::NotBase64));
        assert_eq!(unwrap(vec![]), Err(Unopened::TooShort { length: 0, least: 73 }));
        assert_eq!(unwrap(vec![0; 72]), Err(Unopened::TooShort { length: 72, least: 73 }));
        assert_eq!(unwrap([&[1], &sealed(&[7; 32])[..]].concat()), Err(Unopened::Prefix(1)));
        assert_eq!(unwrap([&[0], &sealed(&[7; 31])[..]].concat()), Err(Unopened::NotAKey(31)));
        assert_eq!(unwrap([&[0], &sealed(&[])[..]].concat()), Err(Unopened::NotAKey(0)));
    }

    #[test]
    fn nobody_sees_a_key_in_a_log() {
        assert_eq!(format!("{:?}", DataKey::random()), "DataKey(…)");
    }
}
