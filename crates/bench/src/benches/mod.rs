//! One module for each bench.

pub(crate) mod agent;
pub(crate) mod append;
pub(crate) mod connect;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod join;
mod many;
pub(crate) mod mix;
pub(crate) mod relay;
pub(crate) mod resume;
pub(crate) mod sessions;
pub(crate) mod stalled;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod teller;
