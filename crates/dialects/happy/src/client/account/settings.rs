//! Settings of the account, opened. Only whoever has its secret can.

use rejoin_seal::Content;
use serde_json::Value;

use super::super::Error;
use super::super::api::Change;
use super::super::key::Key;
use super::Account;
use crate::wire::Versioned;

impl Account {
    /// The settings and their version. None: there are none yet.
    pub async fn settings(&self) -> Result<(Option<Value>, u64), Error> {
        let stored = self.api().settings().await?;
        let key = self.settings_key()?;
        let opened = stored.settings.as_deref().map(|sealed| key.open(sealed)).transpose();
        let opened = opened.map_err(|why| Error::io("opening settings", why))?;
        Ok((opened.flatten(), stored.settings_version))
    }

    /// Replaces the settings if they still have this version; otherwise gives back what they are.
    pub async fn change_settings(
        &self,
        settings: &Value,
        expected_version: u64,
    ) -> Result<Change<(Option<Value>, u64)>, Error> {
        let key = self.settings_key()?;
        let sealed = key.seal(settings)?;
        Ok(match self.api().change_settings(Some(&sealed), expected_version).await? {
            Change::Done(version) => Change::Done(version),
            Change::Stale(Versioned { value, version }) => {
                let opened = value.as_deref().map(|sealed| key.open(sealed)).transpose();
                Change::Stale((opened.map_err(|why| Error::io("opening settings", why))?.flatten(), version))
            }
        })
    }

    fn settings_key(&self) -> Result<Key, Error> {
        let secret = self.keys().secret().ok_or(Error::Sealed("settings"))?;
        Ok(Key::new(Content::Legacy(secret.clone())))
    }
}
