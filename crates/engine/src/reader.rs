//! A reader: a cursor into a follower's ring, or into the log when it has fallen out of the ring.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rejoin_core::position::{Position, Seq};
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Delivery, Failure, Reader, View};
use rejoin_ports::store::PAGE_BYTES;
use tokio::sync::watch;

use crate::engine::Inner;
use crate::follower::Follower;

pub(crate) struct Cursor {
    inner: Arc<Inner>,
    follower: Arc<Follower>,
    tip: watch::Receiver<u64>,
    at: u64,
    /// Where the log ended when the reader came; passing it is told once.
    joined_at: Option<u64>,
    /// Told before everything else.
    gap: Option<Arc<View>>,
}

/// What the ring has for a cursor.
enum Here {
    Batch(Arc<Batch>),
    Nothing,
    Deleted,
    /// The ring has moved on; the log has it.
    FellOut,
}

impl Cursor {
    pub(crate) fn new(
        inner: Arc<Inner>,
        follower: Arc<Follower>,
        at: u64,
        joined_at: u64,
        gap: Option<Arc<View>>,
    ) -> Cursor {
        inner.followers.reader_came(&follower);
        let tip = follower.tip();
        Cursor { inner, follower, tip, at, joined_at: Some(joined_at), gap }
    }

    fn look(&self) -> Here {
        let state = self.follower.state();
        if self.at >= state.tip {
            return if state.deleted { Here::Deleted } else { Here::Nothing };
        }
        if self.at < state.floor {
            return Here::FellOut;
        }
        let next = state.ring.partition_point(|batch| batch.last().map_or(0, Seq::get) <= self.at);
        match state.ring.get(next) {
            Some(batch) => Here::Batch(batch.clone()),
            None => Here::FellOut,
        }
    }

    fn deliver(&mut self, batch: Arc<Batch>) -> Delivery {
        let first = batch.behind(self.at);
        self.at = batch.last().map_or(self.at, Seq::get);
        Delivery::Events { batch, first }
    }
}

#[async_trait]
impl Reader for Cursor {
    async fn next(&mut self) -> Result<Delivery, Failure> {
        if let Some(view) = self.gap.take() {
            return Ok(Delivery::Gap(view));
        }
        loop {
            if self.joined_at.is_some_and(|tip| self.at >= tip) {
                self.joined_at = None;
                return Ok(Delivery::CaughtUp(self.position()));
            }
            self.tip.mark_unchanged();
            match self.look() {
                Here::Batch(batch) => return Ok(self.deliver(batch)),
                Here::Deleted => return Ok(Delivery::Deleted),
                Here::Nothing => {
                    let stopped = &self.inner.followers.stopped;
                    if stopped.is_cancelled() {
                        return Ok(Delivery::Stopping);
                    }
                    tokio::select! {
                        // The sender lives in the follower, which we hold.
                        _ = self.tip.changed() => {}
                        () = stopped.cancelled() => {}
                    }
                }
                Here::FellOut => {
                    self.inner.counts.ring_misses.fetch_add(1, Ordering::Relaxed);
                    if let Some(page) = self.follower.page(self.at) {
                        return Ok(self.deliver(page));
                    }
                    let turn = self.inner.paging.clone().acquire_owned().await.map_err(|_| Failure::Closing)?;
                    // While we waited, somebody may have read what we want.
                    if let Some(page) = self.follower.page(self.at) {
                        return Ok(self.deliver(page));
                    }
                    let page = self.inner.store.read(&self.follower.id, self.at, PAGE_BYTES).await?;
                    drop(turn);
                    if page.batch.is_empty() {
                        // Its log is gone from under us: it was deleted before we had read it all.
                        return Ok(Delivery::Deleted);
                    }
                    // A page that ends at the tip may grow; others are as they are.
                    if page.more {
                        self.follower.keep_page(self.at, page.batch.clone());
                    }
                    return Ok(self.deliver(page.batch));
                }
            }
        }
    }

    fn position(&self) -> Position {
        Position { epoch: self.inner.store.epoch(), seq: self.at }
    }

    fn ready(&self) -> bool {
        self.gap.is_some() || matches!(self.look(), Here::Batch(_) | Here::Deleted)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.inner.followers.reader_left(&self.follower);
    }
}
