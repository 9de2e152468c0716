//! Artifacts, opened.

use rejoin_seal::DataKey;
use uuid::Uuid;

use super::super::Error;
use super::super::api::{ArtifactChange, ArtifactChanged};
use super::super::key::Key;
use super::Account;
use crate::payload::{ArtifactBody, ArtifactHeader};
use crate::wire::{Artifact, ArtifactHead};

/// An artifact and the key to it. In lists it has no body.
#[derive(Debug, Clone)]
pub struct OpenedArtifact {
    /// As the server shows it.
    pub head: ArtifactHead,
    pub header: Option<ArtifactHeader>,
    pub body: Option<ArtifactBody>,
    pub body_version: Option<u64>,
    pub key: Key,
}

impl Account {
    /// All artifacts that can be opened, without their bodies.
    pub async fn artifacts(&self) -> Result<Vec<OpenedArtifact>, Error> {
        let heads = self.api().artifacts().await?;
        Ok(heads.into_iter().filter_map(|head| self.open_head(head).ok()).collect())
    }

    pub async fn artifact(&self, id: &str) -> Result<OpenedArtifact, Error> {
        self.open_artifact(self.api().artifact(id).await?)
    }

    pub async fn create_artifact(&self, header: &ArtifactHeader, body: &ArtifactBody) -> Result<OpenedArtifact, Error> {
        let (key, wrapped) = self.keys().wrap(DataKey::random());
        let (id, header_sealed, body_sealed) = (Uuid::now_v7().to_string(), key.seal(header)?, key.seal(body)?);
        let record = self.api().create_artifact(&id, &header_sealed, &body_sealed, &wrapped).await?;
        let (header, body) = (Some(header.clone()), Some(body.clone()));
        Ok(OpenedArtifact { head: record.head, header, body, body_version: Some(record.body_version), key })
    }

    /// Writes what is given of an artifact, unless somebody has changed it since it was read.
    pub async fn change_artifact(
        &self,
        artifact: &OpenedArtifact,
        header: Option<&ArtifactHeader>,
        body: Option<&ArtifactBody>,
    ) -> Result<ArtifactChanged, Error> {
        let change = ArtifactChange {
            header: header.map(|header| artifact.key.seal(header)).transpose()?,
            expected_header_version: header.map(|_| artifact.head.header_version),
            body: body.map(|body| artifact.key.seal(body)).transpose()?,
            expected_body_version: body.and(artifact.body_version),
        };
        self.api().change_artifact(&artifact.head.id, &change).await
    }

    pub(in crate::client) fn open_artifact(&self, record: Artifact) -> Result<OpenedArtifact, Error> {
        let opened = self.open_head(record.head)?;
        let body = opened.key.open_as(&record.body);
        Ok(OpenedArtifact { body, body_version: Some(record.body_version), ..opened })
    }

    fn open_head(&self, head: ArtifactHead) -> Result<OpenedArtifact, Error> {
        // One without a key cannot be one that we sealed.
        let wrapped = head.data_encryption_key.as_deref().ok_or(Error::Sealed("artifact"))?;
        let key = self.keys().of_record("opening an artifact", Some(wrapped))?;
        let header = key.open_as(&head.header);
        Ok(OpenedArtifact { head, header, body: None, body_version: None, key })
    }
}
