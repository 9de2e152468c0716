//! The gateway as a whole: configuration, sign-in, workspaces and files, limits, metrics, and everything put together.
//!
//! [`serve()`] is the process, [`Server`] a gateway inside one: tests start whole gateways with it.

pub mod agents;
mod confidential;
pub mod config;
pub mod diminuendo;
pub mod files;
pub mod folder;
pub mod happy;
mod happy_bridge;
mod health;
pub mod http;
mod integrations;
pub mod logs;
pub mod metrics;
mod operations;
pub mod options;
pub mod secrets;
pub mod serve;
pub mod server;
mod shelf;
pub mod sign_in;
pub mod terminals;
pub mod workspaces;

pub use config::{Config, ConfigError, Limits};
pub use options::Options;
pub use rejoin_store_sqlite::{Restored, restore};
pub use serve::{ServeError, serve};
pub use server::{Helper, Overrides, Running, Server, StartError};
