//! What of a session's configuration is secret, the headers and variables of MCP servers, is sealed before it is kept.
//!
//! The log, lists, views and backups have the sealed text. It is opened where the agent is given it, and only for the server
//! that it was sealed for: whoever may change a session can send its secrets nowhere else.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rejoin_core::command::Command;
use rejoin_core::header::{Config, Header};
use rejoin_core::id::{CommandId, MessageId, SessionId, TenantId};
use rejoin_core::part::WholeMessage;
use rejoin_core::position::Position;
use rejoin_core::who::Identity;
use rejoin_host::acp::servers;
use rejoin_ports::gateway::{
    Caller, Create, Created, Failure, LaterMessages, ListQuery, MessagePage, Ran, SessionPage, Sessions, View,
};

use crate::secrets::{Vault, VaultError};

/// What sealed text begins with.
const MARK: &str = "sealed:v1:";

/// Seals and opens.
pub(crate) struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    pub(crate) async fn new(vault: &Vault) -> Result<Sealer, VaultError> {
        let key = vault.derive("secrets of configurations").await?;
        let key = UnboundKey::new(&AES_256_GCM_SIV, &key).map_err(|_| VaultError::BadKey)?;
        Ok(Sealer { key: LessSafeKey::new(key) })
    }

    /// The same text for the same purpose is sealed as the same: a command that is sent again is the same command. That is
    /// what this cipher is made for.
    fn seal(&self, tenant: &TenantId, purpose: &str, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let sealed = self.key.seal_in_place_append_tag(nonce(), cover(tenant, purpose), &mut bytes);
        sealed.expect("a configuration is far shorter than what may be sealed at once");
        format!("{MARK}{}", STANDARD.encode(bytes))
    }

    /// What was sealed for this purpose; anything else as it is.
    pub(crate) fn open(&self, tenant: &TenantId, purpose: &str, text: &str) -> Result<String, String> {
        let Some(sealed) = text.strip_prefix(MARK) else { return Ok(text.to_owned()) };
        let opened = STANDARD.decode(sealed).ok().and_then(|mut bytes| {
            let opened = self.key.open_in_place(nonce(), cover(tenant, purpose), &mut bytes).ok()?;
            String::from_utf8(opened.to_vec()).ok()
        });
        opened.ok_or_else(|| {
            let name = purpose.rsplit('\n').next().unwrap_or_default();
            format!("{name} was sealed for another server, or with another key: it must be given again")
        })
    }

    /// Seals what is secret in a configuration, except what `before` has sealed already.
    fn seal_all(&self, tenant: &TenantId, config: &mut Config, before: Option<&Config>) {
        let Some(servers) = config.extra.get_mut(servers::MEMBER) else { return };
        let known = before.map(sealed_of).unwrap_or_default();
        let sealed = servers::each_secret(servers, |purpose, value| {
            let is_known = || known.iter().any(|(of, text)| of == purpose && text == value);
            if !value.starts_with(MARK) || !is_known() {
                *value = self.seal(tenant, purpose, value);
            }
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = sealed;
    }
}

fn sealed_of(config: &Config) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(mut servers) = config.extra.get(servers::MEMBER).cloned() {
        let looked = servers::each_secret(&mut servers, |purpose, value| {
            found.push((purpose.to_owned(), value.clone()));
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = looked;
    }
    found.retain(|(_, value)| value.starts_with(MARK));
    found
}

/// Always the same one, so that a purpose and a text have one seal.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn cover(tenant: &TenantId, purpose: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{tenant}\n{purpose}").into_bytes())
}

/// The sessions behind it, whose configurations are sealed on their way in.
pub(crate) struct Confidential {
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) sealer: Arc<Sealer>,
}

#[async_trait]
impl Sessions for Confidential {
    async fn create(&self, caller: &Caller, mut create: Create) -> Result<Created, Failure> {
        self.sealer.seal_all(&caller.identity.tenant, &mut create.config, None);
        self.sessions.create(caller, create).await
    }

    async fn run(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: CommandId,
        mut command: Command,
    ) -> Result<Ran, Failure> {
        if let Command::Configure { config } = &mut command
            && config.extra.contains_key(servers::MEMBER)
        {
            let before = self.sessions.view(&caller.identity, session).await?;
            self.sealer.seal_all(&caller.identity.tenant, config, Some(&before.config));
        }
        self.sessions.run(caller, session, id, command).await
    }

