//! Attachments: sealed as they are, without JSON or base64.

use crate::secret::Secret;
use crate::{Unopened, secretbox};

/// The key of a session's attachments: [`Content::blob_key`](crate::Content::blob_key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobKey(Secret);

impl BlobKey {
    /// What a sealed attachment is longer than a bare one.
    pub const OVERHEAD: usize = secretbox::OVERHEAD;

    pub fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        secretbox::seal(&self.0, bytes)
    }

    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        secretbox::open(&self.0, sealed)
    }

    pub(crate) fn derived(bytes: &[u8; 32]) -> BlobKey {
        BlobKey(Secret::new(*bytes))
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}
