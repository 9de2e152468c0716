//! Artifacts, as the server keeps them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Error;
use super::super::http::{Api, Ask};
use super::{Versioned, segment};
use crate::wire::{Artifact, ArtifactHead};

/// What to change of an artifact, each part with the version that it has now. Parts are sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_header_version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_body_version: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactChanged {
    Done {
        header_version: Option<u64>,
        body_version: Option<u64>,
    },
    /// Somebody else changed it before: these are the parts as they are.
    Stale {
        header: Option<Versioned>,
        body: Option<Versioned>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    success: bool,
    header_version: Option<u64>,
    body_version: Option<u64>,
    current_header_version: Option<u64>,
    current_header: Option<String>,
    current_body_version: Option<u64>,
    current_body: Option<String>,
}

impl Api {
    /// All artifacts without their bodies, 200 at most.
    pub async fn artifacts(&self) -> Result<Vec<ArtifactHead>, Error> {
        self.ask(Ask::get("listing artifacts", "/v1/artifacts")).await
    }

    pub async fn artifact(&self, id: &str) -> Result<Artifact, Error> {
        self.ask(Ask::get("reading an artifact", format!("/v1/artifacts/{}", segment(id)))).await
    }

    /// Creates an artifact whose id (a UUID) is made here, or gives back the one that has it already.
    pub async fn create_artifact(
        &self,
        id: &str,
        header: &str,
        body: &str,
        data_encryption_key: &str,
    ) -> Result<Artifact, Error> {
        let new = json!({ "id": id, "header": header, "body": body, "dataEncryptionKey": data_encryption_key });
        self.ask(Ask::post("creating an artifact", "/v1/artifacts").json(&new).safe()).await
    }

    pub async fn change_artifact(&self, id: &str, change: &ArtifactChange) -> Result<ArtifactChanged, Error> {
        let ask = Ask::post("changing an artifact", format!("/v1/artifacts/{}", segment(id))).json(change);
        let answer: Answer = self.ask(ask).await?;
        if answer.success {
            let Answer { header_version, body_version, .. } = answer;
            return Ok(ArtifactChanged::Done { header_version, body_version });
        }
        let part = |value, version: Option<u64>| version.map(|version| Versioned { value, version });
        Ok(ArtifactChanged::Stale {
            header: part(answer.current_header, answer.current_header_version),
            body: part(answer.current_body, answer.current_body_version),
        })
    }

    pub async fn delete_artifact(&self, id: &str) -> Result<(), Error> {
        self.tell(Ask::delete("deleting an artifact", format!("/v1/artifacts/{}", segment(id)))).await
    }
}
