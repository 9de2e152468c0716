//! Records as types: rows of JSON, changed by compare-and-set, and the lines of an account's feed that tell of them.

use bytes::Bytes;
use rejoin_core::position::Millis;
use rejoin_core::refusal::Refusal;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, FeedEntry, FeedItem, Owner, RecordWrite, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Hall;
use super::who::Who;

/// How often a change begins anew when another write came between. Each time one of those who try gets through.
const TRIES: usize = 64;
/// How long to wait when that was not enough.
const RETRY_MS: Millis = 200;
/// Records that are read at once.
const PAGE: usize = 100;
/// Bytes that a list may bring together.
const LIST_BYTES: usize = 64 << 20;
/// The longest key that a client may choose.
const LONGEST_KEY: usize = 512;

/// A record's value, and the version it has. `None`: not there, or deleted.
pub(super) struct Kept<T> {
    pub(super) value: Option<T>,
    /// 0: there never was one.
    pub(super) version: u64,
}

impl<T> Kept<T> {
    /// What a write must expect so that nobody else wrote in between.
    pub(super) fn unchanged(&self) -> Expect {
        Expect::Version(self.version)
    }
}

/// Whether a client may choose this as a key.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_KEY
}

/// A write of a value, or of its end.
pub(super) fn put<T: Serialize>(
    owner: &Owner,
    kind: &'static str,
    key: &str,
    expect: Expect,
    value: Option<&T>,
    at: Millis,
) -> RecordWrite {
    let value = value.map(|value| Bytes::from(serde_json::to_vec(value).expect("records have text keys")));
    RecordWrite { owner: owner.clone(), kind: kind.to_owned(), key: key.to_owned(), expect, value, at }
}

/// A line of an owner's feed: one update for whoever is connected.
pub(super) fn line(owner: &Owner, kind: &'static str, key: &str, at: Millis) -> FeedEntry {
    let what = FeedItem::Record { kind: kind.to_owned(), key: key.to_owned(), version: 0 };
    FeedEntry { owner: owner.clone(), what, at }
}

/// Does something anew for as long as another write comes between.
pub(super) async fn until_kept<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for _ in 0..TRIES {
        match attempt().await {
            Err(Failure::Conflict { .. }) => {}
            done => return done,
        }
    }
    Err(Failure::TooBusy { retry_ms: RETRY_MS })
}

impl Hall {
    pub(super) fn now(&self) -> Millis {
        self.options.clock.now()
    }

    pub(super) async fn kept<T: DeserializeOwned>(
        &self,
        owner: &Owner,
        kind: &'static str,
        key: &str,
    ) -> Result<Kept<T>, Failure> {
        let Some(record) = self.gateway.records.get(owner, kind, key).await? else {
            return Ok(Kept { value: None, version: 0 });
        };
        let value = record.value.map(|bytes| read(kind, &bytes)).transpose()?;
        Ok(Kept { value, version: record.version })
    }

    /// Shows each record of a kind whose key begins so, in the order of the keys, at most so many.
    pub(super) async fn each<T: DeserializeOwned>(
        &self,
        owner: &Owner,
        kind: &'static str,
        prefix: &str,
        most: usize,
        mut show: impl FnMut(&str, T) + Send,
    ) -> Result<(), Failure> {
        let (mut after, mut shown) = (String::new(), 0);
        while shown < most {
            let wanted = PAGE.min(most - shown);
            let page = self.gateway.records.list(owner, kind, prefix, &after, wanted).await?;
            let last = page.len() < wanted;
            shown += page.len();
            for record in page {
                if let Some(bytes) = &record.value {
                    show(&record.key, read(kind, bytes)?);
                }
                after = record.key;
            }
            if last {
                break;
            }
        }
        Ok(())
    }

    /// All records of a kind whose key begins so, at most so many.
    pub(super) async fn all<T: DeserializeOwned + Send>(
        &self,
        owner: &Owner,
        kind: &'static str,
        prefix: &str,
        most: usize,
    ) -> Result<Vec<(String, T)>, Failure> {
        let mut found = Vec::new();
        self.each(owner, kind, prefix, most, |key, value| found.push((key.to_owned(), value))).await?;
        Ok(found)
    }

    /// Bytes of records as they are kept, in the order of their keys. Too many of them at once are refused.
    pub(super) async fn raw(
        &self,
        owner: &Owner,
        kind: &'static str,
        prefix: &str,
        most: usize,
    ) -> Result<Vec<(String, u64, Bytes)>, Failure> {
        let (mut after, mut found, mut bytes) = (String::new(), Vec::new(), 0);
        loop {
            let wanted = PAGE.min(most - found.len());
            let page = self.gateway.records.list(owner, kind, prefix, &after, wanted).await?;
            let last = page.len() < wanted;
            for record in page {
                after.clone_from(&record.key);
                if let Some(value) = record.value {
                    bytes += value.len();
                    found.push((record.key, record.version, value));
                }
            }
            within(bytes)?;
            if last || found.len() >= most {
                return Ok(found);
            }
        }
    }

    /// Keeps all of it, or none, and tells of it in the order of the lines.
    pub(super) async fn keep(&self, writes: Vec<RecordWrite>, lines: Vec<FeedEntry>) -> Result<(), Failure> {
        self.gateway.records.write_as(writes, lines).await.map(drop)
    }

    /// Removes all records of a kind whose key begins so.
    pub(super) async fn forget_all(&self, who: &Who, kind: &'static str, prefix: &str) -> Result<(), Failure> {
        let owner = who.owner();
        loop {
            let page = self.gateway.records.list(&owner, kind, prefix, "", PAGE).await?;
            let last = page.len() < PAGE;
            self.forget(&owner, kind, page.iter().map(|record| record.key.as_str())).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// Removes some records of a kind.
    pub(super) async fn forget(
        &self,
        owner: &Owner,
        kind: &'static str,
        keys: impl IntoIterator<Item = &str> + Send,
    ) -> Result<(), Failure> {
        let now = self.now();
        let gone = |key| put::<()>(owner, kind, key, Expect::Anything, None, now);
        let writes: Vec<RecordWrite> = keys.into_iter().map(gone).collect();
        for chunk in writes.chunks(PAGE) {
            self.keep(chunk.to_vec(), Vec::new()).await?;
        }
        Ok(())
    }
}

/// Whether so many bytes may be read for one answer.
pub(super) fn within(bytes: usize) -> Result<(), Failure> {
    if bytes > LIST_BYTES { Err(Refusal::TooLong.into()) } else { Ok(()) }
}

fn read<T: DeserializeOwned>(kind: &'static str, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::Store(StoreError::Corrupt { doing: kind, why: error.to_string() }))
}
