//! Happy, both sides: a server that its clients and apps connect to unchanged, and a Rust client with everything its SDK has.
//!
//! `packet` is how frames are made; `wire` is what travels in them, and `payload` what the seals of it hide from servers;
//! `server` is the door and `client` the SDK.

#[cfg(feature = "client")]
pub mod client;
pub mod packet;
pub mod payload;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;
