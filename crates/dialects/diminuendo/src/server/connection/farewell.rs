//! The end of a connection: what was begun is done and answered, what was not is refused, and all of it leaves before the
//! close.

use rejoin_core::position::Millis;
use rejoin_socket::{Reading, Socket};

use super::{Connection, Parting};
use crate::server::failure::Refused;
use crate::wire::Code;

/// How long a request that was begun may take to end when the connection does.
const LAST_REQUEST_MS: Millis = 5_000;

impl Connection {
    pub(super) async fn part(mut self, reading: Reading, parting: Option<Parting>) {
        if let Some(running) = self.running.take() {
            let clock = self.door.options.clock.clone();
            let late = clock.now().saturating_add(LAST_REQUEST_MS);
            tokio::select! {
                done = running => drop(self.finish(done)),
                () = clock.until(late) => {}
            }
        }
        let Some((code, reason)) = parting else {
            return;
        };
        // Who was busy when the gateway began to stop hears of it at least before the close.
        if !self.warned && self.door.options.draining.is_cancelled() {
            self.warn();
        }
        for said in std::mem::take(&mut self.asked) {
            if said.request.is_ok() {
                self.refuse(&Refused::new(Code::ShuttingDown, "The connection is ending"));
            }
        }
        self.speak();
        let socket = Socket { reading, writing: self.writing };
        socket.part(code, reason).await;
    }
}
