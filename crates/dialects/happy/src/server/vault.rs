//! Tokens of other services that an account leaves with us: kept sealed, and shown to the account alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, Owner, StoreError};
use rejoin_seal::base64;
use serde::{Deserialize, Serialize};

use super::Hall;
use super::shelf::{Kept, put};

const KIND: &str = "happy.vault";
/// Services that an account has tokens of at most.
const MOST: usize = 100;

/// Seals and opens, with a key that no database has.
pub(super) struct Vault {
    key: RandomizedNonceKey,
}

/// What it is sealed with also covers whose it is and its name, so that rows cannot be exchanged.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    sealed: String,
}

impl Vault {
    pub(super) fn new(seed: &[u8; 32]) -> Vault {
        let key = derived(seed, "happy vault");
        Vault { key: RandomizedNonceKey::new(&AES_256_GCM, &key).expect("a key of 32 bytes") }
    }

    fn seal(&self, cover: &str, token: &str) -> Sealed {
        let mut bytes = token.as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(cover.as_bytes()), &mut bytes);
        let nonce = nonce.expect("a token is far shorter than what one key may seal at once");
        Sealed { nonce: base64::encode(nonce.as_ref()), sealed: base64::encode(bytes) }
    }

    fn open(&self, cover: &str, sealed: &Sealed) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = base64::decode(&sealed.nonce).ok()?.try_into().ok()?;
        let mut bytes = base64::decode(&sealed.sealed).ok()?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(cover.as_bytes()), &mut bytes).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

/// A key of its own for each purpose.
pub(super) fn derived(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), purpose.as_bytes());
    tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn cover(owner: &Owner, name: &str) -> String {
    format!("{owner}\n{name}")
}

impl Hall {
    pub(super) async fn entrust(&self, owner: &Owner, name: &str, token: &str) -> Result<(), Failure> {
        let sealed = self.vault.seal(&cover(owner, name), token);
        let write = put(owner, KIND, name, Expect::Anything, Some(&sealed), self.now());
        self.keep(vec![write], Vec::new()).await
    }

    pub(super) async fn entrusted(&self, owner: &Owner, name: &str) -> Result<Option<String>, Failure> {
        let kept: Kept<Sealed> = self.kept(owner, KIND, name).await?;
        let open = |sealed: Sealed| {
            let why = || "it was sealed with another key, or is damaged".to_owned();
            let unopened = || Failure::Store(StoreError::Corrupt { doing: "opening a token", why: why() });
            self.vault.open(&cover(owner, name), &sealed).ok_or_else(unopened)
        };
        kept.value.map(open).transpose()
    }

    /// Names of the services that there are tokens of.
    pub(super) async fn services_of(&self, owner: &Owner) -> Result<Vec<String>, Failure> {
        let found: Vec<(String, serde::de::IgnoredAny)> = self.all(owner, KIND, "", MOST).await?;
        Ok(found.into_iter().map(|(name, _)| name).collect())
    }

    pub(super) async fn give_back(&self, owner: &Owner, name: &str) -> Result<(), Failure> {
        self.forget(owner, KIND, [name]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_where_it_was_put_and_nowhere_else() {
        let (vault, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let sealed = vault.seal("u t ann\nopenai", "sk-secret");
        assert!(!serde_json::to_string(&sealed).unwrap().contains("sk-"));
        assert_eq!(Vault::new(&[1; 32]).open("u t ann\nopenai", &sealed).as_deref(), Some("sk-secret"));
        assert_eq!(vault.open("u t bob\nopenai", &sealed), None);
        assert_eq!(vault.open("u t ann\ngemini", &sealed), None);
        assert_eq!(other.open("u t ann\nopenai", &sealed), None);
    }
}
