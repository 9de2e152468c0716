//! What is written to clients.

use std::collections::VecDeque;

use bytes::Bytes;
use rejoin_socket::frame;

/// No further packet of the door is taken while this much waits. A single packet may be bigger.
const BYTES: usize = 1 << 20;
/// The same in packets: however small they are, a list of them takes room.
const PACKETS: usize = 4_096;
/// A queue that grew beyond this is given back when it is empty.
const KEPT: usize = 8;

/// One Engine.IO packet, encoded once for everybody who gets it: a WebSocket's frame, and within the same bytes the text that
/// polling carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    framed: Bytes,
    /// Bytes of the frame's head.
    head: u8,
}

impl Packet {
    /// From a whole packet, as the functions of [`packet`](crate::packet) build them.
    pub fn new(text: &str) -> Packet {
        let framed = frame::chunk(|out| frame::text(out, text));
        Packet { head: (framed.len() - text.len()) as u8, framed } // ten bytes at most
    }

    pub fn framed(&self) -> &Bytes {
        &self.framed
    }

    pub fn text(&self) -> &[u8] {
        &self.framed[usize::from(self.head)..]
    }

    pub fn len(&self) -> usize {
        self.framed.len()
    }

    /// Never: a packet has a type.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }
}

/// As much waits as may, and the packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client still has {waiting} bytes to read")]
pub struct Full {
    pub waiting: usize,
}

/// Packets that wait, and how much they are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    packets: VecDeque<Packet>,
    bytes: usize,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether this queue, with `elsewhere` bytes before it, is as long as it may be.
    pub(super) fn is_full(&self, elsewhere: usize) -> bool {
        self.packets.len() >= PACKETS || self.bytes + elsewhere >= BYTES
    }

    pub(super) fn push(&mut self, packet: Packet) {
        self.bytes += packet.len();
        self.packets.push_back(packet);
    }

    pub(super) fn first(&self) -> Option<&Packet> {
        self.packets.front()
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        if self.packets.is_empty() && self.packets.capacity() > KEPT {
            self.packets = VecDeque::new();
        }
        Some(packet)
    }

    /// Puts all of `behind` behind what is here.
    pub(super) fn append(&mut self, behind: &mut Queue) {
        self.bytes += std::mem::take(&mut behind.bytes);
        self.packets.append(&mut behind.packets);
    }
}
