//! What is kept of links and shares. What they sign in with is in the vault, and what a session is sealed with nowhere: it
//! is derived anew from the vault's key and the share's salt.

use std::collections::BTreeSet;

use rejoin_core::id::{CallId, SessionId, TenantId, UserId};
use rejoin_core::position::{Millis, Position};
use rejoin_core::who::Role;
use rejoin_happy::client::seal::DataKey;
use rejoin_ports::gateway::{Failure, Secrets};
use rejoin_ports::store::{Expect, Owner, StoreError};
use serde::{Deserialize, Serialize};

use crate::secrets::{Vault, VaultError};
use crate::shelf::{Kept, Shelf, put};

/// Sessions that one person shares at once. Each has a task and a connection.
pub(crate) const MOST_SHARES: usize = 100;
/// Links that are taken up again at the start.
pub(super) const MOST_LINKS: usize = 10_000;

const LINK: &str = "happy-link";
const SHARE: &str = "happy-share";
/// The secret that a link signs in with.
const CREDENTIALS: &str = "happy-credentials";

/// A person who is linked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Whose {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
}

impl Whose {
    pub(super) fn owner(&self) -> Owner {
        Owner::User(self.tenant.clone(), self.user.clone())
    }
    fn key(&self) -> String {
        format!("{} {}", self.tenant, self.user) // ids have no blanks
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkRecord {
    #[serde(flatten)]
    pub(super) whose: Whose,
    /// None: our own.
    #[serde(default)]
    pub(super) server: Option<String>,
    /// Whose account it is there, as its public key.
    pub(super) account: String,
    pub(super) since: Millis,
    /// What the person might do when they linked; they never do more through the link.
    pub(super) role: Role,
    /// Since when all new sessions are shared.
    #[serde(default)]
    pub(super) share_new: Option<Millis>,
    /// The server lets us in no more.
    #[serde(default)]
    pub(super) refused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShareRecord {
    pub(super) since: Millis,
    /// Makes the session's key another one than that of any other share.
    pub(super) salt: String,
    /// The Happy session's tag, once it has one.
    #[serde(default)]
    pub(super) tag: Option<String>,
    #[serde(default)]
    pub(super) known_as: Option<String>,
    /// What the server has confirmed.
    #[serde(default)]
    pub(super) position: Option<Position>,
    /// Tool calls that were told to begin and not to end.
    #[serde(default)]
    pub(super) open: BTreeSet<CallId>,
    /// What people said up to here has been done.
    #[serde(default)]
    pub(super) heard: u64,
    /// It is not shared any more; the rest stays for when it is again.
    #[serde(default)]
    pub(super) off: bool,
    /// Why it cannot go on.
    #[serde(default)]
    pub(super) failed: Option<String>,
}

impl ShareRecord {
    pub(super) fn new(since: Millis) -> ShareRecord {
        ShareRecord {
            since,
            salt: uuid::Uuid::now_v7().simple().to_string(),
            tag: None,
            known_as: None,
            position: None,
            open: BTreeSet::new(),
            heard: 0,
            off: false,
            failed: None,
        }
    }
}

/// Links, shares, and what opens them.
#[derive(Clone)]
pub(super) struct Book {
    pub(super) shelf: Shelf,
    pub(super) vault: std::sync::Arc<Vault>,
}

impl Book {
    pub(super) async fn links(&self) -> Result<Vec<LinkRecord>, StoreError> {
        let all = self.shelf.all(&Owner::Gateway, LINK, MOST_LINKS).await?;
        Ok(all.into_iter().map(|(_, link)| link).collect())
    }

    pub(super) async fn link(&self, whose: &Whose) -> Result<Kept<LinkRecord>, StoreError> {
        self.shelf.get(&Owner::Gateway, LINK, &whose.key()).await
    }

    /// Returns the new version.
    pub(super) async fn keep_link(&self, link: &LinkRecord, expect: Expect, at: Millis) -> Result<u64, Failure> {
        let write = put(&Owner::Gateway, LINK, &link.whose.key(), expect, Some(link), at);
        Ok(self.shelf.write(vec![write]).await?.versions[0])
    }

    pub(super) async fn shares(&self, whose: &Whose) -> Result<Vec<(SessionId, ShareRecord)>, StoreError> {
        let most = 10 * MOST_SHARES; // those that are off, too
        let all = self.shelf.all(&whose.owner(), SHARE, most).await?;
        Ok(all.into_iter().filter_map(|(id, share)| Some((SessionId::new(id).ok()?, share))).collect())
    }

    pub(super) async fn share(&self, whose: &Whose, session: &SessionId) -> Result<Kept<ShareRecord>, StoreError> {
        self.shelf.get(&whose.owner(), SHARE, session.as_str()).await
    }

    pub(super) async fn keep_share(
        &self,
        whose: &Whose,
        session: &SessionId,
        share: Option<&ShareRecord>,
        expect: Expect,
        at: Millis,
    ) -> Result<u64, Failure> {
        let write = put(&whose.owner(), SHARE, session.as_str(), expect, share, at);
        Ok(self.shelf.write(vec![write]).await?.versions[0])
    }

    /// Forgets a link with everything that belongs to it, secrets first.
    pub(super) async fn forget(&self, whose: &Whose, at: Millis) -> Result<(), Failure> {
        self.vault.forget(&whose.owner(), CREDENTIALS).await?;
        self.forget_shares(whose, at).await?;
        let write = put::<LinkRecord>(&Owner::Gateway, LINK, &whose.key(), Expect::Anything, None, at);
        self.shelf.write(vec![write]).await?;
        Ok(())
    }

    pub(super) async fn forget_shares(&self, whose: &Whose, at: Millis) -> Result<(), Failure> {
        let gone = |(session, _): (SessionId, ShareRecord)| {
            put::<ShareRecord>(&whose.owner(), SHARE, session.as_str(), Expect::Anything, None, at)
        };
        let writes: Vec<_> = self.shares(whose).await?.into_iter().map(gone).collect();
        if !writes.is_empty() {
            self.shelf.write(writes).await?;
        }
        Ok(())
    }

    pub(super) async fn keep_credentials(&self, whose: &Whose, text: &str) -> Result<(), Failure> {
        self.vault.put(&whose.owner(), CREDENTIALS, text).await
    }

    pub(super) async fn credentials(&self, whose: &Whose) -> Result<Option<String>, VaultError> {
        self.vault.reveal(&whose.owner(), CREDENTIALS).await
    }

    /// What a shared session is sealed with: the same in every life of the gateway, and in no record.
    pub(super) async fn key(&self, whose: &Whose, session: &SessionId, salt: &str) -> Result<DataKey, VaultError> {
        let purpose = format!("happy session\n{}\n{session}\n{salt}", whose.owner());
        self.vault.derive(&purpose).await.map(DataKey::from_bytes)
    }
}
