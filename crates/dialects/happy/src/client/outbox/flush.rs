//! Sends what waits, oldest first, until the server has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::api::NewMessage;
use super::super::backoff::Backoff;
use super::super::http::is_passing;
use super::super::inbox::Inlet;
use super::super::session::SessionNews;
use super::super::socket::{Socket, Status};
use super::super::{Api, Error};
use super::confirmed::Way;
use super::{BATCH, Outbox};
use crate::wire::Posted;

/// The wait before a second attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The task that empties an outbox.
pub(in crate::client) struct Flusher {
    pub(in crate::client) outbox: Outbox,
    pub(in crate::client) api: Api,
    pub(in crate::client) socket: Socket,
    pub(in crate::client) session: String,
    pub(in crate::client) inlet: Inlet<SessionNews>,
    /// The server has no better way than its socket.
    pub(in crate::client) is_old: Arc<AtomicBool>,
    pub(in crate::client) stop: CancellationToken,
}

/// What an attempt came to.
enum Attempt {
    Settled(Vec<Result<Posted, Error>>),
    /// One of them is at fault, and which is not known.
    Split,
    /// It may be better soon.
    Later(Error),
    /// Nobody is let in any more.
    Over(Error),
}

impl Flusher {
    pub(in crate::client) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.send_all() => {}
        }
    }

    async fn send_all(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, self.api.options().longest_delay);
        // Fewer at a time while one among them is at fault, until it is found.
        let mut most = BATCH;
        let mut silent = None;
        while self.outbox.oldest(1).await.is_some() {
            if let Some(connection) = self.socket.confirming().filter(|connection| Some(*connection) != silent) {
                match self.while_confirmed(connection).await {
                    Way::Silent => silent = Some(connection),
                    Way::Closed if self.socket.confirming() == Some(connection) => {} // one goes around it
                    Way::Closed => continue,
                }
            }
            let Some(batch) = self.outbox.oldest(most).await else { return };
            match self.attempt(&batch).await {
                Attempt::Settled(outcomes) => {
                    backoff.worked();
                    most = (most * 2).min(BATCH);
                    self.outbox.settle(outcomes);
                }
                Attempt::Split => most = batch.len().div_ceil(2),
                Attempt::Over(error) => return self.outbox.end(error),
                Attempt::Later(error) => {
                    tracing::debug!(session.id = self.session, %error, "happy: messages wait");
                    self.pause(backoff.next_wait()).await;
                }
            }
        }
    }

    async fn attempt(&self, batch: &[Arc<NewMessage>]) -> Attempt {
        if !self.is_old.load(Ordering::Relaxed) {
            match self.api.post(&self.session, batch).await {
                Err(error) if error.is_unknown_route() => self.is_old.store(true, Ordering::Relaxed),
                outcome => return judge(batch, outcome),
            }
        }
        match self.over_socket(batch).await {
            Ok(outcomes) => Attempt::Settled(outcomes),
            Err(error @ (Error::Refused(_) | Error::Closed)) => Attempt::Over(error),
            Err(error) => judge(batch, Err(error)),
        }
    }

    /// Waits, but no longer than until there is a connection again.
    async fn pause(&self, wait: Duration) {
        let connected = async {
            match self.socket.status() {
                Status::Connected => std::future::pending().await,
                status => self.socket.changed(&status).await,
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            _ = connected => {}
        }
    }
}

fn judge(batch: &[Arc<NewMessage>], outcome: Result<Vec<Posted>, Error>) -> Attempt {
    let all = |error: Error| Attempt::Settled(batch.iter().map(|_| Err(error.clone())).collect());
    match outcome {
        Ok(posted) => Attempt::Settled(matched(batch, posted)),
        Err(error @ Error::Http { status: 401, .. }) => Attempt::Over(error),
        // It is the session that is gone, for every message.
        Err(error) if error.is_not_found() => all(error),
        Err(error) => match error.status() {
            Some(status) if is_passing(status) => Attempt::Later(error),
            Some(_) if batch.len() > 1 => Attempt::Split,
            Some(_) => all(error),
            None => Attempt::Later(error),
        },
    }
}

fn matched(batch: &[Arc<NewMessage>], posted: Vec<Posted>) -> Vec<Result<Posted, Error>> {
    let mut posted: std::collections::HashMap<_, _> =
        posted.into_iter().filter_map(|posted| Some((posted.local_id.clone()?, posted))).collect();
    let of = |message: &Arc<NewMessage>| posted.remove(&message.local_id).ok_or(Error::Unreadable("sending messages"));
    batch.iter().map(of).collect()
}
