//! Provider keys, OAuth tokens and the like: sealed before they are kept, opened only for the agents that need them.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rejoin_ports::clock::Clock;
use rejoin_ports::gateway::{Failure, Secrets};
use rejoin_ports::store::{CommitError, Expect, Owner, Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::folder::{self, FolderError};
use crate::shelf::{Shelf, put};
use crate::sign_in::{hex, unhex};

const KIND: &str = "secret";
/// The file of the data key, in the data folder. A backup does not have it: without it, its secrets stay sealed.
pub const FILE: &str = "secret.key";
/// Bytes of the data key.
const KEY: usize = 32;
/// The longest name of a secret, in bytes.
const LONGEST_NAME: usize = 128;
/// The longest secret, in bytes. Certificates with their keys have some 8 KiB.
const LONGEST: usize = 64 << 10;

/// Secrets, sealed with one key.
pub struct Vault {
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    /// The data key as it was configured, as hex; otherwise it is in a file.
    given: Option<String>,
    key: OnceCell<RandomizedNonceKey>,
}

/// A sealed secret. What it is sealed with also covers whose it is and its name, so that rows cannot be exchanged.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    sealed: String,
}

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("secrets: reading or making the data key")]
    Folder(#[from] FolderError),
    #[error("secrets: the data key must be {} hex digits", KEY * 2)]
    BadKey,
    #[error("secrets: there is no data key any more; it was in {FILE}, or in REJOIN_SECRET_KEY")]
    NoKey,
    #[error("secrets: {name} was sealed with another key, or is damaged")]
    Sealed { name: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Vault {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, folder: PathBuf, given: Option<String>) -> Vault {
        Vault { shelf: Shelf::new(store), clock, folder, given, key: OnceCell::new() }
    }

    /// Opens a secret, for an agent. No door has this.
    pub async fn reveal(&self, owner: &Owner, name: &str) -> Result<Option<String>, VaultError> {
        let kept = self.shelf.get::<Sealed>(owner, KIND, name).await?;
        let Some(row) = kept.value else { return Ok(None) };
        let key = self.key(false).await?;
        let damaged = || VaultError::Sealed { name: name.to_owned() };
        let nonce = STANDARD.decode(row.nonce).ok().and_then(|nonce| <[u8; NONCE_LEN]>::try_from(nonce).ok());
        let nonce = Nonce::assume_unique_for_key(nonce.ok_or_else(damaged)?);
        let mut sealed = STANDARD.decode(row.sealed).map_err(|_| damaged())?;
        let opened = key.open_in_place(nonce, Aad::from(cover(owner, name)), &mut sealed).map_err(|_| damaged())?;
        String::from_utf8(opened.to_vec()).map(Some).map_err(|_| damaged())
    }

    async fn seal(&self, owner: &Owner, name: &str, value: &str) -> Result<Sealed, VaultError> {
        let key = self.key(true).await?;
        let mut bytes = value.as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(cover(owner, name)), &mut bytes);
        let nonce = nonce.expect("a secret is far shorter than what one key may seal at once");
        Ok(Sealed { nonce: STANDARD.encode(nonce.as_ref()), sealed: STANDARD.encode(bytes) })
    }

    /// A key of its own for something that must be the same in every life of the gateway.
    pub async fn derive(&self, purpose: &str) -> Result<[u8; KEY], VaultError> {
        let bytes = self.bytes(true).await?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), purpose.as_bytes());
        Ok(tag.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The data key, made when it is first needed.
    async fn key(&self, make: bool) -> Result<&RandomizedNonceKey, VaultError> {
        let load = async || {
            let bytes = self.bytes(make).await?;
            RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| VaultError::BadKey)
        };
        self.key.get_or_try_init(load).await
    }

    async fn bytes(&self, make: bool) -> Result<Vec<u8>, VaultError> {
        let text = match self.given.clone() {
            Some(text) => text,
            None => {
                let file = self.folder.join(FILE);
                let read = tokio::task::spawn_blocking(move || read_or_make(&file, make));
                read.await.expect("reading a file does not panic")?
            }
        };
        unhex(text.trim()).filter(|bytes| bytes.len() == KEY).ok_or(VaultError::BadKey)
    }
}

fn read_or_make(file: &std::path::Path, make: bool) -> Result<String, VaultError> {
    if let Some(text) = folder::read_private(file)? {
        return Ok(text);
    }
    if !make {
        return Err(VaultError::NoKey);
    }
    let mut bytes = [0; KEY];
    rand::fill(&mut bytes).expect("the system's source of randomness answers");
    let text = hex(&bytes);
    folder::write_private(file, format!("{text}\n").as_bytes())?;
    Ok(text)
}

/// What a seal covers besides the secret. Neither owners nor names have line ends.
fn cover(owner: &Owner, name: &str) -> Vec<u8> {
    format!("{owner}\n{name}").into_bytes()
}

