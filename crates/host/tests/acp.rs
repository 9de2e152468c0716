//! An agent in a process of its own, and somebody who plays the engine.

#[path = "acp/asking.rs"]
mod asking;
#[path = "acp/contract.rs"]
mod contract;
#[path = "acp/living.rs"]
mod living;
#[path = "acp/returning.rs"]
mod returning;
#[path = "acp/rig.rs"]
mod rig;
#[path = "acp/starting.rs"]
mod starting;
#[path = "acp/telling.rs"]
mod telling;
#[path = "acp/working.rs"]
mod working;
