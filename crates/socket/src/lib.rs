//! The server side of a WebSocket, made for sending the same bytes to many readers.
//!
//! A server's frames are not masked, so one frame is the same bytes for everybody who reads it. A
//! door therefore builds a chunk of many frames once ([`frame`]) and every connection writes that
//! chunk as it is ([`Writing`]), several of them in one system call. What clients send is masked and
//! small; [`Decoder`] reads it without I/O, and [`Reading`] feeds it.
//!
//! An idle connection holds its socket, two empty buffers and its task, nothing else: hyper's
//! state is gone after the [`Upgrade`], and buffers exist only while something is in them.

mod decoder;
pub mod frame;
mod keepalive;
mod mask;
mod origin;
mod outbox;
mod reading;
mod socket;
mod upgrade;
mod violation;
mod wire;
mod writing;

pub use decoder::{CloseReason, Decoder, Incoming, Limits};
pub use keepalive::{Due, Keepalive};
pub use origin::{BadOrigin, Origins};
pub use outbox::Full;
pub use reading::Reading;
pub use socket::Socket;
pub use upgrade::{Accept, NotAnUpgrade, Upgrade};
pub use violation::Violation;
pub use wire::{Duplex, Wire};
pub use writing::{Flush, WriteError, Writing};
