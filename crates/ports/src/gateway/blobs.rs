//! Named bytes of a session: attachments that are too large for its log.

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::id::SessionId;
use rejoin_core::who::Identity;

use super::{Caller, Failure};

/// The largest one, and the longest name. How many a session has is bounded by the store.
pub const LARGEST_BLOB: usize = 16 << 20;
pub const LONGEST_BLOB_NAME: usize = 256;

/// Keeps bytes under names, for as long as their session is there.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// What had the name before is forgotten.
    async fn put(&self, caller: &Caller, session: &SessionId, name: &str, bytes: Bytes) -> Result<(), Failure>;
    async fn get(&self, identity: &Identity, session: &SessionId, name: &str) -> Result<Option<Bytes>, Failure>;
    /// Says whether there was one.
    async fn remove(&self, caller: &Caller, session: &SessionId, name: &str) -> Result<bool, Failure>;
}
