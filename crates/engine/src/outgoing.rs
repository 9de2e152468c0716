//! What one session's owner has to tell others: in order, and again until it has been heard.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rejoin_core::event::Event;
use rejoin_core::id::SessionId;
use rejoin_core::turn::Outcome;
use tokio::sync::oneshot;

use crate::engine::Inner;
use crate::owner::Request;

/// Messages that wait for one session's neighbours: asks and ends of turns, which are bounded themselves.
const MOST_WAITING: usize = 4_096;
/// How often a message is tried, a second apart at the end: a full disk may take a while.
const TRIES: u32 = 600;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// The parent hears that our turn, and with it our work for it, is over.
    ChildEnded { child: SessionId, outcome: Outcome, text: String },
    /// The root shows, or stops showing, an ask of ours.
    Mirror { event: Box<Event> },
}

#[derive(Default)]
pub(crate) struct Outgoing {
    waiting: Mutex<VecDeque<(SessionId, Message)>>,
}

impl Outgoing {
    pub(crate) fn send(self: &Arc<Self>, inner: &Arc<Inner>, to: SessionId, message: Message) {
        let mut waiting = self.waiting.lock().expect("never poisoned");
        if waiting.len() >= MOST_WAITING {
            tracing::error!(session.id = %to, "too much waits to be told; this is not");
            return;
        }
        waiting.push_back((to, message));
        // Whoever finds the queue empty brings out what is in it; the first stays in until it has been heard.
        if waiting.len() == 1 {
            inner.tasks.spawn(self.clone().bring(inner.clone()));
        }
    }

    async fn bring(self: Arc<Self>, inner: Arc<Inner>) {
        loop {
            let first = self.waiting.lock().expect("never poisoned").front().cloned();
            let Some((to, message)) = first else { return };
            deliver(&inner, &to, message).await;
            let mut waiting = self.waiting.lock().expect("never poisoned");
            waiting.pop_front();
            if waiting.is_empty() {
                return;
            }
        }
    }
}

/// Tells one message until it is kept there, or nobody is left to hear it.
pub(crate) async fn deliver(inner: &Arc<Inner>, to: &SessionId, message: Message) {
    let mut pause = Duration::from_millis(1);
    for _ in 0..TRIES {
        match inner.store.stored(to).await {
            Ok(None) => return,
            Ok(Some(stored)) => {
                let owner = inner.owner(to, || Arc::new(stored.row.header));
                let (reply, heard) = oneshot::channel();
                let request = match message.clone() {
                    Message::ChildEnded { child, outcome, text } => Request::ChildEnded { child, outcome, text, reply },
                    Message::Mirror { event } => Request::Mirror { event, reply },
                };
                if owner.mailbox.send(request).await.is_ok() && matches!(heard.await, Ok(Ok(_))) {
                    return;
                }
            }
            Err(error) => tracing::debug!(session.id = %to, %error, "a neighbour cannot be told yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = inner.stop.cancelled() => return,
        }
    }
    tracing::error!(session.id = %to, "a neighbour could not be told");
}
