//! Readers and feeds of the fake.

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::event::Logged;
use rejoin_core::id::SessionId;
use rejoin_core::position::{CatchUp, Head, Heard, Position};
use rejoin_core::who::Identity;
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Delivery, Failure, FeedLine, Follow, JoinFrom, Joined, Reader, Scope, View};
use tokio::sync::watch;

use super::{EPOCH, Fake, Kept, Life};

struct FakeReader {
    fake: Fake,
    session: SessionId,
    position: Position,
    gap: Option<Arc<View>>,
    caught_up: bool,
    life: watch::Receiver<Life>,
}

impl Kept {
    fn catch_up(&self, heard: Heard) -> Result<Position, Arc<View>> {
        let head = Head { epoch: EPOCH, newest: self.fold.tip, lifted: None };
        let gone = heard.seq > 0 && heard.seq < self.oldest;
        match head.catch_up(heard) {
            CatchUp::Snapshot => Err(Arc::new(self.view())),
            _ if gone => Err(Arc::new(self.view())),
            CatchUp::Current | CatchUp::From(_) => Ok(Position { epoch: EPOCH, seq: heard.seq }),
        }
    }
}

impl FakeReader {
    fn next_batch(&self) -> Option<(Arc<Batch>, usize)> {
        let state = self.fake.state();
        let kept = state.sessions.get(&self.session)?;
        let seq = self.position.seq;
        let mut batches = kept.batches.iter();
        let batch = batches.find(|batch| batch.last().is_some_and(|last| last.get() > seq))?;
        Some((batch.clone(), batch.behind(seq)))
    }
}

#[async_trait]
impl Reader for FakeReader {
    async fn next(&mut self) -> Result<Delivery, Failure> {
        loop {
            let life = self.life.borrow_and_update().clone();
            if let Some(view) = self.gap.take() {
                self.position = view.position;
                return Ok(Delivery::Gap(view));
            }
            if let Some((batch, first)) = self.next_batch() {
                self.position.seq = batch.last().unwrap().get();
                return Ok(Delivery::Events { batch, first });
            }
            if !std::mem::replace(&mut self.caught_up, true) {
                return Ok(Delivery::CaughtUp(self.position));
            }
            if life.deleted {
                return Ok(Delivery::Deleted);
            }
            if life.stopping {
                return Ok(Delivery::Stopping);
            }
            if self.life.changed().await.is_err() && self.life.borrow().deleted {
                return Ok(Delivery::Deleted);
            }
        }
    }

    fn position(&self) -> Position {
        self.position
    }

    fn ready(&self) -> bool {
        self.next_batch().is_some()
    }
}

#[async_trait]
impl Follow for Fake {
    async fn join(&self, identity: &Identity, session: &SessionId, from: JoinFrom) -> Result<Joined, Failure> {
        self.failing()?;
        let fake = self.clone();
        self.visible(identity, session, |kept| {
            let (position, gap, view) = match from {
                JoinFrom::Now => (kept.position(), None, Some(Arc::new(kept.view()))),
                JoinFrom::After(heard) => match kept.catch_up(heard) {
                    Ok(position) => (position, None, None),
                    Err(view) => (view.position, Some(view), None),
                },
            };
            let reader = FakeReader {
                fake,
                session: session.clone(),
                position,
                gap,
                caught_up: false,
                life: kept.state.subscribe(),
            };
            Joined { view, reader: Box::new(reader) }
        })
    }

    async fn page(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: Heard,
        most: usize,
    ) -> Result<(Option<Arc<Batch>>, Position), Failure> {
        self.failing()?;
        self.visible(identity, session, |kept| {
            let tip = kept.position();
            if kept.catch_up(after).is_err() {
                return (None, tip);
            }
            let events = kept.batches.iter().flat_map(|batch| batch.events().unwrap());
            let behind = events.filter(|logged| logged.seq.get() > after.seq);
            let page: Vec<Logged> = behind.take(most).cloned().collect();
            let batch = Batch::of(session.clone(), EPOCH, page);
            (Some(Arc::new(batch)), tip)
        })
    }

    async fn feed(
        &self,
        _: &Identity,
        scope: Scope,
        after: Heard,
        most: usize,
    ) -> Result<(Option<Vec<FeedLine>>, Position), Failure> {
        if scope == Scope::Own {
            return Ok((Some(Vec::new()), Position { epoch: EPOCH, seq: 0 })); // nothing here is private
        }
        let mut state = self.state();
        state.feed_reads += 1;
        let tip = Position { epoch: EPOCH, seq: state.newest_fed };
        // What is forgotten is no gap for whoever begins.
        let known = after.epoch.is_none_or(|epoch| epoch == EPOCH) && after.seq <= tip.seq;
        let behind = state.feed.iter().filter(|line| line.seq > after.seq);
        Ok((known.then(|| behind.take(most).cloned().collect()), tip))
    }

    async fn fed(&self, _: &Identity, _: Scope, after: u64) -> Result<(), Failure> {
        let mut fed = self.fed.subscribe();
        let heard = fed.wait_for(|seq| *seq > after).await;
        heard.map(|_| ()).map_err(|_| Failure::Closing)
    }
}

impl Fake {
    pub(in crate::tests) fn feeds(&self, session: &str, change: &str) {
        let seq = {
            let mut state = self.state();
            state.newest_fed += 1;
            let seq = state.newest_fed;
            state.feed.push(FeedLine {
                seq,
                at: super::NOW,
                session: Some(SessionId::new(session).unwrap()),
                session_seq: Some(1),
                change: change.to_owned(),
                kind: None,
                key: None,
                version: None,
            });
            seq
        };
        self.fed.send_replace(seq);
    }
}
