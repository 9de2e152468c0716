//! The first key: made when a data folder is used for the first time, for whoever started the gateway.

use std::path::{Path, PathBuf};

use rejoin_core::id::{TenantId, UserId};
use rejoin_core::who::Role;
use rejoin_ports::store::{CommitError, Expect, Owner};
use serde::{Deserialize, Serialize};

use super::Gate;
use super::key;
use super::keys::KeyRecord;
use super::members::{MemberRecord, member_write};
use crate::folder::{self, FolderError};
use crate::shelf::put;

/// The file in the data folder where the key is written.
pub const FILE: &str = "owner.key";
/// The record that says that it was made. It stays when the key is revoked, so that no later start makes another.
const MARK: (&str, &str) = ("setup", "owner-key");

/// The key that was made, for the one who looks at the first start.
pub struct FirstKey {
    pub text: String,
    pub file: PathBuf,
}

impl FirstKey {
    /// Enough to recognise it.
    pub fn hint(&self) -> String {
        key::hint(&self.text)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OwnerKeyError {
    #[error("keeping the owner's key")]
    Folder(#[from] FolderError),
    #[error("keeping the owner's key")]
    Store(#[from] CommitError),
}

#[derive(Serialize, Deserialize)]
struct Mark {}

impl Gate {
    /// Makes the owner's key at the first start; later ones give `None`.
    pub async fn first_key(&self, data: &Path) -> Result<Option<FirstKey>, OwnerKeyError> {
        let mark = self.shelf.get::<Mark>(&Owner::Gateway, MARK.0, MARK.1).await.map_err(CommitError::Store)?;
        if mark.value.is_some() {
            return Ok(None);
        }
        let now = self.clock.now();
        let tenant = TenantId::new("default").expect("a literal id");
        let user = UserId::new("owner").expect("a literal id");
        let (id, text) = key::mint();
        let record = KeyRecord::new(tenant.clone(), user.clone(), Role::Owner, "owner".to_owned(), &text, now);
        let mut writes = record.writes(&id);
        let mut member = MemberRecord::new(None, Role::Owner, now);
        member.ours = true;
        writes.push(member_write(&tenant, &user, Expect::Anything, &member));
        writes.push(put(&Owner::Gateway, MARK.0, MARK.1, Expect::Absent, Some(&Mark {}), now));
        // The file first: a crash in between leaves a key that opens nothing and is replaced, not one that nobody knows.
        let file = data.join(FILE);
        let (path, line) = (file.clone(), format!("{text}\n"));
        let written = tokio::task::spawn_blocking(move || folder::write_private(&path, line.as_bytes())).await;
        written.expect("writing a file does not panic")?;
        self.shelf.write(writes).await?;
        tracing::info!(key = key::hint(&text), "the owner's key was made");
        Ok(Some(FirstKey { text, file }))
    }
}
