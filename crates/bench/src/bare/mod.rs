//! What the machine does without us: the figures that ours stand beside.

mod disk;
mod wire;

pub(crate) use disk::Disk;
pub(crate) use wire::{BATCH, Sender, Sent};
