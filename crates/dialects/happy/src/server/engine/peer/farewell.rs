//! The end of a connection: what was pushed leaves first, and nobody is told to stay away who should come back.

use rejoin_core::position::Millis;
use rejoin_socket::frame::code;

use super::line::{Line, Woken};
use super::{Packet, Peer};
use crate::packet::Engine;

/// How long the last packets may take to leave.
const LEAVING_MS: Millis = 5_000;

/// Why a connection ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// The client said goodbye.
    Left,
    /// There is nobody any more.
    Gone,
    /// The client broke the protocol; closed with this code.
    Violated(u16),
    /// It joined nothing in time.
    Idle,
    Stopping,
}

impl Peer {
    /// Says goodbye: everything that was pushed, then the end.
    ///
    /// A gateway that stops leaves out the packet that ends a namespace: a client library that gets one does not come back by
    /// itself, and here it should.
    pub async fn part(mut self) {
        let (code, reason) = match self.ending {
            Some(Ending::Gone) => return,
            None | Some(Ending::Left) => (code::NORMAL, ""),
            Some(Ending::Violated(code)) => (code, ""),
            Some(Ending::Idle) => (code::NORMAL, "no namespace was joined"),
            Some(Ending::Stopping) => (code::GOING_AWAY, "the gateway is stopping"),
        };
        if let Line::Polling(_) = self.line {
            if let Some(Ending::Left) = self.ending {
                return; // it will not poll again
            }
            self.say(Packet::new(&Engine::Close.to_string()));
        }
        let clock = self.hall.options.clock.clone();
        let mut late = clock.until(clock.now() + LEAVING_MS);
        loop {
            self.line.hand_over(&mut self.queue);
            if self.waiting() == 0 {
                break;
            }
            let woken = tokio::select! {
                woken = self.line.woken(false, true) => woken,
                () = &mut late => break,
            };
            match woken {
                Woken::Switched(switched) => self.switch(switched),
                Woken::Ended(_) => return,
                _ => {}
            }
        }
        if let Line::Socket(socket) = self.line {
            socket.part(code, reason).await;
        }
    }
}
