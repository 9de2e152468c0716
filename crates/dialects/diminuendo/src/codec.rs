//! Between the log and the wire: what happened as frames, a session as answers show it, and answers of people as ours.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod event;
pub(crate) mod frames;
pub(crate) mod history;
pub(crate) mod meta;
pub(crate) mod number;
pub(crate) mod snapshot;
pub(crate) mod state;
