//! Values under names: the names are readable to the server, the values need not be.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KvItem {
    pub key: String,
    #[serde(deserialize_with = "bytes")]
    pub value: Vec<u8>,
    pub version: u64,
}

/// One value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvMutation {
    pub key: String,
    /// None deletes it; so does an empty one.
    pub value: Option<Vec<u8>>,
    /// The version that it has; None where it never was.
    pub version: Option<u64>,
}

/// How writing went: all of it was done, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvMutated {
    /// The new version of each key.
    Done(Vec<(String, u64)>),
    Stale(Vec<KvRefusal>),
}

/// Why nothing was written: this is what there is instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvRefusal {
    pub key: String,
    /// None where it never was.
    pub version: Option<u64>,
    pub value: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Items {
    #[serde(alias = "values")]
    items: Vec<KvItem>,
}

#[derive(Deserialize)]
struct Written {
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    version: i64,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Serialize)]
struct Mutation<'a> {
    key: &'a str,
    value: Option<String>,
    version: i64,
}

impl Api {
    /// One value; None where there is none, or none any more.
    pub async fn kv_get(&self, key: &str) -> Result<Option<KvItem>, Error> {
        match self.ask(Ask::get("reading a value", format!("/v1/kv/{}", segment(key)))).await {
            Ok(item) => Ok(Some(item)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Values whose keys begin with `prefix`, by key.
    pub async fn kv_list(&self, prefix: Option<&str>, limit: Option<u32>) -> Result<Vec<KvItem>, Error> {
        let ask = Ask::get("listing values", "/v1/kv").query("prefix", prefix).query("limit", limit);
        Ok(self.ask::<Items>(ask).await?.items)
    }

    /// Those of these values that there are; 100 keys at most.
    pub async fn kv_bulk(&self, keys: &[&str]) -> Result<Vec<KvItem>, Error> {
        let ask = Ask::post("reading values", "/v1/kv/bulk").json(&json!({ "keys": keys })).safe();
        Ok(self.ask::<Items>(ask).await?.items)
    }

    /// Writes all of these values, 100 at most, or none.
    pub async fn kv_mutate(&self, mutations: &[KvMutation]) -> Result<KvMutated, Error> {
        const DOING: &str = "writing values";
        let mutations: Vec<_> = mutations.iter().map(Mutation::of).collect();
        let ask = Ask::post(DOING, "/v1/kv").json(&json!({ "mutations": mutations }));
        let (status, answer) = self.any_status(ask).await?;
        let unreadable = |_| Error::Unreadable(DOING);
        match status.as_u16() {
            200 => {
                let written: Written = serde_json::from_value(answer).map_err(unreadable)?;
                let version = |entry: Entry| Some((entry.key, u64::try_from(entry.version).ok()?));
                Ok(KvMutated::Done(written.results.into_iter().filter_map(version).collect()))
            }
            409 => {
                let refused: Refused = serde_json::from_value(answer).map_err(unreadable)?;
                refused.errors.into_iter().map(KvRefusal::of).collect::<Result<_, _>>().map(KvMutated::Stale)
            }
            status => {
                let said = answer["message"].as_str().or(answer["error"].as_str()).unwrap_or_default();
                Err(Error::Http {
                    doing: DOING,
                    status,
                    text: said.to_owned(),
                    unknown_route: answer["path"] != Value::Null,
                })
            }
        }
    }
}

impl Mutation<'_> {
    fn of(mutation: &KvMutation) -> Mutation<'_> {
        Mutation {
            key: &mutation.key,
            value: mutation.value.as_ref().map(|value| BASE64_STANDARD.encode(value)),
            version: mutation.version.and_then(|version| i64::try_from(version).ok()).unwrap_or(-1),
        }
    }
}

impl KvRefusal {
    fn of(entry: Entry) -> Result<KvRefusal, Error> {
        let value = entry.value.map(|value| BASE64_STANDARD.decode(value)).transpose();
        let value = value.map_err(|_| Error::Unreadable("writing values"))?;
        Ok(KvRefusal { key: entry.key, version: u64::try_from(entry.version).ok(), value })
    }
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)
}
