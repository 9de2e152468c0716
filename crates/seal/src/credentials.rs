//! The file in which the command line keeps how it signed in.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{AccountSecret, BadKey, DataKey, Granted, PublicKey};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// It has the account's secret.
    Legacy { token: Token, secret: AccountSecret },
    /// It knows whom to wrap keys for, and has the key of its own machine.
    DataKey { token: Token, content_key: PublicKey, machine_key: DataKey },
}

/// What requests carry to say whose they are. We do not look inside.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// Where, not what: the parser would quote the secret.
    #[error("reading credentials: not the expected JSON at line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("reading credentials: no token that could be sent")]
    Token,
    #[error("reading credentials: the secret is not 32 bytes in base64")]
    Secret,
    #[error("reading credentials: the machine's key is not 32 bytes in base64")]
    MachineKey,
    #[error("reading credentials")]
    ContentKey(#[source] BadKey),
    #[error("reading credentials: neither a secret nor keys")]
    NoKeys,
}

impl Credentials {
    /// What a terminal keeps that was let in. Its machine gets a fresh key, unless it was given the whole account.
    pub fn granted(token: Token, granted: Granted) -> Credentials {
        match granted {
            Granted::Secret(secret) => Credentials::Legacy { token, secret },
            Granted::ContentKey(content_key) => {
                Credentials::DataKey { token, content_key, machine_key: DataKey::random() }
            }
        }
    }

    pub fn token(&self) -> &Token {
        match self {
            Credentials::Legacy { token, .. } | Credentials::DataKey { token, .. } => token,
        }
    }

    /// A file with both has the secret.
    pub fn parse(text: &str) -> Result<Credentials, BadCredentials> {
        let file: File = serde_json::from_str(text)
            .map_err(|error| BadCredentials::Json { line: error.line(), column: error.column() })?;
        let token = Token::new(file.token).ok_or(BadCredentials::Token)?;
        if let Some(secret) = file.secret {
            let secret = AccountSecret::from_base64(&secret).ok_or(BadCredentials::Secret)?;
            return Ok(Credentials::Legacy { token, secret });
        }
        let keys = file.encryption.ok_or(BadCredentials::NoKeys)?;
        Ok(Credentials::DataKey {
            token,
            content_key: PublicKey::from_base64(&keys.public_key).map_err(BadCredentials::ContentKey)?,
            machine_key: DataKey::from_base64(&keys.machine_key).ok_or(BadCredentials::MachineKey)?,
        })
    }

    pub fn to_text(&self) -> Zeroizing<String> {
        let token = self.token().0.clone();
        let file = match self {
            Credentials::Legacy { secret, .. } => File { token, secret: Some(secret.to_base64()), encryption: None },
            Credentials::DataKey { content_key, machine_key, .. } => {
                let keys = Keys { public_key: content_key.to_base64(), machine_key: machine_key.to_base64() };
                File { token, secret: None, encryption: Some(keys) }
            }
        };
        serde_json::to_string_pretty(&file).expect("texts have a JSON form").into()
    }
}

impl Token {
    /// `None` for what no header could carry.
    pub fn new(token: impl Into<Zeroizing<String>>) -> Option<Token> {
        let token = token.into();
        (!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Token(token))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    token: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<Keys>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    public_key: String,
    machine_key: Zeroizing<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn token() -> Token {
        Token::new("a.b.c".to_owned()).unwrap()
    }

    #[test]
    fn a_terminal_finds_again_what_it_was_granted() {
        let account = AccountSecret::from_bytes([7; 32]);
        let secret = Credentials::granted(token(), Granted::Secret(account.clone()));
        let keys = Credentials::granted(token(), Granted::ContentKey(account.content_pair().public()));
        assert!(matches!(secret, Credentials::Legacy { .. }));
        assert!(matches!(keys, Credentials::DataKey { .. }));
        for credentials in [secret, keys] {
            assert_eq!(Credentials::parse(&credentials.to_text()), Ok(credentials));
        }
    }

    #[test]
    fn the_file_is_the_one_that_other_programs_write() {
        let (secret, key) = (AccountSecret::from_bytes([7; 32]), DataKey::from_bytes([9; 32]));
        let content_key = secret.content_pair().public();
        let written = |credentials: Credentials| serde_json::from_str::<Value>(&credentials.to_text()).unwrap();
        assert_eq!(
            written(Credentials::Legacy { token: token(), secret: secret.clone() }),
            json!({ "token": "a.b.c", "secret": *secret.to_base64() })
        );
        assert_eq!(
            written(Credentials::DataKey { token: token(), content_key, machine_key: key.clone() }),
            json!({ "token": "a.b.c", "encryption": { "publicKey": content_key.to_base64(), "machineKey": *key.to_base64() } })
        );
    }

    #[test]
    fn a_secret_wins_over_keys_and_unknown_fields_are_fine() {
        let secret = AccountSecret::from_bytes([7; 32]);
        let both = json!({ "token": "t", "secret": *secret.to_base64(), "encryption": { "publicKey": "", "machineKey": "" }, "more": 1 });
        assert!(matches!(Credentials::parse(&both.to_string()), Ok(Credentials::Legacy { .. })));
    }

    #[test]
    fn a_broken_file_says_what_is_wrong_and_not_what_is_in_it() {
        let (secret, key) = ("c2VjcmV0", crate::base64::encode([9; 32]));
        let keys = |public: &str, machine: &str| json!({ "token": "t", "encryption": { "publicKey": public, "machineKey": machine } });
        for (file, wanted) in [
            (json!({ "token": "t" }), BadCredentials::NoKeys),
            (json!({ "token": "", "secret": secret }), BadCredentials::Token),
            (json!({ "token": "two\nlines", "secret": secret }), BadCredentials::Token),
            (json!({ "token": "t", "secret": secret }), BadCredentials::Secret),
            (keys(secret, &key), BadCredentials::ContentKey(BadKey::Length(6))),
            (keys(&key, secret), BadCredentials::MachineKey),
        ] {
            assert_eq!(Credentials::parse(&file.to_string()), Err(wanted), "{file}");
        }
        let error = Credentials::parse(r#"{"token":{"secret":"c2VjcmV0"}}"#).unwrap_err();
        assert!(matches!(error, BadCredentials::Json { line: 1, .. }), "{error:?}");
        assert!(!error.to_string().contains(secret));
    }

    #[test]
    fn nobody_sees_credentials_in_a_log() {
        let shown = format!("{:?}", Credentials::Legacy { token: token(), secret: AccountSecret::random() });
        assert_eq!(shown, "Legacy { token: Token(…), secret: AccountSecret(…) }");
    }
}
