//! The Diminuendo door as a raw WebSocket peer meets it: frames written from the specification, and a whole gateway behind.
//!
//! Tests are named by the number that the specification's checklist gives them. Not here, because one process cannot show
//! them: how many transactions a burst takes (76) is a law of the stores and of the engine; how long a start, a connection
//! and a creation take (78, 79) is measured by `rejoin bench`; and this gateway has no upstream whose absence would open a
//! breaker (77). Items 80 to 91 are about clients. Whole processes are killed in `process` (73, 74); everywhere else time is
//! moved by hand.

mod doors;
mod example;
mod files;
mod frames;
mod gateway;
mod handshake;
mod joining;
mod liveness;
mod members;
mod peer;
mod process;
#[path = "../../src/sign_in/tests/provider.rs"]
#[expect(dead_code, reason = "the tests of sign-in use more of it")]
mod provider;
mod puppet;
mod questions;
mod reading;
mod rules;
mod sessions;
mod switches;
mod tools;
mod transport;
mod turns;
