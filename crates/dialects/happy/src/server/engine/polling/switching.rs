//! How a WebSocket takes a session over.

use rejoin_socket::Socket;

use super::{Carrier, Session};
use crate::server::engine::refused::Refused;

impl Session {
    /// Lets one try at a time.
    pub(in crate::server::engine) fn begin_trying(&self) -> Result<(), Refused> {
        let mut state = self.lock();
        match state.carrier {
            Carrier::Polling => state.carrier = Carrier::Trying,
            Carrier::Trying | Carrier::Switching | Carrier::Socket(_) => return Err(Refused::Request),
        }
        Ok(())
    }

    /// From here on polls end at once: the client will go on only when the last of them did.
    pub(in crate::server::engine) fn let_polls_end(&self) {
        self.lock().carrier = Carrier::Switching;
        self.poll.notify_one();
    }

    pub(in crate::server::engine) fn stay_with_polling(&self) {
        self.lock().carrier = Carrier::Polling;
    }

    pub(in crate::server::engine) fn switch(&self, socket: Box<Socket>) {
        let mut state = self.lock();
        state.carrier = Carrier::Socket(Some(socket));
        state._place = None;
        drop(state);
        self.poll.notify_one();
        self.task.notify_one();
    }
}
