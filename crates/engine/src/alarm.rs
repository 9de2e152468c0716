//! The alarm clock: one task wakes every session whose deadline has come, live or not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rejoin_core::id::SessionId;
use rejoin_core::position::Millis;

use crate::engine::Inner;
use crate::owner::Request;

/// How many sessions are woken in one go.
const AT_ONCE: usize = 64;
/// How long we wait before we look again when the store is in trouble, or a session did not take its alarm.
const AGAIN_MS: Millis = 1_000;
/// How soon we look again behind a full round.
const A_MOMENT_MS: Millis = 50;
/// How long a session is left alone that is due again as soon as it was woken, and how many of those are looked past.
const STUCK_MS: Millis = 60_000;
const MOST_STUCK: usize = 4_096;
/// We look at least this often.
const LONGEST_SLEEP_MS: Millis = 60_000;

pub(crate) async fn run(inner: Arc<Inner>) {
    // Sessions that were woken and are due all the same: they cannot be helped for now, and must not hold up the others.
    let mut stuck: HashMap<SessionId, Millis> = HashMap::new();
    let mut woken: HashSet<SessionId> = HashSet::new();
    loop {
        let now = inner.clock.now();
        // Until we know better, every deadline is news.
        inner.next_alarm.store(Millis::MAX, Ordering::SeqCst);
        stuck.retain(|_, until| *until > now);
        let broken = std::mem::take(&mut *inner.broken.lock().expect("never poisoned"));
        let troubled = !broken.is_empty();
        futures_util::future::join_all(broken.iter().map(|session| inner.wake(session))).await;
        let next = match inner.store.due(now, AT_ONCE + stuck.len().min(MOST_STUCK)).await {
            Ok((due, next)) => {
                let due: Vec<SessionId> = due.into_iter().filter(|session| !stuck.contains_key(session)).collect();
                for session in due.iter().filter(|session| woken.contains(*session)) {
                    stuck.insert(session.clone(), now + STUCK_MS);
                }
                futures_util::future::join_all(due.iter().map(|session| inner.wake(session))).await;
                let any = !due.is_empty();
                woken = due.into_iter().collect();
                let later = now + if stuck.is_empty() { LONGEST_SLEEP_MS } else { AGAIN_MS };
                // What is stuck is still due, and says nothing about when the next one is.
                if any { now + A_MOMENT_MS } else { next.filter(|next| *next > now).unwrap_or(later).min(later) }
            }
            Err(error) => {
                tracing::warn!(%error, "the alarm clock cannot look at deadlines");
                now + AGAIN_MS
            }
        };
        let next = if troubled { next.min(now + AGAIN_MS) } else { next };
        inner.next_alarm.store(next, Ordering::SeqCst);
        tokio::select! {
            () = inner.clock.until(next) => {}
            () = inner.alarm.notified() => {
                // Broken sessions are looked at again after a moment, not at once: their cause needs time to go.
                let broken = !inner.broken.lock().expect("never poisoned").is_empty();
                if broken {
                    tokio::select! {
                        () = inner.clock.until(inner.clock.now() + AGAIN_MS) => {}
                        () = inner.stop.cancelled() => return,
                    }
                }
            }
            () = inner.stop.cancelled() => return,
        }
    }
}

/// Puts in order, in the background, what another life of the process left behind.
pub(crate) async fn repair(inner: Arc<Inner>) {
    let mut after: Option<SessionId> = None;
    loop {
        if inner.stop.is_cancelled() || inner.is_stopping() {
            return;
        }
        match inner.store.unsettled(after.as_ref(), AT_ONCE).await {
            Ok(sessions) if sessions.is_empty() => return,
            Ok(sessions) => {
                let woken = sessions.iter().map(|session| inner.wake(session));
                futures_util::future::join_all(woken).await;
                after = sessions.into_iter().last();
            }
            Err(error) => {
                tracing::warn!(%error, "sessions of an earlier life cannot be listed");
                tokio::select! {
                    () = inner.clock.until(inner.clock.now() + AGAIN_MS) => {}
                    () = inner.stop.cancelled() => return,
                }
            }
        }
    }
}

impl Inner {
    /// Has a session's owner look at its deadlines, and waits until that is kept.
    pub(crate) async fn wake(self: &Arc<Self>, session: &SessionId) {
        if self.is_read_only(session) {
            return;
        }
        let (reply, done) = tokio::sync::oneshot::channel();
        let Ok(Some(stored)) = self.store.stored(session).await else {
            return;
        };
        let owner = self.owner(session, || Arc::new(stored.row.header));
        if owner.mailbox.send(Request::Wake { reply: Some(reply) }).await.is_ok() {
            let _ = done.await; // refused or not: it is tried again when it is due again
        }
    }
}
