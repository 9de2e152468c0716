//! The secret that an account is.

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::{BlobKey, ContentPair, SigningPair, backup, base64, tree};

/// Whoever has it owns the account: it signs in, and opens everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSecret(Secret);

impl AccountSecret {
    pub const LENGTH: usize = crate::secret::LENGTH;

    pub fn random() -> AccountSecret {
        AccountSecret(Secret::random())
    }

    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> AccountSecret {
        AccountSecret(Secret::new(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        self.0.bytes()
    }

    /// Reads what a person has typed off a piece of paper: see [`AccountSecret::to_backup`].
    pub fn from_backup(text: &str) -> Option<AccountSecret> {
        Self::from_slice(&backup::parse(text)?)
    }

    /// The text to write down: groups of five letters and digits.
    pub fn to_backup(&self) -> Zeroizing<String> {
        backup::print(self.as_bytes())
    }

    /// As the files of the command line have it.
    pub fn from_base64(text: &str) -> Option<AccountSecret> {
        Self::from_decoded(base64::decode(text))
    }

    pub fn to_base64(&self) -> Zeroizing<String> {
        base64::encode(self.as_bytes()).into()
    }

    /// As the app keeps it.
    pub fn from_base64_url(text: &str) -> Option<AccountSecret> {
        Self::from_decoded(base64::decode_url(text))
    }

    pub fn to_base64_url(&self) -> Zeroizing<String> {
        base64::encode_url(self.as_bytes()).into()
    }

    /// The pair that signs in. Its public half is the account's name.
    pub fn signing(&self) -> SigningPair {
        SigningPair::from_seed(self.as_bytes())
    }

    /// The pair that keys of records are wrapped for.
    pub fn content_pair(&self) -> ContentPair {
        ContentPair::from_seed(&tree::derive(self.as_bytes(), "Happy EnCoder", &["content"]))
    }

    /// The name by which usage statistics know the account. It gives nothing away of the secret.
    pub fn analytics_id(&self) -> String {
        let key = tree::derive(self.as_bytes(), "Happy Coder", &["analytics", "id"]);
        key[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key of attachments in sessions without a key of their own.
    pub fn blob_key(&self) -> BlobKey {
        BlobKey::derived(&tree::derive(self.as_bytes(), "Happy Blobs", &["master"]))
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<AccountSecret> {
        Secret::from_slice(bytes).map(AccountSecret)
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }

    fn from_decoded(bytes: Result<Vec<u8>, base64::NotBase64>) -> Option<AccountSecret> {
        Self::from_slice(&Zeroizing::new(bytes.ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_from_each_of_its_texts() {
        let secret = AccountSecret::random();
        assert_eq!(AccountSecret::from_backup(&secret.to_backup()).as_ref(), Some(&secret));
        assert_eq!(AccountSecret::from_base64(&secret.to_base64()).as_ref(), Some(&secret));
        assert_eq!(AccountSecret::from_base64_url(&secret.to_base64_url()).as_ref(), Some(&secret));
    }

    #[test]
    fn what_is_not_thirty_two_bytes_is_no_secret() {
        for bytes in [&[0; 31][..], &[0; 33], &[]] {
            assert_eq!(AccountSecret::from_base64(&base64::encode(bytes)), None);
            assert_eq!(AccountSecret::from_base64_url(&base64::encode_url(bytes)), None);
        }
    }

    #[test]
    fn nobody_sees_a_secret_in_a_log() {
        assert_eq!(format!("{:?}", AccountSecret::random()), "AccountSecret(…)");
    }
}
