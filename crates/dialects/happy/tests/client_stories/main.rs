//! Stories of the client, told against a server that does what the specification says, and fails when a test wants it to.

mod asking;
mod hearing;
mod http;
mod machine;
mod people;
mod running;
mod sending;
mod standin;
mod state;
