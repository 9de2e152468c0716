//! Access keys: a sealed text for each pair of a session and a machine.

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shelf::{Kept, put, until_kept};
use super::who::Who;
use super::{Hall, machine, session};

const KIND: &str = "happy.access-key";
/// Keys that are looked through when a machine goes.
const LOOKED_AT: usize = 100_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessKey {
    data: String,
    data_version: u64,
    created_at: Millis,
    updated_at: Millis,
}

/// What came of a change.
pub(super) enum Changed {
    Done(u64),
    Mismatch { version: u64, data: String },
}

/// The key of a pair, if it has one.
pub(super) async fn find(hall: &Hall, who: &Who, session: &str, machine: &str) -> Result<Option<AccessKey>, Failure> {
    are_ours(hall, who, session, machine).await?;
    Ok(hall.kept(&who.owner(), KIND, &key(session, machine)).await?.value)
}

/// Gives a pair its key. `None`: it has one already.
pub(super) async fn create(
    hall: &Hall,
    who: &Who,
    session: &str,
    machine: &str,
    data: String,
) -> Result<Option<AccessKey>, Failure> {
    are_ours(hall, who, session, machine).await?;
    let (owner, key, now) = (who.owner(), key(session, machine), hall.now());
    let made = AccessKey { data, data_version: 1, created_at: now, updated_at: now };
    until_kept(|| async {
        let kept: Kept<AccessKey> = hall.kept(&owner, KIND, &key).await?;
        if kept.value.is_some() {
            return Ok(None);
        }
        hall.keep(vec![put(&owner, KIND, &key, kept.unchanged(), Some(&made), now)], Vec::new()).await?;
        Ok(Some(made.clone()))
    })
    .await
}

/// Changes a pair's key if it still has the version expected.
pub(super) async fn update(
    hall: &Hall,
    who: &Who,
    session: &str,
    machine: &str,
    expected: u64,
    data: &str,
) -> Result<Changed, Failure> {
    let (owner, key) = (who.owner(), key(session, machine));
    until_kept(|| async {
        let kept: Kept<AccessKey> = hall.kept(&owner, KIND, &key).await?;
        let (expect, now) = (kept.unchanged(), hall.now());
        let stored = kept.value.ok_or(Failure::NotFound("access key"))?;
        if stored.data_version != expected {
            return Ok(Changed::Mismatch { version: stored.data_version, data: stored.data });
        }
        let changed = AccessKey { data: data.to_owned(), data_version: expected + 1, updated_at: now, ..stored };
        hall.keep(vec![put(&owner, KIND, &key, expect, Some(&changed), now)], Vec::new()).await?;
        Ok(Changed::Done(changed.data_version))
    })
    .await
}

/// Acknowledges `access-key-get`.
pub(super) async fn get(hall: &Hall, who: &Who, arg: &Value) -> Value {
    let error = |error: &str| json!({ "ok": false, "error": error });
    let text = |field: &str| arg.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(session), Some(machine)) = (text("sessionId"), text("machineId")) else {
        return error("Invalid parameters: sessionId and machineId are required");
    };
    match find(hall, who, session, machine).await {
        Ok(key) => json!({ "ok": true, "accessKey": key }),
        Err(Failure::NotFound(_)) => error("Session or machine not found"),
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn std::error::Error, "happy: an access key was not read");
            error("Internal error")
        }
    }
}

/// The session was deleted.
pub(super) async fn forget_session(hall: &Hall, who: &Who, session: &str) -> Result<(), Failure> {
    hall.forget_all(who, KIND, &key(session, "")).await
}

/// The machine was deleted.
pub(super) async fn forget_machine(hall: &Hall, who: &Who, machine: &str) -> Result<(), Failure> {
    let (owner, mut gone) = (who.owner(), Vec::new());
    let collect = |key: &str, _: serde::de::IgnoredAny| {
        if key.split_once(' ').is_some_and(|(_, of)| of == machine) {
            gone.push(key.to_owned());
        }
    };
    hall.each(&owner, KIND, "", LOOKED_AT, collect).await?;
    hall.forget(&owner, KIND, gone.iter().map(String::as_str)).await
}

async fn are_ours(hall: &Hall, who: &Who, session: &str, machine: &str) -> Result<(), Failure> {
    let session = session::born(hall, who, session).await?;
    let machine = machine::born(hall, who, machine).await?;
    session.and(machine).map(drop).ok_or(Failure::NotFound("session or machine"))
}

/// Ids of sessions have no blanks.
fn key(session: &str, machine: &str) -> String {
    format!("{session} {machine}")
}
