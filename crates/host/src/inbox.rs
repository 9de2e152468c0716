//! What a turn is told while it is under way, kept until it asks.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use rejoin_core::ask::Settled;
use rejoin_core::id::{AskId, CallId};
use rejoin_core::queue::LONGEST_PROMPT;
use rejoin_core::turn::Outcome;
use rejoin_ports::agent::ORDERS;
use tokio::sync::Notify;

/// The bytes of all steers that wait: as many as the longest single one has.
const STEERS: usize = LONGEST_PROMPT;

/// How a child session ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChildEnd {
    pub(crate) call: Option<CallId>,
    pub(crate) outcome: Outcome,
    pub(crate) text: String,
}

/// Written by the agent's life, read by the turn. Of each kind as many may wait as orders may; what is more, is dropped.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    heard: Mutex<Heard>,
    /// One reader: a kept permit is enough that no news is missed.
    news: Notify,
}

#[derive(Debug, Default)]
struct Heard {
    steers: VecDeque<String>,
    settled: VecDeque<(AskId, Settled)>,
    started: VecDeque<CallId>,
    ended: VecDeque<ChildEnd>,
}

impl Inbox {
    pub(crate) fn steered(&self, text: String) {
        let mut heard = self.lock();
        let bytes: usize = heard.steers.iter().map(String::len).sum();
        if heard.steers.len() >= ORDERS || bytes + text.len() > STEERS {
            tracing::warn!("a steer is dropped: too many wait already");
            return;
        }
        heard.steers.push_back(text);
        self.news.notify_one();
    }

    pub(crate) fn settled(&self, ask: AskId, settled: Settled) {
        push(&mut self.lock().settled, (ask, settled));
        self.news.notify_one();
    }

    pub(crate) fn started(&self, call: CallId) {
        push(&mut self.lock().started, call);
        self.news.notify_one();
    }

    pub(crate) fn child_ended(&self, end: ChildEnd) {
        push(&mut self.lock().ended, end);
        self.news.notify_one();
    }

    /// The oldest steer that nobody has taken yet.
    pub(crate) async fn steer(&self) -> String {
        self.wait(|heard| heard.steers.pop_front()).await
    }

    /// How this ask was settled.
    pub(crate) async fn answer(&self, ask: &AskId) -> Settled {
        self.wait(|heard| {
            let at = heard.settled.iter().position(|(id, _)| id == ask)?;
            heard.settled.remove(at).map(|(_, settled)| settled)
        })
        .await
    }

    /// The start of this call is kept.
    pub(crate) async fn start(&self, call: &CallId) {
        self.wait(|heard| {
            let at = heard.started.iter().position(|started| started == call)?;
            heard.started.remove(at)
        })
        .await;
    }

    /// How the child session of this call ended.
    pub(crate) async fn child(&self, call: &CallId) -> ChildEnd {
        self.wait(|heard| {
            let is_it = |end: &ChildEnd| end.call.as_ref() == Some(call);
            let at = heard.ended.iter().position(is_it)?;
            heard.ended.remove(at)
        })
        .await
    }

    async fn wait<T>(&self, take: impl Fn(&mut Heard) -> Option<T>) -> T {
        loop {
            if let Some(news) = take(&mut self.lock()) {
                return news;
            }
            self.news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no holder of this lock panics")
    }
}

/// When more wait than can, the oldest is one that nobody asked for.
fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= ORDERS {
        queue.pop_front();
    }
    queue.push_back(item);
}
