//! Artifacts: documents of an account, a sealed header and a sealed body, each with its own version.

use std::cmp::Reverse;

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, Owner};
use rejoin_seal::base64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Hall;
use super::hub::Scope;
use super::shelf::{Kept, is_key, line, put, until_kept};
use super::who::Who;
use crate::wire::{Artifact, ArtifactHead, Body, Versioned};

/// An artifact without its body, so that lists need not read those.
pub(super) const KIND: &str = "happy.artifact";
/// Lines of the feed that tell of changes: which parts, and of which.
pub(super) const CHANGED: &str = "happy.artifact-changed";
const BODY: &str = "happy.artifact-body";
/// Which account has the artifact of an id: ids are everybody's.
const HOLDER: &str = "happy.artifact-holder";
/// Artifacts that a list looks through, and those that it shows.
const LOOKED_AT: usize = 10_000;
const LISTED: usize = 200;
/// The longest header or wrapped key. A body may be as long as a record.
const LONGEST_HEADER: usize = 256 << 10;

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    header: String,
    header_version: u64,
    data_encryption_key: String,
    seq: u64,
    created_at: Millis,
    updated_at: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
struct Text {
    data: String,
    version: u64,
}

/// An artifact to be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct New {
    pub(super) id: String,
    pub(super) header: String,
    pub(super) body: String,
    pub(super) data_encryption_key: String,
}

/// A part's new text, and the version that it replaces.
pub(super) type Put = Option<(String, u64)>;

/// What came of a change: the new versions of what was changed, or how those stand that are not as expected.
pub(super) enum Changed {
    Done { header: Option<u64>, body: Option<u64> },
    Mismatch { header: Option<Versioned>, body: Option<Versioned> },
}

impl New {
    /// What of it is no good.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let small = |text: &str| text.len() <= LONGEST_HEADER && is_sealed(text);
        match () {
            () if !is_key(&self.id) => Some("id"),
            () if !small(&self.header) => Some("header"),
            () if !is_sealed(&self.body) => Some("body"),
            () if !small(&self.data_encryption_key) => Some("dataEncryptionKey"),
            () => None,
        }
    }
}

/// Whether it is what clients seal things into.
pub(super) fn is_sealed(text: &str) -> bool {
    base64::decode(text).is_ok()
}

pub(super) fn is_header(text: &str) -> bool {
    text.len() <= LONGEST_HEADER && is_sealed(text)
}

/// The artifacts of an account without their bodies, the one that was changed last first.
pub(super) async fn list(hall: &Hall, who: &Who) -> Result<Vec<ArtifactHead>, Failure> {
    let mut newest: Vec<ArtifactHead> = Vec::new();
    let sort = |heads: &mut Vec<ArtifactHead>| {
        heads.sort_by_key(|head| Reverse(head.updated_at));
        heads.truncate(LISTED);
    };
    let collect = |id: &str, head: Head| {
        newest.push(shown(id, head));
        if newest.len() >= LISTED * 2 {
            sort(&mut newest);
        }
    };
    hall.each(&who.owner(), KIND, "", LOOKED_AT, collect).await?;
    sort(&mut newest);
    Ok(newest)
}

pub(super) async fn find(hall: &Hall, who: &Who, id: &str) -> Result<Artifact, Failure> {
    let owner = who.owner();
    let missing = Failure::NotFound("artifact");
    let (head, body): (Kept<Head>, Kept<Text>) =
        (hall.kept(&owner, KIND, id).await?, hall.kept(&owner, BODY, id).await?);
    match (head.value, body.value) {
        (Some(head), Some(body)) => Ok(whole(id, head, body)),
        _ => Err(missing),
    }
}

/// Makes an artifact, or finds it, unchanged. `None`: another account has one of that id.
pub(super) async fn make(hall: &Hall, who: &Who, new: New) -> Result<Option<Artifact>, Failure> {
    let (owner, id) = (who.owner(), new.id.as_str());
    until_kept(|| async {
        let (kept, now): (Kept<Head>, _) = (hall.kept(&owner, KIND, id).await?, hall.now());
        if kept.value.is_some() {
            return find(hall, who, id).await.map(Some);
        }
        let holder: Kept<String> = hall.kept(&Owner::Gateway, HOLDER, id).await?;
        if holder.value.as_ref().is_some_and(|account| *account != who.account.id) {
            return Ok(None);
        }
        let head = Head {
            header: new.header.clone(),
            header_version: 1,
            data_encryption_key: new.data_encryption_key.clone(),
            seq: 0,
            created_at: now,
            updated_at: now,
        };
        let body = Text { data: new.body.clone(), version: 1 };
        let writes = vec![
            put(&owner, KIND, id, kept.unchanged(), Some(&head), now),
            put(&owner, BODY, id, Expect::Anything, Some(&body), now),
            put(&Owner::Gateway, HOLDER, id, holder.unchanged(), Some(&who.account.id), now),
        ];
        hall.keep(writes, vec![line(&owner, KIND, &format!("+ {id}"), now)]).await?;
        Ok(Some(whole(id, head, body)))
    })
    .await
}

