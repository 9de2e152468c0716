//! `rejoin bench`: what the gateway does in a second, beside what the machine does without it, measured in the same run.

mod bare;
mod benches;
mod command;
mod figure;
mod gateway;
mod http;
mod kernel;
mod local;
mod process;
mod readers;
mod report;
mod room;
mod times;

pub use command::{Command, Defaults, run};