#[async_trait]
impl Secrets for Vault {
    async fn put(&self, owner: &Owner, name: &str, value: &str) -> Result<(), Failure> {
        let invalid = |field, why: String| Err(Failure::Invalid { field, why });
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return invalid("name", format!("1 to {LONGEST_NAME} printable ASCII characters without blanks"));
        }
        if value.is_empty() || value.len() > LONGEST {
            return invalid("value", format!("1 to {LONGEST} bytes"));
        }
        let sealed = self.seal(owner, name, value).await.map_err(failure)?;
        let write = put(owner, KIND, name, Expect::Anything, Some(&sealed), self.clock.now());
        self.shelf.write(vec![write]).await?;
        Ok(())
    }

    async fn has(&self, owner: &Owner, name: &str) -> Result<bool, Failure> {
        Ok(self.shelf.get::<Sealed>(owner, KIND, name).await?.value.is_some())
    }

    async fn forget(&self, owner: &Owner, name: &str) -> Result<bool, Failure> {
        let kept = self.shelf.get::<Sealed>(owner, KIND, name).await?;
        if kept.value.is_none() {
            return Ok(false);
        }
        let write = put::<Sealed>(owner, KIND, name, kept.unchanged(), None, self.clock.now());
        match self.shelf.write(vec![write]).await {
            Ok(_) => Ok(true),
            // Somebody else forgot it, or put another one: either way that one was not ours to forget.
            Err(CommitError::Record { version, .. }) => Err(Failure::Conflict { version }),
            Err(error) => Err(error.into()),
        }
    }
}

fn failure(error: VaultError) -> Failure {
    match error {
        VaultError::Store(error) => Failure::Store(error),
        other => {
            let why = std::error::Error::source(&other)
                .map_or_else(|| other.to_string(), |source| format!("{other}: {source}"));
            Failure::Store(StoreError::Io { doing: "sealing a secret", why })
        }
    }
}

#[cfg(test)]
mod tests {
    use rejoin_core::id::TenantId;
    use rejoin_ports::clock::HandClock;
    use rejoin_ports::memory::MemoryStore;

    use super::*;

    struct World {
        dir: tempfile::TempDir,
        store: Arc<MemoryStore>,
    }

    impl World {
        fn new() -> World {
            World { dir: tempfile::tempdir().unwrap(), store: Arc::default() }
        }
        fn vault(&self, given: Option<&str>) -> Vault {
            let clock = Arc::new(HandClock::at(1));
            Vault::new(self.store.clone(), clock, self.dir.path().to_owned(), given.map(str::to_owned))
        }
    }

    fn tenant(name: &str) -> Owner {
        Owner::Tenant(TenantId::new(name).unwrap())
    }

    #[tokio::test]
    async fn a_secret_is_kept_sealed_and_opens_after_a_restart() {
        let world = World::new();
        let vault = world.vault(None);
        let owner = tenant("t");
        assert_eq!(vault.reveal(&owner, "openai").await.unwrap(), None);
        assert!(!world.dir.path().join(FILE).exists(), "no key before the first secret");
        vault.put(&owner, "openai", "sk-secret").await.unwrap();
        let row = world.store.record(&owner, KIND, "openai").await.unwrap().unwrap().value.unwrap();
        assert!(!String::from_utf8_lossy(&row).contains("sk-"));
        assert!(vault.has(&owner, "openai").await.unwrap());

        let later = world.vault(None);
        assert_eq!(later.reveal(&owner, "openai").await.unwrap().as_deref(), Some("sk-secret"));
        assert!(later.forget(&owner, "openai").await.unwrap());
        assert!(!later.forget(&owner, "openai").await.unwrap());
        assert_eq!(later.reveal(&owner, "openai").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_row_moved_to_another_owner_or_name_does_not_open() {
        let world = World::new();
        let vault = world.vault(None);
        let (mine, theirs) = (tenant("mine"), tenant("theirs"));
        vault.put(&mine, "a", "secret").await.unwrap();
        let row = world.store.record(&mine, KIND, "a").await.unwrap().unwrap().value.unwrap();
        let row: Sealed = serde_json::from_slice(&row).unwrap();
        for (owner, name) in [(&theirs, "a"), (&mine, "b")] {
            vault.shelf.write(vec![put(owner, KIND, name, Expect::Anything, Some(&row), 1)]).await.unwrap();
            assert!(matches!(vault.reveal(owner, name).await, Err(VaultError::Sealed { .. })));
        }
    }

    #[tokio::test]
    async fn another_key_opens_nothing_and_a_bad_one_seals_nothing() {
        let world = World::new();
        let owner = tenant("t");
        world.vault(Some(&"ab".repeat(32))).put(&owner, "a", "secret").await.unwrap();
        assert!(!world.dir.path().join(FILE).exists());
        let other = world.vault(Some(&"cd".repeat(32)));
        assert!(matches!(other.reveal(&owner, "a").await, Err(VaultError::Sealed { .. })));
        assert!(matches!(world.vault(None).reveal(&owner, "a").await, Err(VaultError::NoKey)));
        for bad in ["", "ab", "zz"] {
            assert!(world.vault(Some(bad)).put(&owner, "a", "other").await.is_err(), "{bad}");
        }
        let same = world.vault(Some(&"AB".repeat(32)));
        assert_eq!(same.reveal(&owner, "a").await.unwrap().as_deref(), Some("secret"));
    }

    #[tokio::test]
    async fn names_and_secrets_have_bounds() {
        let world = World::new();
        let vault = world.vault(None);
        let (long, huge) = ("n".repeat(LONGEST_NAME + 1), "s".repeat(LONGEST + 1));
        for (name, value) in [("", "s"), ("a b", "s"), ("a\n", "s"), (&long, "s"), ("a", ""), ("a", &huge)] {
            assert!(matches!(vault.put(&Owner::Gateway, name, value).await, Err(Failure::Invalid { .. })));
        }
    }
}
