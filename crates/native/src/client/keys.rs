//! API keys of one's tenant.

use rejoin_ports::sign_in::{KeyInfo, NewKey};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::workspaces::Items;
use super::{Client, Error};

/// A new key. Its text is here, and nowhere else ever again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintedKey {
    #[serde(flatten)]
    pub info: KeyInfo,
    /// What one signs in with.
    pub key: String,
}

impl std::fmt::Debug for MintedKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("MintedKey").field("info", &self.info).field("key", &"…").finish()
    }
}

impl Client {
    pub async fn create_key(&self, new: &NewKey) -> Result<MintedKey, Error> {
        // A key whose text got lost on the way would be one that nobody knows of.
        let call = self.call(Method::POST, ["keys"]).json(new)?.once();
        self.fetch(call).await
    }
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, Error> {
        let list: Items<KeyInfo> = self.fetch(self.call(Method::GET, ["keys"])).await?;
        Ok(list.items)
    }
    /// Ends a key. What is signed in with it is signed out within a second.
    pub async fn revoke_key(&self, id: &str) -> Result<(), Error> {
        self.tell(self.call(Method::DELETE, ["keys", id])).await
    }
}
