//! The listener and what stands before every route: bounds, request ids, headers, the access log.

mod connections;
pub(crate) mod front;
mod listener;
mod patience;
mod peer;
pub(crate) mod problem;
#[cfg(test)]
mod tests;

pub use connections::Connections;
pub use listener::{Listener, Serving};
pub use peer::Proxies;
