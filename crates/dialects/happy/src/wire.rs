//! What travels, as it travels. Sealed texts are texts here: nobody on the way looks into them.

mod account;
mod artifact;
mod ephemeral;
mod machine;
mod message;
mod session;
mod update;
mod versioned;

pub use account::{AccountProfile, Avatar, FeedItem, Relationship, Settings, UserProfile};
pub use artifact::{Artifact, ArtifactHead};
pub use ephemeral::Ephemeral;
pub use machine::Machine;
pub use message::{Content, Message, Posted};
pub use session::Session;
pub use update::{Body, KvChange, Update};
pub use versioned::Versioned;

/// Times are milliseconds since 1970.
pub type Millis = u64;

/// Why a socket is refused, in the words that clients know.
pub mod text {
    pub const MISSING_TOKEN: &str = "Missing authentication token";
    pub const NEEDS_SESSION: &str = "Session ID required for session-scoped clients";
    pub const NEEDS_MACHINE: &str = "Machine ID required for machine-scoped clients";
    pub const INVALID_TOKEN: &str = "Invalid authentication token";
}
