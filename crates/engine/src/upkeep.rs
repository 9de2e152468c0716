//! Upkeep: old deltas fade, old feed entries and unreferenced blobs go. In small steps, and never under a reader.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rejoin_core::id::SessionId;
use rejoin_core::position::{Millis, Seq};
use tokio::sync::Notify;

use crate::engine::Inner;

/// How many sessions may wait for upkeep. One that is not among them has its turn when it is next used.
const MOST_WAITING: usize = 4_096;
/// How long a session rests before its deltas fade: whoever was cut off in mid-turn reads them once more from the log.
const REST_MS: Millis = 60_000;
/// The pause between two steps while turns run: upkeep must not be felt.
const PAUSE: Duration = Duration::from_millis(200);
/// How often what belongs to no session is tidied.
const TIDY_MS: Millis = 60_000;

#[derive(Default)]
pub(crate) struct Upkeep {
    waiting: Mutex<VecDeque<(SessionId, Seq, Millis)>>,
    more: Notify,
}

impl Upkeep {
    /// A session rests; everything up to `tip` may fade when it has rested for a while.
    pub(crate) fn later(&self, session: SessionId, tip: Seq, now: Millis) {
        let mut waiting = self.waiting.lock().expect("never poisoned");
        waiting.retain(|(known, ..)| *known != session);
        if waiting.len() < MOST_WAITING {
            waiting.push_back((session, tip, now + REST_MS));
        }
        drop(waiting);
        self.more.notify_one();
    }

    fn next(&self, now: Millis) -> Result<(SessionId, Seq), Option<Millis>> {
        let mut waiting = self.waiting.lock().expect("never poisoned");
        match waiting.front() {
            Some((.., at)) if *at <= now => waiting.pop_front().map(|(session, tip, _)| (session, tip)).ok_or(None),
            Some((.., at)) => Err(Some(*at)),
            None => Err(None),
        }
    }
}

pub(crate) async fn run(inner: Arc<Inner>) {
    let mut tidy_at = inner.clock.now() + TIDY_MS;
    loop {
        let now = inner.clock.now();
        if now >= tidy_at {
            tidy_at = now + TIDY_MS;
            if let Err(error) = tidy(&inner, now).await {
                tracing::warn!(%error, "tidying failed");
            }
        }
        let wait = match inner.upkeep.next(now) {
            Ok((session, tip)) => {
                if let Err(error) = trim(&inner, &session, tip).await {
                    tracing::warn!(session.id = %session, %error, "old deltas could not fade");
                }
                continue;
            }
            Err(next) => next.unwrap_or(tidy_at).min(tidy_at),
        };
        tokio::select! {
            () = inner.clock.until(wait) => {}
            () = inner.upkeep.more.notified() => {}
            () = inner.stop.cancelled() => return,
        }
    }
}

async fn trim(inner: &Inner, session: &SessionId, tip: Seq) -> Result<(), rejoin_ports::store::StoreError> {
    // Somebody reads, or it is live again: it rests another time.
    while !inner.followers.is_read(session) && !inner.owners.shard(session).contains_key(session) {
        if !inner.store.trim(session, tip).await? {
            return Ok(());
        }
        pause(inner).await;
        if inner.stop.is_cancelled() {
            return Ok(());
        }
    }
    inner.upkeep.later(session.clone(), tip, inner.clock.now());
    Ok(())
}

async fn tidy(inner: &Inner, now: Millis) -> Result<(), rejoin_ports::store::StoreError> {
    while inner.store.tidy(now).await? && !inner.stop.is_cancelled() {
        pause(inner).await;
    }
    Ok(())
}

async fn pause(inner: &Inner) {
    if *inner.turns.borrow() > 0 {
        tokio::time::sleep(PAUSE).await;
    } else {
        tokio::task::yield_now().await;
    }
}
