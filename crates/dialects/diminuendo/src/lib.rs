//! Diminuendo, both sides: a server that its clients connect to unchanged, and a Rust client with everything its SDK has.
//!
//! `names` and `wire` are the dialect as it travels; `codec` turns what happened into its frames and its answers into
//! ours; `server` is the door and `client` the SDK.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
mod codec;
pub mod names;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;
