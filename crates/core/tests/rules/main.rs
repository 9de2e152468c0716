//! The rules, told as stories: what people and agents do to a session, what becomes of it, and what always stays true.

#![expect(unreachable_pub, reason = "a test has no public face: `pub` says what the harness offers")]

mod agents;
mod asks;
mod bytes;
mod commands;
mod control;
mod grants;
mod history;
mod lifecycle;
mod parts;
mod properties;
mod queue;
mod refusals;
mod registers;
mod restarts;
mod samples;
mod story;
mod trimming;
mod turns;
