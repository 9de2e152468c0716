//! A connection, ready to be used in both directions at once.

use bytes::Bytes;

use crate::decoder::Limits;
use crate::reading::Reading;
use crate::wire::Wire;
use crate::writing::{CLOSING, Writing};

/// What is read past at the end of a connection, so that the client sees our close. A client with
/// more than this still on its way is not listening anyway.
const PARTING_BYTES: usize = 1 << 20;

/// Both directions of a connection. The halves can be used from one task, with `select!`, or from
/// two.
pub struct Socket {
    pub reading: Reading,
    pub writing: Writing,
}

impl Socket {
    /// `early` is what came right behind the request, before the stream was ours.
    pub fn new(wire: Wire, early: Bytes, limits: Limits) -> Socket {
        let (source, sink) = wire.split();
        Socket { reading: Reading::new(source, &early, limits), writing: Writing::new(sink) }
    }

    pub fn split(self) -> (Reading, Writing) {
        (self.reading, self.writing)
    }

    /// Says goodbye: writes what waits and a close, then reads past what the client still sends,
    /// each within a few seconds.
    ///
    /// Without the reading, the kernel answers what nobody read with a reset, which can overtake
    /// the close on its way.
    pub async fn part(mut self, code: u16, reason: &str) {
        if let Err(error) = self.writing.close(code, reason).await {
            tracing::debug!(%error, code, "websocket: closing");
            return;
        }
        // A client that does not hang up in time is left behind.
        let _ = tokio::time::timeout(CLOSING, self.reading.drain(PARTING_BYTES)).await;
    }
}
