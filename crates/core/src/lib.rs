//! The rules of Rejoin: what a session is, what can happen in it, and who may do what.
//!
//! A session is a numbered list of events. Commands and happenings come in, [`decide::Decider`] turns them into events or
//! a [`refusal::Refusal`], and [`session::Session`] is what the events fold to. Nothing here waits, reads a clock, touches
//! a disk or knows a wire format.

pub mod ask;
pub mod command;
pub mod control;
pub mod decide;
pub mod event;
mod fold;
pub mod grant;
pub mod happening;
pub mod header;
pub mod id;
pub mod part;
pub mod pattern;
pub mod position;
pub mod queue;
pub mod refusal;
pub mod register;
pub mod sealed;
pub mod session;
pub mod shell;
pub mod trim;
pub mod turn;
pub mod usage;
pub mod value;
pub mod who;
