//! The Happy door, put together: its options, and what is decided of them.

use std::net::SocketAddr;

use rejoin_happy::server::{EXPO, GitHub, Registration};
use serde::Deserialize;

use crate::options::Bad;

/// The file's table `[happy]`.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HappyOptions {
    /// Address where Happy stands at the root, as its original does; none by default
    #[arg(id = "happy-listen", long = "happy-listen", env = "REJOIN_HAPPY_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Whether new keys make accounts [default: open on loopback, closed beyond it]
    #[arg(id = "happy-registration", long = "happy-registration", env = "REJOIN_HAPPY_REGISTRATION")]
    pub registration: Option<RegistrationWord>,
    /// Where Happy clients find us, if that is not where they say they look
    #[arg(id = "happy-public-url", long = "happy-public-url", env = "REJOIN_HAPPY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Who tells phones that are asleep: `expo`, or the URL of such a service; nobody by default
    #[arg(id = "happy-push", long = "happy-push", env = "REJOIN_HAPPY_PUSH", value_name = "expo|URL")]
    pub push: Option<String>,
    #[arg(skip)]
    pub github: Option<GitHubOptions>,
}

/// The file's table `[happy.github]`: an OAuth app that people connect their accounts with.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GitHubOptions {
    pub client_id: String,
    pub client_secret: String,
    /// Where GitHub sends people back to: our `/v1/connect/github/callback`.
    pub redirect_url: String,
    #[serde(default)]
    pub webhook_secret: Option<String>,
    /// Where people go then.
    #[serde(default)]
    pub app_url: Option<String>,
    /// Where people of another GitHub than github.com are asked, and where its API is.
    #[serde(default)]
    pub site: Option<String>,
    #[serde(default)]
    pub api: Option<String>,
}

impl std::fmt::Debug for GitHubOptions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let GitHubOptions { client_id, redirect_url, app_url, .. } = self;
        let mut shown = out.debug_struct("GitHubOptions");
        shown.field("client_id", client_id).field("client_secret", &"…").field("redirect_url", redirect_url);
        shown.field("webhook_secret", &"…").field("app_url", app_url).finish()
    }
}

impl GitHubOptions {
    pub(crate) fn app(self) -> GitHub {
        let mut app = GitHub::new(self.client_id, self.client_secret, self.redirect_url);
        app.webhook_secret = self.webhook_secret;
        app.app_url = self.app_url.unwrap_or(app.app_url);
        app.site = self.site.unwrap_or(app.site);
        app.api = self.api.unwrap_or(app.api);
        app
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationWord {
    Open,
    Closed,
}

/// What was decided of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HappyConfig {
    /// A listener of its own.
    pub listen: Option<SocketAddr>,
    pub registration: Registration,
    pub public_url: Option<String>,
    pub push: Option<String>,
    pub github: Option<GitHubOptions>,
}

impl HappyOptions {
    pub(crate) fn or(self, file: HappyOptions) -> HappyOptions {
        HappyOptions {
            listen: self.listen.or(file.listen),
            registration: self.registration.or(file.registration),
            public_url: self.public_url.or(file.public_url),
            push: self.push.or(file.push),
            github: self.github.or(file.github),
        }
    }

    /// `main` is where the gateway listens besides.
    pub(crate) fn resolve(self, main: SocketAddr) -> Result<HappyConfig, Bad> {
        let mut addresses = [Some(main), self.listen].into_iter().flatten();
        let registration = match self.registration {
            Some(RegistrationWord::Open) => Registration::Open,
            Some(RegistrationWord::Closed) => Registration::Closed,
            None if addresses.all(|address| address.ip().is_loopback()) => Registration::Open,
            None => Registration::Closed,
        };
        if let Some(url) = &self.public_url {
            let plain = url.starts_with("http://") || url.starts_with("https://");
            if !plain || url.ends_with('/') {
                let why = "it must begin with http:// or https:// and have no slash at its end".to_owned();
                return Err(Bad { option: "happy.public-url", why });
            }
        }
        let push = match self.push.as_deref() {
            Some("expo") => Some(EXPO.to_owned()),
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                return Err(Bad { option: "happy.push", why: "it must be `expo` or an http URL".to_owned() });
            }
            other => other.map(str::to_owned),
        };
        let HappyOptions { listen, public_url, github, .. } = self;
        Ok(HappyConfig { listen, registration, public_url, push, github })
    }
}
