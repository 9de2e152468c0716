//! The Happy door as raw peers meet it: frames and requests written from the specification, and a whole gateway behind.
//!
//! Tests are named by the number that the specification's checklist gives them. Not here: the vectors of the seals (8) are
//! tests of `rejoin-seal`, and items 50 to 54 drive real clients. Where the specification says that a compatible server
//! should do better than its reference, it is the better that is asked for. Time is moved by hand.

mod access_keys;
mod account;
mod artifacts;
mod attachments;
mod auth;
mod bucket;
mod connecting;
mod fanout;
mod frames;
mod gateway;
mod http;
mod kv;
mod machines;
mod messages;
mod namespaces;
mod peer;
mod people;
mod polling;
mod presence;
mod process;
mod push;
mod registers;
mod restarts;
mod rpc;
mod sessions;
mod settings;
mod shapes;
mod standins;
mod transport;
mod usage;
mod voice;
mod wire;
