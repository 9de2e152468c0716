//! A session that a connection has joined.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{AbortRegistration, Abortable};
use rejoin_core::event::Logged;
use rejoin_core::id::SessionId;
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Delivery, Failure, Reader};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::rendition;
use super::viewers::Viewing;
use crate::codec::number;
use crate::names::{Naming, told};

pub(super) struct Followed {
    pub(super) session: SessionId,
    /// Tells this joining of the session from an earlier one.
    pub(super) number: u64,
    pub(super) reader: Box<dyn Reader>,
    /// Who else looks at it; the count of this one is kept with what is joined.
    pub(super) count: watch::Receiver<usize>,
    /// Until it is joined.
    pub(super) viewing: Option<Viewing>,
    /// Of the first event, frames up to here are known to the client.
    pub(super) known: u64,
    pub(super) replay: Option<Replay>,
}

/// A replay whose end the client wants to hear of.
pub(super) struct Replay {
    pub(super) from: u64,
    pub(super) count: u64,
}

/// What a joined session has to say.
pub(super) enum News {
    Delivery(Result<Delivery, Failure>),
    Viewers(usize),
}

/// What can be told of a session for as long as it is joined.
pub(super) type Next = std::pin::Pin<Box<dyn Future<Output = Option<(Followed, News)>> + Send>>;

impl Followed {
    /// Waits for what comes next; nothing comes once the session is left.
    pub(super) fn next(mut self, left: AbortRegistration) -> Next {
        let waiting = async move {
            let news = tokio::select! {
                delivery = self.reader.next() => News::Delivery(delivery),
                Ok(()) = self.count.changed() => News::Viewers(*self.count.borrow_and_update()),
            };
            (self, news)
        };
        let waiting = Abortable::new(waiting, left);
        Box::pin(async move { waiting.await.ok() })
    }

    /// A batch as frames, without what the client knows.
    pub(super) fn frames(&mut self, batch: &Arc<Batch>, first: usize, naming: Naming) -> Bytes {
        if self.known == 0 && self.replay.is_none() {
            return rendition::frames(batch, naming).from(first);
        }
        let known = std::mem::take(&mut self.known);
        let events: &[Logged] = batch.events().unwrap_or_default();
        let (frames, count) = rendition::frames_behind(batch, events.iter().skip(first), naming, known);
        if let Some(replay) = &mut self.replay {
            replay.count += count;
        }
        frames
    }

    /// The end of a replay, for a client that wants to hear of it.
    pub(super) fn replayed(&mut self) -> Option<Value> {
        let replay = self.replay.take()?;
        Some(json!({
            "type": told::REPLAY_COMPLETE,
            "sessionId": self.session,
            "fromSeq": replay.from,
            "toSeq": number::whole(self.reader.position().seq),
            "count": replay.count,
            "truncated": false,
        }))
    }
}
