//! The key under which one record's contents are sealed.

use rejoin_seal::{AccountSecret, Content, ContentPair, DataKey, PublicKey, Unopened};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;
use crate::payload::Message;

/// Seals and opens what belongs to one session, machine or artifact. Cheap enough to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Content);

impl Key {
    pub fn new(content: Content) -> Key {
        Key(content)
    }

    pub fn content(&self) -> &Content {
        &self.0
    }

    pub fn seal(&self, value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
        self.0.seal_json(value).map_err(|why| Error::io("sealing", why))
    }

    pub fn seal_nothing(&self) -> String {
        self.0.seal_nothing()
    }

    /// None: nothing was sealed, which is not `null`.
    pub fn open(&self, sealed: &str) -> Result<Option<Value>, Unopened> {
        self.0.open_json(sealed)
    }

    /// What a message says.
    pub fn open_message(&self, sealed: &str) -> Result<Message, Unopened> {
        Ok(Message::read(self.open(sealed)?.unwrap_or_default()))
    }

    /// A value of a type. None: nothing was sealed, or something else.
    pub fn open_as<T: DeserializeOwned>(&self, sealed: &str) -> Option<T> {
        self.0.open_json(sealed).ok().flatten()
    }
}

/// What an account's member can seal and open.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Everything.
    Secret { secret: AccountSecret, pair: ContentPair },
    /// What it has made itself.
    Terminal { content_key: PublicKey, machine_key: DataKey },
}

impl Keys {
    pub(super) fn of_secret(secret: &AccountSecret) -> Keys {
        Keys::Secret { secret: secret.clone(), pair: secret.content_pair() }
    }

    /// The key of a record, by the wrapped key it came with.
    pub(super) fn of_record(&self, doing: &'static str, wrapped: Option<&str>) -> Result<Key, Error> {
        match self {
            Keys::Secret { secret, pair } => {
                let content = Content::of_record(secret, pair, wrapped);
                content.map(Key).map_err(|why| Error::io(doing, why))
            }
            Keys::Terminal { .. } => Err(Error::Sealed(doing)),
        }
    }

    /// A key of its own for a new record, as it is used and as it travels.
    pub(super) fn wrap(&self, key: DataKey) -> (Key, String) {
        let wrapped = match self {
            Keys::Secret { pair, .. } => key.wrap_for(&pair.public()),
            Keys::Terminal { content_key, .. } => key.wrap_for(content_key),
        };
        (Key(Content::DataKey(key)), wrapped)
    }

    pub(super) fn secret(&self) -> Option<&AccountSecret> {
        match self {
            Keys::Secret { secret, .. } => Some(secret),
            Keys::Terminal { .. } => None,
        }
    }
}
