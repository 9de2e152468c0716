//! Whose client it is: signing in, and everything that somebody who is signed in can do.

mod artifacts;
mod attachments;
mod machines;
mod sessions;
mod settings;

use std::sync::Arc;

use aws_lc_rs::rand;
use rejoin_seal::base64::encode;
use rejoin_seal::{AccountSecret, Credentials, Token};
use serde::Deserialize;
use serde_json::json;

use super::http::Ask;
use super::key::Keys;
use super::{Api, Error, Home, Options};
pub use artifacts::OpenedArtifact;
pub use machines::{NewMachine, OpenedMachine};
pub use sessions::{NewSession, OpenedSession};

/// Somebody who is signed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Account(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    api: Api,
    credentials: Credentials,
    keys: Keys,
}

#[derive(Deserialize)]
struct SignedIn {
    token: String,
}

impl Account {
    /// Signs in with an account's secret. One that is new is an account from then on, where the server takes new ones.
    pub async fn sign_in(options: &Options, secret: &AccountSecret) -> Result<Account, Error> {
        let mut challenge = [0; 32];
        rand::fill(&mut challenge).map_err(|why| Error::io("signing in", why))?;
        let signing = secret.signing();
        let body = json!({
            "publicKey": encode(signing.public()),
            "challenge": encode(challenge),
            "signature": encode(signing.sign(&challenge)),
        });
        let ask = Ask::post("signing in", "/v1/auth").json(&body).safe();
        let answer: SignedIn = Api::new(options)?.ask(ask).await?;
        let token = Token::new(answer.token).ok_or(Error::Unreadable("signing in"))?;
        Account::with(options, Credentials::Legacy { token, secret: secret.clone() })
    }

    /// Somebody who has signed in before.
    pub fn with(options: &Options, credentials: Credentials) -> Result<Account, Error> {
        let api = Api::with_token(options, credentials.token().as_str())?;
        let keys = match &credentials {
            Credentials::Legacy { secret, .. } => Keys::of_secret(secret),
            Credentials::DataKey { content_key, machine_key, .. } => {
                Keys::Terminal { content_key: *content_key, machine_key: machine_key.clone() }
            }
        };
        Ok(Account(Arc::new(Inner { api, credentials, keys })))
    }

    /// Whoever this computer is signed in as; None: nobody.
    pub fn from_home(home: &Home) -> Result<Option<Account>, Error> {
        let Some(credentials) = home.credentials()? else { return Ok(None) };
        let options = Options::for_server(home.server()?);
        Account::with(&options, credentials).map(Some)
    }

    /// What the server offers, sealed texts as they are.
    pub fn api(&self) -> &Api {
        &self.0.api
    }

    pub fn options(&self) -> &Options {
        self.0.api.options()
    }

    /// How it is signed in; for [`Home::save_credentials`].
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(super) fn token(&self) -> &str {
        self.0.credentials.token().as_str()
    }
}
