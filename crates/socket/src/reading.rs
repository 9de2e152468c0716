//! The half of a connection that hears the client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};

use crate::decoder::{Decoder, Incoming, Limits};
use crate::violation::Violation;
use crate::wire::Source;

/// One read takes at most this: a busy client's backlog, and not so much that its messages keep
/// others from their turn.
const SCRATCH: usize = 32 * 1024;

thread_local! {
    /// Where every connection of a thread reads into, for the length of one poll. So a connection
    /// that waits has no buffer at all.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

pub struct Reading {
    source: Source,
    decoder: Decoder,
    ended: bool,
}

impl Reading {
    pub(crate) fn new(source: Source, early: &[u8], limits: Limits) -> Reading {
        let mut decoder = Decoder::new(limits);
        decoder.feed(early);
        Reading { source, decoder, ended: false }
    }

    /// What the client says next. `None` when nothing more can come: after its close, after a
    /// fatal [`Violation`], and when the connection is gone.
    ///
    /// Dropping the future loses nothing, so it may stand in a `select!`.
    pub async fn next(&mut self) -> Option<Result<Incoming, Violation>> {
        while !self.ended {
            match self.decoder.next() {
                Ok(Some(incoming)) => {
                    self.ended = matches!(incoming, Incoming::Close(_));
                    return Some(Ok(incoming));
                }
                Err(violation) => {
                    self.ended = violation.is_fatal();
                    return Some(Err(violation));
                }
                Ok(None) => {}
            }
            let Reading { source, decoder, .. } = self;
            match read(source, |bytes| decoder.feed(bytes)).await {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "websocket: reading");
                    self.ended = true;
                }
            }
        }
        None
    }

    /// Reads past what still comes until the client hangs up, or `most` bytes came.
    pub(crate) async fn drain(&mut self, most: usize) {
        let mut passed = 0;
        while passed < most {
            match read(&mut self.source, |_| {}).await {
                Ok(0) | Err(_) => return,
                Ok(count) => passed += count,
            }
        }
    }
}

/// Hands over what arrives next, and says how much it was: 0 at the end.
async fn read(source: &mut Source, mut hand_over: impl FnMut(&[u8])) -> io::Result<usize> {
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            let count = ready!(source.poll_read(context, buffer))?;
            hand_over(&buffer[..count]);
            Poll::Ready(Ok(count))
        })
    })
    .await
}
