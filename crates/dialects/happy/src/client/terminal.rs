//! Letting a terminal in: it shows a code, a phone answers it.

use std::time::Duration;

use rejoin_seal::base64::encode;
use rejoin_seal::{Credentials, Granted, Link, PublicKey, TerminalPair, Token};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::http::Ask;
use super::{Account, Api, Error, Options};

/// Between two looks for an answer.
const EVERY: Duration = Duration::from_secs(1);

/// A terminal, or a new device, that waits to be let in.
///
/// ```no_run
/// use std::time::Duration;
/// use rejoin_happy::client::{Error, Home, Options, SignIn};
///
/// # async fn story() -> Result<(), Error> {
/// let mut asking = SignIn::terminal(&Options::from_env()?)?;
/// println!("scan this: {}", asking.link());
/// let account = asking.wait(Duration::from_secs(120)).await?;
/// Home::from_env()?.save_credentials(account.credentials())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SignIn {
    api: Api,
    pair: TerminalPair,
    kind: Kind,
    every: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Terminal { second_version: bool },
    Device,
}

/// Whether somebody waits to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskStatus {
    NotFound,
    Pending,
    Authorized,
}

#[derive(Deserialize)]
struct Polled {
    state: String,
    token: Option<String>,
    response: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    status: AskStatus,
    #[serde(default)]
    supports_v2: bool,
}

impl SignIn {
    /// A terminal. It gets no more than it needs, where the phone knows how.
    pub fn terminal(options: &Options) -> Result<SignIn, Error> {
        SignIn::new(options, Kind::Terminal { second_version: true })
    }

    /// A terminal that gets the account's secret, as all did once.
    pub fn legacy_terminal(options: &Options) -> Result<SignIn, Error> {
        SignIn::new(options, Kind::Terminal { second_version: false })
    }

    /// A new device, which becomes as good as the old one.
    pub fn device(options: &Options) -> Result<SignIn, Error> {
        SignIn::new(options, Kind::Device)
    }

    fn new(options: &Options, kind: Kind) -> Result<SignIn, Error> {
        let every = EVERY.min(options.longest_delay);
        Ok(SignIn { api: Api::new(options)?, pair: TerminalPair::random(), kind, every })
    }

    /// What to show, as text or as a QR code.
    pub fn link(&self) -> Link {
        match self.kind {
            Kind::Terminal { .. } => Link::Terminal(self.pair.public()),
            Kind::Device => Link::Account(self.pair.public()),
        }
    }

    /// The page of a web app that lets the terminal in.
    pub fn web_link(&self, app: &str) -> String {
        Link::web(app, &self.pair.public())
    }

    /// Asks once: to be let in, or whether somebody has. None: not yet.
    pub async fn poll(&mut self) -> Result<Option<Account>, Error> {
        const DOING: &str = "asking to be let in";
        let key = encode(self.pair.public().as_bytes());
        let (route, body) = match self.kind {
            Kind::Terminal { second_version } => {
                ("/v1/auth/request", json!({ "publicKey": key, "supportsV2": second_version }))
            }
            Kind::Device => ("/v1/auth/account/request", json!({ "publicKey": key })),
        };
        let polled: Polled = self.api.ask(Ask::post(DOING, route).json(&body).safe()).await?;
        if polled.state != "authorized" {
            return Ok(None);
        }
        let (Some(token), Some(response)) = (polled.token, polled.response) else {
            return Err(Error::Unreadable(DOING));
        };
        let token = Token::new(token).ok_or(Error::Unreadable(DOING))?;
        let granted = Granted::open(&self.pair, &response).map_err(|why| Error::io(DOING, why))?;
        Account::with(self.api.options(), Credentials::granted(token, granted)).map(Some)
    }

    /// Asks about once a second until somebody lets us in.
    pub async fn wait(&mut self, patience: Duration) -> Result<Account, Error> {
        let until = Instant::now() + patience;
        loop {
            if let Some(account) = self.poll().await? {
                return Ok(account);
            }
            let next = Instant::now() + self.every;
            if next > until {
                return Err(Error::Timeout("waiting to be let in"));
            }
            sleep_until(next).await;
        }
    }
}

impl Account {
    /// Whether a terminal waits to be let in, and whether it is content with the second version of an answer.
    pub async fn terminal_status(&self, terminal: &PublicKey) -> Result<(AskStatus, bool), Error> {
        let key = encode(terminal.as_bytes());
        let ask = Ask::get("looking for a terminal", "/v1/auth/request/status").query("publicKey", Some(key));
        let looked: Looked = self.api().ask(ask).await?;
        Ok((looked.status, looked.supports_v2))
    }

    /// Lets in whoever shows this link. Nothing happens if somebody else has answered before.
    ///
    /// Only who has the account's secret can. A terminal that does not wait is not found.
    pub async fn let_in(&self, link: &Link) -> Result<(), Error> {
        const DOING: &str = "letting somebody in";
        let secret = self.keys().secret().ok_or(Error::Sealed("the account's secret"))?;
        let (route, granted) = match link {
            Link::Account(_) => ("/v1/auth/account/response", Granted::Secret(secret.clone())),
            Link::Terminal(key) => {
                let (status, second_version) = self.terminal_status(key).await?;
                let granted = match second_version {
                    true => Granted::ContentKey(secret.content_pair().public()),
                    false => Granted::Secret(secret.clone()),
                };
                match status {
                    AskStatus::Pending => {}
                    AskStatus::Authorized => return Ok(()),
                    AskStatus::NotFound => {
                        let text = "no such terminal waits".to_owned();
                        return Err(Error::Rejected { doing: DOING, text });
                    }
                }
                ("/v1/auth/response", granted)
            }
        };
        let key = link.key();
        let body = json!({ "publicKey": encode(key.as_bytes()), "response": granted.seal_for(key) });
        self.api().tell(Ask::post(DOING, route).json(&body).safe()).await
    }
}
