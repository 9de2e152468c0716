//! The key-value store of an account: sealed values under plain keys, changed many at once, all of them or none.

use std::collections::HashMap;

use bytes::Bytes;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, RecordWrite};
use rejoin_seal::base64;
use serde::{Deserialize, Serialize};

use super::Hall;
use super::hub::Scope;
use super::shelf::{is_key, line, until_kept, within};
use super::who::Who;
use crate::wire::{Body, KvChange};

const KIND: &str = "happy.kv";
/// Lines of the feed that tell of a call's changes: their keys as JSON.
pub(super) const BATCH: &str = "happy.kv-batch";
/// Keys that one call may name.
pub(super) const MOST: usize = 100;
/// Keys that a list shows at most.
pub(super) const LISTED: usize = 1_000;
/// The longest value.
const LONGEST: usize = 4 << 20;
/// What the names of a call's keys may take in the feed.
const LONGEST_LINE: usize = 60 << 10;

/// A value, as it is answered.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    key: String,
    value: String,
    version: u64,
}

/// One change of a call. `version` is the one that the key has now, or -1 if there never was one.
#[derive(Deserialize)]
pub(super) struct Mutation {
    key: String,
    value: Option<String>,
    version: i64,
}

#[derive(Serialize)]
pub(super) struct Mutated {
    key: String,
    version: i64,
}

/// How a key stands that is not as expected.
#[derive(Serialize)]
pub(super) struct Mismatch {
    key: String,
    error: &'static str,
    version: i64,
    value: Option<String>,
}

/// What came of a call.
pub(super) enum Outcome {
    Done(Vec<Mutated>),
    Mismatch(Vec<Mismatch>),
}

/// Versions begin with 0 here, and with 1 in records.
fn shown(version: u64) -> i64 {
    i64::try_from(version).map_or(i64::MAX, |version| version - 1)
}

fn entry(key: String, version: u64, value: &[u8]) -> Entry {
    Entry { key, value: base64::encode(value), version: version.saturating_sub(1) }
}

pub(super) async fn find(hall: &Hall, who: &Who, key: &str) -> Result<Option<Entry>, Failure> {
    let record = hall.gateway.records.get(&who.owner(), KIND, key).await?;
    Ok(record.and_then(|record| Some(entry(record.key, record.version, &record.value?))))
}

pub(super) async fn list(hall: &Hall, who: &Who, prefix: &str, most: usize) -> Result<Vec<Entry>, Failure> {
    let found = hall.raw(&who.owner(), KIND, prefix, most).await?;
    Ok(found.into_iter().map(|(key, version, value)| entry(key, version, &value)).collect())
}

/// Those of the keys that have a value.
pub(super) async fn bulk(hall: &Hall, who: &Who, keys: &[String]) -> Result<Vec<Entry>, Failure> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for key in keys {
        if let Some(entry) = find(hall, who, key).await? {
            bytes += entry.value.len();
            within(bytes)?;
            found.push(entry);
        }
    }
    Ok(found)
}

/// Changes all of the keys, or none.
pub(super) async fn mutate(hall: &Hall, who: &Who, mutations: Vec<Mutation>) -> Result<Outcome, Failure> {
    let invalid = |why: &str| Failure::Invalid { field: "mutations", why: why.to_owned() };
    let names: Vec<&str> = mutations.iter().map(|mutation| mutation.key.as_str()).collect();
    let told = serde_json::to_string(&names).expect("names are texts");
    if !(1..=MOST).contains(&names.len()) || !names.iter().all(|key| is_key(key)) || told.len() > LONGEST_LINE {
        return Err(invalid("must have 1 to 100 keys that are not too long"));
    }
    let mut values = Vec::with_capacity(mutations.len());
    for mutation in &mutations {
        // An empty text takes the value away, as null does.
        let value = mutation.value.as_deref().filter(|value| !value.is_empty());
        let value = value.map(base64::decode).transpose().map_err(|_| invalid("must have values in base64"))?;
        if value.as_ref().is_some_and(|value| value.len() > LONGEST) {
            return Err(invalid("must not have values of more than 4 MiB"));
        }
        values.push(value.map(Bytes::from));
    }
    let owner = who.owner();
    until_kept(|| async {
        let now = hall.now();
        // How each key stands once the changes before have been made: its version in records, and its value.
        let mut stands: HashMap<&str, (u64, Option<Bytes>)> = HashMap::new();
        let (mut writes, mut results, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for (mutation, value) in mutations.iter().zip(&values) {
            let key = mutation.key.as_str();
            if !stands.contains_key(key) {
                let record = hall.gateway.records.get(&owner, KIND, key).await?;
                stands.insert(key, record.map_or((0, None), |record| (record.version, record.value)));
            }
            let (version, stored) = stands.get_mut(key).expect("just put there");
            if shown(*version) != mutation.version {
                wrong.push(Mismatch {
                    key: key.to_owned(),
                    error: "version-mismatch",
                    version: shown(*version),
                    value: stored.as_ref().map(base64::encode),
                });
                continue;
            }
            writes.push(RecordWrite {
                owner: owner.clone(),
                kind: KIND.to_owned(),
                key: key.to_owned(),
                expect: Expect::Version(*version),
                value: value.clone(),
                at: now,
            });
            (*version, *stored) = (*version + 1, value.clone());
            results.push(Mutated { key: key.to_owned(), version: shown(*version) });
        }
        if !wrong.is_empty() {
            return Ok(Outcome::Mismatch(wrong));
        }
        hall.keep(writes, vec![line(&owner, BATCH, &told, now)]).await?;
        Ok(Outcome::Done(results))
    })
    .await
}

/// What a line of the feed tells.
pub(super) async fn told(hall: &Hall, who: &Who, key: &str) -> Result<Option<(Scope, Body)>, Failure> {
    let Ok(mut keys) = serde_json::from_str::<Vec<String>>(key) else { return Ok(None) };
    keys.sort_unstable();
    keys.dedup();
    let mut changes = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(record) = hall.gateway.records.get(&who.owner(), KIND, &key).await? {
            let value = record.value.map(base64::encode);
            changes.push(KvChange { key, value, version: record.version.saturating_sub(1) });
        }
    }
    Ok(Some((Scope::People, Body::KvBatchUpdate { changes })))
}
