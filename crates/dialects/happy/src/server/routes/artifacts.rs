//! Artifacts of an account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use rejoin_ports::gateway::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::success;
use crate::server::Hall;
use crate::server::artifact::{self, Changed, New};
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::who::Signed;
use crate::wire::{Artifact, ArtifactHead, Versioned};

const BASE64: &str = "must be base64, and not too long";

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/artifacts", get(list).post(make))
        .route("/v1/artifacts/{artifact}", get(find).post(change).delete(remove))
}

async fn list(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Vec<ArtifactHead>>, Refused> {
    Ok(Json(artifact::list(&hall, &who).await?))
}

async fn find(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(artifact): Path<String>,
) -> Result<Json<Artifact>, Refused> {
    Ok(Json(artifact::find(&hall, &who, &artifact).await.map_err(missing)?))
}

async fn make(State(hall): State<Hall>, Signed(who): Signed, Body(new): Body<New>) -> Result<Json<Artifact>, Refused> {
    // Without its hyphens it would be another one.
    if new.id.len() != 36 || Uuid::try_parse(&new.id).is_err() {
        return Err(Refused::body("id", "must be a UUID"));
    }
    if let Some(field) = new.fault() {
        return Err(Refused::body(field, BASE64));
    }
    let elsewhere = Refused::Told(StatusCode::CONFLICT, artifact::ELSEWHERE);
    Ok(Json(artifact::make(&hall, &who, new).await?.ok_or(elsewhere)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    expected_header_version: Option<u64>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    expected_body_version: Option<u64>,
}

async fn change(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(artifact): Path<String>,
    Body(wanted): Body<Change>,
) -> Result<Json<Value>, Refused> {
    if wanted.header.as_deref().is_some_and(|header| !artifact::is_header(header)) {
        return Err(Refused::body("header", BASE64));
    }
    if wanted.body.as_deref().is_some_and(|body| !artifact::is_sealed(body)) {
        return Err(Refused::body("body", BASE64));
    }
    let header = wanted.header.zip(wanted.expected_header_version);
    let body = wanted.body.zip(wanted.expected_body_version);
    let mut answer = Map::new();
    match artifact::change(&hall, &who, &artifact, header, body).await.map_err(missing)? {
        Changed::Done { header, body } => {
            answer.insert("success".to_owned(), true.into());
            answer.extend(header.map(|version| ("headerVersion".to_owned(), version.into())));
            answer.extend(body.map(|version| ("bodyVersion".to_owned(), version.into())));
        }
        Changed::Mismatch { header, body } => {
            answer.insert("success".to_owned(), false.into());
            answer.insert("error".to_owned(), "version-mismatch".into());
            for (part, stands) in [("Header", header), ("Body", body)] {
                if let Some(Versioned { value, version }) = stands {
                    answer.insert(format!("current{part}Version"), version.into());
                    answer.insert(format!("current{part}"), value.into());
                }
            }
        }
    }
    Ok(Json(answer.into()))
}

async fn remove(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(artifact): Path<String>,
) -> Result<Json<Value>, Refused> {
    artifact::remove(&hall, &who, &artifact).await.map_err(missing)?;
    Ok(success())
}

fn missing(failure: Failure) -> Refused {
    Refused::or_missing("Artifact not found")(failure)
}
