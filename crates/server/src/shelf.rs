//! Records as types: rows of JSON, read and written with their versions.

use std::sync::Arc;

use bytes::Bytes;
use rejoin_core::position::Millis;
use rejoin_ports::store::{CommitError, Committed, Expect, Owner, RecordWrite, Store, StoreError, Work};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Records read at a time when all of a kind are wanted.
const PAGE: usize = 500;

/// What is kept, by type.
#[derive(Clone)]
pub(crate) struct Shelf {
    store: Arc<dyn Store>,
}

/// A record's value and its version; `None` if it is not there, or deleted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept<T> {
    pub value: Option<T>,
    /// 0: there never was one.
    pub version: u64,
}

impl<T> Kept<T> {
    /// What a write must expect so that nobody else wrote in between.
    pub(crate) fn unchanged(&self) -> Expect {
        match self.value {
            Some(_) => Expect::Version(self.version),
            None => Expect::Absent,
        }
    }
}

impl Shelf {
    pub(crate) fn new(store: Arc<dyn Store>) -> Shelf {
        Shelf { store }
    }
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        owner: &Owner,
        kind: &'static str,
        key: &str,
    ) -> Result<Kept<T>, StoreError> {
        let Some(record) = self.store.record(owner, kind, key).await? else {
            return Ok(Kept { value: None, version: 0 });
        };
        let value = record.value.map(|bytes| read(kind, &bytes)).transpose()?;
        let version = record.version;
        Ok(Kept { value, version })
    }

    /// The first `most` of a kind, in the order of their keys.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        owner: &Owner,
        kind: &'static str,
        most: usize,
    ) -> Result<Vec<(String, T)>, StoreError> {
        let mut found = Vec::new();
        let mut after = String::new();
        while found.len() < most {
            let wanted = PAGE.min(most - found.len());
            let page = self.store.records(owner, kind, "", &after, wanted).await?;
            let last = page.len() < wanted;
            for record in page {
                if let Some(bytes) = &record.value {
                    found.push((record.key.clone(), read(kind, bytes)?));
                }
                after = record.key;
            }
            if last {
                break;
            }
        }
        Ok(found)
    }

    pub(crate) async fn write(&self, records: Vec<RecordWrite>) -> Result<Committed, CommitError> {
        let work = Work { records, ..Work::default() };
        self.store.commit(work).await
    }
}

/// A write of one record.
pub(crate) fn put<T: Serialize>(
    owner: &Owner,
    kind: &str,
    key: &str,
    expect: Expect,
    value: Option<&T>,
    at: Millis,
) -> RecordWrite {
    let json = |value| serde_json::to_vec(value).expect("records have text keys");
    RecordWrite {
        owner: owner.clone(),
        kind: kind.to_owned(),
        key: key.to_owned(),
        expect,
        value: value.map(json).map(Bytes::from),
        at,
    }
}

fn read<T: DeserializeOwned>(kind: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Corrupt {
        doing: "reading a record",
        // The error's text could repeat the value.
        why: format!("{kind}: line {} column {}", error.line(), error.column()),
    })
}
