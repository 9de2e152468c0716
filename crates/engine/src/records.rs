//! Records: rows with a version, written by compare-and-set.

use async_trait::async_trait;
use rejoin_ports::gateway::{Failure, Records};
use rejoin_ports::store::{FeedEntry, FeedItem, Owner, Record, RecordWrite, Work};

use crate::engine::Engine;

/// The longest value of a record, and the most that are written at once.
const LONGEST_VALUE: usize = 16 << 20;
const MOST_WRITES: usize = 100;
/// The longest text of a line in a feed: it may name all that a batch has changed.
const LONGEST_LINE: usize = 64 << 10;
/// The most that one page lists.
const MOST_LISTED: usize = 1_000;

#[async_trait]
impl Records for Engine {
    async fn get(&self, owner: &Owner, kind: &str, key: &str) -> Result<Option<Record>, Failure> {
        Ok(self.inner.store.record(owner, kind, key).await?)
    }

    async fn list(
        &self,
        owner: &Owner,
        kind: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Record>, Failure> {
        Ok(self.inner.store.records(owner, kind, prefix, after, most.clamp(1, MOST_LISTED)).await?)
    }

    async fn write(&self, writes: Vec<RecordWrite>) -> Result<Vec<u64>, Failure> {
        // Its version is known only once it is written; a feed says where to look, and version 0 means "the newest".
        let entry = |write: &RecordWrite| FeedEntry {
            owner: write.owner.clone(),
            what: FeedItem::Record { kind: write.kind.clone(), key: write.key.clone(), version: 0 },
            at: write.at,
        };
        let feed = writes.iter().filter(|write| write.owner != Owner::Gateway).map(entry).collect();
        self.write_as(writes, feed).await
    }

    async fn write_as(&self, writes: Vec<RecordWrite>, feed: Vec<FeedEntry>) -> Result<Vec<u64>, Failure> {
        let long = writes.iter().any(|write| write.value.as_ref().is_some_and(|value| value.len() > LONGEST_VALUE));
        if long || writes.len() > MOST_WRITES {
            return Err(Failure::Invalid { field: "records", why: "too many, or one is too long".into() });
        }
        if feed.len() > MOST_WRITES || feed.iter().any(|entry| length(&entry.what) > LONGEST_LINE) {
            return Err(Failure::Invalid { field: "feed", why: "too many lines, or one is too long".into() });
        }
        let work = Work { records: writes, feed, ..Work::default() };
        Ok(self.inner.store.commit(work).await?.versions)
    }
}

fn length(item: &FeedItem) -> usize {
    match item {
        FeedItem::Session { change, .. } => change.len(),
        FeedItem::Record { kind, key, .. } => kind.len() + key.len(),
    }
}
