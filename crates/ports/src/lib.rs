//! What the gateway needs from outside ([`store`], [`agent`], [`clock`]) and what doors may ask of it ([`gateway`],
//! [`sign_in`], [`terminals`], [`integrations`]): traits, the values that travel through them, in-memory versions, and the laws that every version obeys.

pub mod agent;
pub mod batch;
pub mod clock;
pub mod gateway;
pub mod integrations;
pub mod laws;
pub mod memory;
pub mod sign_in;
pub mod store;
pub mod terminals;