/// Changes parts of an artifact, all of them or none.
pub(super) async fn change(hall: &Hall, who: &Who, id: &str, header: Put, body: Put) -> Result<Changed, Failure> {
    let owner = who.owner();
    until_kept(|| async {
        let (kept, now): (Kept<Head>, _) = (hall.kept(&owner, KIND, id).await?, hall.now());
        let text: Kept<Text> = hall.kept(&owner, BODY, id).await?;
        let (expect_head, expect_text) = (kept.unchanged(), text.unchanged());
        let (Some(mut head), Some(mut text)) = (kept.value, text.value) else {
            return Err(Failure::NotFound("artifact"));
        };
        let stale = |wanted: &Put, version| wanted.as_ref().is_some_and(|(_, expected)| *expected != version);
        let (old_header, old_body) = (stale(&header, head.header_version), stale(&body, text.version));
        if old_header || old_body {
            let stands = |value: &String, version| Versioned { value: Some(value.clone()), version };
            return Ok(Changed::Mismatch {
                header: old_header.then(|| stands(&head.header, head.header_version)),
                body: old_body.then(|| stands(&text.data, text.version)),
            });
        }
        (head.seq, head.updated_at) = (head.seq + 1, now);
        let mut parts = String::new();
        if let Some((header, version)) = &header {
            (head.header, head.header_version) = (header.clone(), version + 1);
            parts.push('h');
        }
        let mut writes = vec![put(&owner, KIND, id, expect_head, Some(&head), now)];
        if let Some((data, version)) = &body {
            text = Text { data: data.clone(), version: version + 1 };
            writes.push(put(&owner, BODY, id, expect_text, Some(&text), now));
            parts.push('b');
        }
        hall.keep(writes, vec![line(&owner, CHANGED, &format!("{parts} {id}"), now)]).await?;
        Ok(Changed::Done {
            header: header.is_some().then_some(head.header_version),
            body: body.is_some().then_some(text.version),
        })
    })
    .await
}

pub(super) async fn remove(hall: &Hall, who: &Who, id: &str) -> Result<(), Failure> {
    let owner = who.owner();
    until_kept(|| async {
        let (kept, now): (Kept<Head>, _) = (hall.kept(&owner, KIND, id).await?, hall.now());
        if kept.value.is_none() {
            return Err(Failure::NotFound("artifact"));
        }
        let writes = vec![
            put::<Head>(&owner, KIND, id, kept.unchanged(), None, now),
            put::<Text>(&owner, BODY, id, Expect::Anything, None, now),
            put::<String>(&Owner::Gateway, HOLDER, id, Expect::Anything, None, now),
        ];
        hall.keep(writes, vec![line(&owner, KIND, &format!("- {id}"), now)]).await
    })
    .await
}

fn shown(id: &str, head: Head) -> ArtifactHead {
    ArtifactHead {
        id: id.to_owned(),
        header: head.header,
        header_version: head.header_version,
        data_encryption_key: Some(head.data_encryption_key),
        seq: head.seq,
        created_at: head.created_at,
        updated_at: head.updated_at,
    }
}

fn whole(id: &str, head: Head, body: Text) -> Artifact {
    Artifact { head: shown(id, head), body: body.data, body_version: body.version }
}

