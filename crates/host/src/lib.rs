//! The agents that the gateway hosts: `echo` and `script`, which are built in, [`acp`] agents, which are processes, and the
//! registry that others join.
//!
//! [`Host`] opens agents by name. What differs between built-in agents is how they think a turn through; living, being
//! interrupted, steered and closed is the same for all of them.

pub mod acp;
mod agent;
mod echo;
mod happening_size;
mod host;
mod inbox;
mod life;
pub mod script;
mod turn;
mod voice;
mod words;
mod workbench;

pub use agent::{Agent, Tasks};
pub use echo::Echo;
pub use host::Host;
pub use script::Script;
pub use workbench::Workbench;
