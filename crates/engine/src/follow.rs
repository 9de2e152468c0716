//! Following: joining a session or an owner's feed at a position.

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::id::SessionId;
use rejoin_core::position::{CatchUp, Head, Heard, Position, Seq};
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Verb};
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Failure, FeedLine, Follow, JoinFrom, Joined, Scope};
use rejoin_ports::store::{FeedItem, PAGE_EVENTS};

use crate::engine::Engine;
use crate::follower::Follower;
use crate::reader::Cursor;
use crate::sessions::visible;

/// The most one page of events holds, in bytes; a caller that wants more asks again.
const LARGEST_PAGE: usize = 1 << 20;

#[async_trait]
impl Follow for Engine {
    async fn join(&self, identity: &Identity, session: &SessionId, from: JoinFrom) -> Result<Joined, Failure> {
        let follower = self.follower(identity, session).await?;
        let cursor = |at, tip, gap| Box::new(Cursor::new(self.inner.clone(), follower.clone(), at, tip, gap));
        let now = match from {
            JoinFrom::Now => true,
            JoinFrom::After(heard) => {
                let (head, tip) = self.head(&follower);
                match head.catch_up(heard) {
                    CatchUp::Current | CatchUp::From(_) => {
                        return Ok(Joined { view: None, reader: cursor(heard.seq, tip, None) });
                    }
                    CatchUp::Snapshot => false,
                }
            }
        };
        let view = Arc::new(self.view_of(&follower).await?);
        let at = view.position.seq;
        Ok(match now {
            true => Joined { view: Some(view), reader: cursor(at, at, None) },
            false => Joined { view: None, reader: cursor(at, at, Some(view)) },
        })
    }

    async fn page(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: Heard,
        most: usize,
    ) -> Result<(Option<Arc<Batch>>, Position), Failure> {
        let follower = self.follower(identity, session).await?;
        let (head, tip) = self.head(&follower);
        let position = Position { epoch: head.epoch, seq: tip };
        if head.catch_up(after) == CatchUp::Snapshot {
            return Ok((None, position));
        }
        // What was committed a moment ago need not be read.
        let fresh = follower.state().fresh(after.seq);
        let batch = match fresh {
            Some(batch) => batch,
            None => self.inner.store.read(session, after.seq, LARGEST_PAGE).await?.batch,
        };
        let most = most.min(PAGE_EVENTS);
        let first = batch.behind(after.seq);
        if first == 0 && batch.len() <= most {
            return Ok((Some(batch), position));
        }
        let length = |lines: usize| -> usize { batch.iter().take(lines).map(|(_, line)| line.len() + 1).sum() };
        let lines = batch.lines().slice(length(first)..length(first + most));
        let batch = Batch::read(session.clone(), head.epoch, lines).expect("whole lines of a batch are a batch");
        Ok((Some(Arc::new(batch)), position))
    }

    async fn feed(
        &self,
        identity: &Identity,
        scope: Scope,
        after: Heard,
        most: usize,
    ) -> Result<(Option<Vec<FeedLine>>, Position), Failure> {
        let owner = scope.owner(identity);
        let page = self.inner.store.feed(&owner, after.seq, most).await?;
        let epoch = self.inner.store.epoch();
        let position = Position { epoch, seq: page.newest };
        let gone =
            after.seq + 1 < page.oldest || after.seq > page.newest || after.epoch.is_some_and(|known| known != epoch);
        // Nothing heard yet is no gap: the list is the snapshot, and the feed goes on from what there is.
        if gone && after.seq > 0 {
            return Ok((None, position));
        }
        let line = |fed: rejoin_ports::store::Fed| {
            let mut line = FeedLine {
                seq: fed.seq,
                at: fed.at,
                session: None,
                session_seq: None,
                change: "record".into(),
                kind: None,
                key: None,
                version: None,
            };
            match fed.what {
                FeedItem::Session { session, seq, change } => {
                    (line.session, line.session_seq, line.change) = (Some(session), Some(seq), change);
                }
                FeedItem::Record { kind, key, version } => {
                    (line.kind, line.key, line.version) = (Some(kind), Some(key), Some(version));
                }
            }
            line
        };
        Ok((Some(page.items.into_iter().map(line).collect()), position))
    }

    async fn fed_to(&self, identity: &Identity, scope: Scope) -> Result<u64, Failure> {
        let owner = scope.owner(identity);
        match self.inner.followers.fed_to(&owner) {
            Some(newest) => Ok(newest),
            None => Ok(self.inner.store.feed(&owner, 0, 1).await?.newest),
        }
    }

    async fn fed(&self, identity: &Identity, scope: Scope, after: u64) -> Result<(), Failure> {
        let owner = scope.owner(identity);
        let mut feed = self.inner.followers.watch_feed(owner.clone());
        let told = *feed.borrow_and_update();
        // It may have grown before anybody watched; afterwards nothing is kept that is not told of.
        if told > after || (told == 0 && self.inner.store.feed(&owner, after, 1).await?.newest > after) {
            return Ok(());
        }
        tokio::select! {
            grown = feed.wait_for(|newest| *newest > after) => grown.map(|_| ()).map_err(|_| Failure::Closing),
            () = self.inner.followers.stopped.cancelled() => Err(Failure::Closing),
        }
    }
}

impl Engine {
    /// The follower of a session that the caller may see.
    pub(crate) async fn follower(&self, identity: &Identity, session: &SessionId) -> Result<Arc<Follower>, Failure> {
        if let Some(follower) = self.known(identity, session)? {
            return Ok(follower);
        }
        self.let_in(identity, session).await?;
        let warm = || self.inner.warm(session);
        self.inner.followers.of(session, warm).await?.ok_or(Failure::NotFound("session"))
    }

    /// The same, if it is followed already: then nobody else has to be asked.
    pub(crate) fn known(&self, identity: &Identity, session: &SessionId) -> Result<Option<Arc<Follower>>, Failure> {
        let Some(follower) = self.inner.followers.loaded(session) else { return Ok(None) };
        match follower.state().header() {
            None => Ok(None),
            Some(header) if !visible(header, identity) => Err(Failure::NotFound("session")),
            Some(_) if !identity.role.may(Verb::Read, Kind::Session) => Err(Refusal::Forbidden.into()),
            Some(_) => Ok(Some(follower.clone())),
        }
    }

    fn head(&self, follower: &Follower) -> (Head, u64) {
        let state = follower.state();
        let head = Head { epoch: self.inner.store.epoch(), newest: Seq::new(state.tip), lifted: state.lifted };
        (head, state.tip)
    }
}