/// What a line of the feed tells.
pub(super) async fn told(hall: &Hall, who: &Who, kind: &str, key: &str) -> Result<Option<(Scope, Body)>, Failure> {
    let Some((parts, id)) = key.split_once(' ') else { return Ok(None) };
    if kind == KIND && parts == "-" {
        return Ok(Some((Scope::People, Body::DeleteArtifact { artifact_id: id.to_owned() })));
    }
    let Artifact { head, body, body_version } = match find(hall, who, id).await {
        Ok(found) => found,
        Err(Failure::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let artifact_id = head.id;
    let told = match kind {
        KIND => Body::NewArtifact {
            artifact_id,
            seq: head.seq,
            header: head.header,
            header_version: head.header_version,
            body,
            body_version,
            data_encryption_key: head.data_encryption_key.unwrap_or_default(),
            created_at: head.created_at,
            updated_at: head.updated_at,
        },
        _ => {
            let versioned =
                |part: char, value, version| parts.contains(part).then_some(Versioned { value: Some(value), version });
            Body::UpdateArtifact {
                artifact_id,
                header: versioned('h', head.header, head.header_version),
                body: versioned('b', body, body_version),
            }
        }
    };
    Ok(Some((Scope::People, told)))
}

const NOT_FOUND: &str = "Artifact not found";
const INVALID: &str = "Invalid parameters";

/// Acknowledges `artifact-read`.
pub(super) async fn read(hall: &Hall, who: &Who, arg: &Value) -> Value {
    let Some(id) = text(arg, "artifactId") else { return error(INVALID) };
    match find(hall, who, id).await {
        Ok(artifact) => acknowledged(artifact),
        Err(failure) => failed(failure),
    }
}

/// Acknowledges `artifact-create`.
pub(super) async fn create(hall: &Hall, who: &Who, arg: &Value) -> Value {
    let Ok(new) = New::deserialize(arg) else { return error(INVALID) };
    if new.fault().is_some() {
        return error(INVALID);
    }
    match make(hall, who, new).await {
        Ok(Some(artifact)) => acknowledged(artifact),
        Ok(None) => error(ELSEWHERE),
        Err(failure) => failed(failure),
    }
}

/// What is said when another account has one of that id.
pub(super) const ELSEWHERE: &str = "Artifact with this ID already exists for another account";

/// Acknowledges `artifact-update`.
pub(super) async fn update(hall: &Hall, who: &Who, arg: &Value) -> Value {
    let Some(id) = text(arg, "artifactId") else { return error(INVALID) };
    let Ok(header) = wanted(arg, "header", is_header) else { return error("Invalid header parameters") };
    let Ok(body) = wanted(arg, "body", is_sealed) else { return error("Invalid body parameters") };
    if header.is_none() && body.is_none() {
        return error("No updates provided");
    }
    let sent = |part: &Put| part.as_ref().map(|(data, _)| data.clone());
    let (sent_header, sent_body) = (sent(&header), sent(&body));
    match change(hall, who, id, header, body).await {
        Ok(Changed::Done { header, body }) => {
            let part = |version: Option<u64>, data| version.map(|version| json!({ "version": version, "data": data }));
            parts("success", part(header, sent_header), part(body, sent_body))
        }
        Ok(Changed::Mismatch { header, body }) => {
            let part = |stands: Option<Versioned>| {
                stands.map(|Versioned { value, version }| json!({ "currentVersion": version, "currentData": value }))
            };
            parts("version-mismatch", part(header), part(body))
        }
        Err(failure) => failed(failure),
    }
}

/// Acknowledges `artifact-delete`.
pub(super) async fn delete(hall: &Hall, who: &Who, arg: &Value) -> Value {
    let Some(id) = text(arg, "artifactId") else { return error(INVALID) };
    match remove(hall, who, id).await {
        Ok(()) => json!({ "result": "success" }),
        Err(failure) => failed(failure),
    }
}

fn parts(result: &str, header: Option<Value>, body: Option<Value>) -> Value {
    let mut answer = Map::from_iter([("result".to_owned(), result.into())]);
    answer.extend(header.map(|header| ("header".to_owned(), header)));
    answer.extend(body.map(|body| ("body".to_owned(), body)));
    answer.into()
}

/// A part that a socket wants changed, if it names it.
fn wanted(arg: &Value, field: &str, is_good: fn(&str) -> bool) -> Result<Put, ()> {
    let Some(part) = arg.get(field).filter(|part| !part.is_null()) else { return Ok(None) };
    let data = part.get("data").and_then(Value::as_str).filter(|data| is_good(data)).ok_or(())?;
    let expected = part.get("expectedVersion").and_then(Value::as_u64).ok_or(())?;
    Ok(Some((data.to_owned(), expected)))
}

fn text<'a>(arg: &'a Value, field: &str) -> Option<&'a str> {
    arg.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn acknowledged(mut artifact: Artifact) -> Value {
    artifact.head.data_encryption_key = None;
    json!({ "result": "success", "artifact": artifact })
}

fn error(message: &str) -> Value {
    json!({ "result": "error", "message": message })
}

fn failed(failure: Failure) -> Value {
    if let Failure::NotFound(_) = failure {
        return error(NOT_FOUND);
    }
    tracing::warn!(error = &failure as &dyn std::error::Error, "happy: an artifact was not read or changed");
    error("Internal error")
}
