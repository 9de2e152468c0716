//! A whole gateway inside a test: a store in memory, a clock moved by hand, the built-in agents, and people who use it.

mod faulty;
mod gateway;
mod listener;
pub mod model;
mod places;

pub use faulty::Faulty;
pub use gateway::{Gateway, person, viewer};
pub use listener::{Heard, Listener};
pub use places::TestPlaces;
