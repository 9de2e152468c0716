//! Readers that cost as little as a reader can, and still see whether a number is missing.

mod count;
mod crowd;
mod ear;
mod frames;
mod sse;
mod teller;

pub(crate) use count::Count;
pub(crate) use crowd::{Crowd, Gone, Join, Wire, connect};
pub(crate) use ear::Ear;
pub(crate) use teller::Teller;
