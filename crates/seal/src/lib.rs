//! End-to-end envelopes and the keys to them. No I/O: bytes in, bytes out.
//!
//! An [`AccountSecret`] is what a person owns; everything else grows from it. A record (a session, a machine) is sealed with
//! its [`Content`]: the account's secret itself, or a [`DataKey`] of its own, which travels wrapped for the account.
//!
//! ```
//! use rejoin_seal::{AccountSecret, Content, DataKey, Unopened};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A phone that owns the account, and a computer that knows only the account's content key.
//! let account = AccountSecret::random();
//! let pair = account.content_pair();
//! let (known_to_the_computer, key) = (pair.public(), DataKey::random());
//!
//! let wrapped = key.wrap_for(&known_to_the_computer);
//! let sealed = Content::DataKey(key).seal_json(&serde_json::json!({ "text": "ship it" }))?;
//!
//! let content = Content::of_record(&account, &pair, Some(&wrapped))?;
//! let opened: Option<serde_json::Value> = content.open_json(&sealed)?;
//! assert_eq!(opened.unwrap()["text"], "ship it");
//!
//! let stranger = Content::Legacy(AccountSecret::random());
//! assert_eq!(stranger.open_bytes(&sealed), Err(Unopened::Refused));
//! # Ok(())
//! # }
//! ```

mod account;
mod backup;
mod blob;
mod content;
mod credentials;
mod data_key;
mod grant;
mod link;
mod pair;
mod public_key;
mod secret;
mod secretbox;
mod sign;
mod tree;
mod unopened;
#[cfg(test)]
mod vectors;

pub mod base64;
pub mod boxed;

pub use account::AccountSecret;
pub use blob::BlobKey;
pub use content::Content;
pub use credentials::{BadCredentials, Credentials, Token};
pub use data_key::DataKey;
pub use grant::Granted;
pub use link::{BadLink, Link};
pub use pair::{ContentPair, TerminalPair};
pub use public_key::{BadKey, PublicKey};
pub use sign::{SigningPair, Unverified, verify};
pub use unopened::Unopened;
pub use zeroize::Zeroizing;