    async fn list(&self, identity: &Identity, query: ListQuery) -> Result<SessionPage, Failure> {
        self.sessions.list(identity, query).await
    }
    async fn header(&self, identity: &Identity, session: &SessionId) -> Result<(Header, Position), Failure> {
        self.sessions.header(identity, session).await
    }
    async fn view(&self, identity: &Identity, session: &SessionId) -> Result<View, Failure> {
        self.sessions.view(identity, session).await
    }
    async fn may_act(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        self.sessions.may_act(caller, session).await
    }
    async fn messages(
        &self,
        identity: &Identity,
        session: &SessionId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<MessagePage, Failure> {
        self.sessions.messages(identity, session, before, limit).await
    }
    async fn messages_after(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<LaterMessages, Failure> {
        self.sessions.messages_after(identity, session, after, limit).await
    }
    async fn message(
        &self,
        identity: &Identity,
        session: &SessionId,
        message: &MessageId,
    ) -> Result<WholeMessage, Failure> {
        self.sessions.message(identity, session, message).await
    }
    async fn delete(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        self.sessions.delete(caller, session).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin_ports::clock::HandClock;
    use rejoin_ports::memory::MemoryStore;
    use serde_json::json;

    async fn sealer(folder: &std::path::Path) -> Sealer {
        let vault = Vault::new(Arc::<MemoryStore>::default(), Arc::new(HandClock::at(1)), folder.to_path_buf(), None);
        Sealer::new(&vault).await.unwrap()
    }

    fn config(servers: serde_json::Value) -> Config {
        let mut config = Config::default();
        config.extra.insert(servers::MEMBER.to_owned(), servers);
        config
    }

    fn token(config: &Config) -> String {
        config.extra[servers::MEMBER]["web"]["headers"]["Authorization"].as_str().unwrap().to_owned()
    }

    fn with(token: &str, url: &str) -> Config {
        config(json!({ "web": { "url": url, "headers": { "Authorization": token } } }))
    }

    fn opens(sealer: &Sealer, tenant: &TenantId, config: &Config) -> Result<String, String> {
        let mut servers = config.extra[servers::MEMBER].clone();
        let mut opened = String::new();
        servers::each_secret(&mut servers, |purpose, value| {
            sealer.open(tenant, purpose, value).map(|text| opened = text)
        })?;
        Ok(opened)
    }

    #[tokio::test]
    async fn a_secret_is_opened_for_its_own_server_and_tenant_only() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = sealer(dir.path()).await;
        let [tenant, other] = ["t", "u"].map(|name| TenantId::new(name).unwrap());
        let mut config = with("Bearer s3cret", "http://web");
        sealer.seal_all(&tenant, &mut config, None);
        assert!(token(&config).starts_with(MARK) && !format!("{config:?}").contains("s3cret"));
        assert_eq!(opens(&sealer, &tenant, &config).as_deref(), Ok("Bearer s3cret"));
        assert!(opens(&sealer, &other, &config).unwrap_err().contains("Authorization"));
        assert!(opens(&sealer, &tenant, &with(&token(&config), "http://evil")).is_err());
        assert!(opens(&sealer, &tenant, &with("sealed:v1:nonsense", "http://web")).is_err());
        // The same key in the gateway's next life.
        let later = self::sealer(dir.path()).await;
        assert_eq!(opens(&later, &tenant, &config).as_deref(), Ok("Bearer s3cret"));
    }

    #[tokio::test]
    async fn what_is_sealed_already_stays_and_what_was_only_copied_opens_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = sealer(dir.path()).await;
        let tenant = TenantId::new("t").unwrap();
        let mut first = with("a", "http://web");
        sealer.seal_all(&tenant, &mut first, None);
        let mut same = first.clone();
        sealer.seal_all(&tenant, &mut same, Some(&first));
        assert_eq!(same, first);
        // Copied into a session that did not have it, it is a text like any other.
        let mut copied = first.clone();
        sealer.seal_all(&tenant, &mut copied, None);
        assert_eq!(opens(&sealer, &tenant, &copied), Ok(token(&first)));
        let mut again = with("a", "http://web");
        sealer.seal_all(&tenant, &mut again, Some(&first));
        assert_eq!(again, first, "the same secret is sealed as the same");
    }
}
