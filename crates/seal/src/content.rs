//! What a record's words are sealed with, and the sealing of them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AccountSecret, BlobKey, ContentPair, DataKey, Unopened, base64, secretbox};

/// A record has a key of its own, or else it is sealed with the account's secret, as everything once was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Legacy(AccountSecret),
    DataKey(DataKey),
}

impl Content {
    /// What a record is sealed with, by the wrapped key it came with. A failure concerns this record only.
    pub fn of_record(account: &AccountSecret, pair: &ContentPair, wrapped: Option<&str>) -> Result<Content, Unopened> {
        Ok(match wrapped {
            None => Content::Legacy(account.clone()),
            Some(wrapped) => Content::DataKey(DataKey::unwrap(pair, wrapped)?),
        })
    }

    /// Fails only if `value` has no JSON form, say for a map whose keys are not texts.
    pub fn seal_json<T: Serialize + ?Sized>(&self, value: &T) -> serde_json::Result<String> {
        serde_json::to_vec(value).map(|json| self.seal_bytes(&json))
    }

    /// `None` is what [`Content::seal_nothing`] sealed, and not JSON's `null`.
    pub fn open_json<T: DeserializeOwned>(&self, sealed: &str) -> Result<Option<T>, Unopened> {
        let json = self.open_bytes(sealed)?;
        if json.is_empty() {
            return Ok(None);
        }
        let opened = serde_json::from_slice(&json);
        opened.map(Some).map_err(|error| Unopened::Json { line: error.line(), column: error.column() })
    }

    /// The result of a call that has none.
    pub fn seal_nothing(&self) -> String {
        self.seal_bytes(&[])
    }

    /// In base64, as it travels.
    pub fn seal_bytes(&self, bytes: &[u8]) -> String {
        base64::encode(match self {
            Content::Legacy(account) => secretbox::seal(account.secret(), bytes),
            Content::DataKey(key) => key.seal(bytes),
        })
    }

    pub fn open_bytes(&self, sealed: &str) -> Result<Vec<u8>, Unopened> {
        let sealed = base64::decode(sealed)?;
        match self {
            Content::Legacy(account) => secretbox::open(account.secret(), &sealed),
            Content::DataKey(key) => key.open(&sealed),
        }
    }

    /// The key of the record's attachments.
    pub fn blob_key(&self) -> BlobKey {
        match self {
            Content::Legacy(account) => account.blob_key(),
            Content::DataKey(key) => key.blob_key(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn both() -> [Content; 2] {
        [Content::Legacy(AccountSecret::random()), Content::DataKey(DataKey::random())]
    }

    #[test]
    fn what_is_sealed_opens_again_and_looks_different_each_time() {
        for content in both() {
            let value = json!({ "role": "user", "content": { "type": "text", "text": "hi é" } });
            let sealed = content.seal_json(&value).unwrap();
            assert_ne!(sealed, content.seal_json(&value).unwrap());
            assert_eq!(content.open_json(&sealed), Ok(Some(value)));
        }
    }

    #[test]
    fn nothing_is_not_null() {
        for (content, length) in both().into_iter().zip([40, 29]) {
            let nothing = content.seal_nothing();
            assert_eq!(base64::decode(&nothing).unwrap().len(), length);
            assert_eq!(content.open_json::<Value>(&nothing), Ok(None));
            assert_eq!(content.open_json(&content.seal_json(&Value::Null).unwrap()), Ok(Some(Value::Null)));
        }
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let [legacy, data_key] = both();
        let open = |content: &Content, bytes: &[u8]| content.open_bytes(&base64::encode(bytes));
        assert_eq!(legacy.open_bytes("a b"), Err(Unopened::NotBase64));
        assert_eq!(open(&legacy, &[0; 39]), Err(Unopened::TooShort { length: 39, least: 40 }));
        assert_eq!(open(&legacy, &[0; 40]), Err(Unopened::Refused));
        assert_eq!(open(&data_key, &[]), Err(Unopened::TooShort { length: 0, least: 29 }));
        assert_eq!(open(&data_key, &[0; 28]), Err(Unopened::TooShort { length: 28, least: 29 }));
        assert_eq!(open(&data_key, &[0; 29]), Err(Unopened::Refused));
        assert_eq!(open(&data_key, &[2; 29]), Err(Unopened::Prefix(2)));
        assert_eq!(legacy.open_bytes(&data_key.seal_bytes(&[7; 99])), Err(Unopened::Refused));
    }

    #[test]
    fn an_error_repeats_nothing_of_what_was_sealed() {
        for content in both() {
            let sealed = content.seal_json("a password").unwrap();
            let error = content.open_json::<u64>(&sealed).unwrap_err();
            assert!(matches!(error, Unopened::Json { line: 1, .. }), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("password"));
        }
    }

    #[test]
    fn what_has_no_json_form_is_an_error_and_no_panic() {
        assert!(both()[0].seal_json(&BTreeMap::from([((1, 2), 3)])).is_err());
    }

    #[test]
    fn a_record_without_a_key_of_its_own_is_sealed_with_the_accounts() {
        let account = AccountSecret::random();
        let (pair, key) = (account.content_pair(), DataKey::random());
        let of = |wrapped: Option<&str>| Content::of_record(&account, &pair, wrapped);
        assert_eq!(of(None), Ok(Content::Legacy(account.clone())));
        assert_eq!(of(Some(&key.wrap_for(&pair.public()))), Ok(Content::DataKey(key)));
        assert_eq!(of(Some("")), Err(Unopened::TooShort { length: 0, least: 73 }));
    }
}
