//! The Happy door, put together: its options, and what is decided of them.

use std::net::SocketAddr;

use rejoin_happy::server::{EXPO, GitHub, Registration, RevenueCat, S3, Voice};
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
    #[arg(skip)]
    pub s3: Option<S3Options>,
    #[arg(skip)]
    pub voice: Option<VoiceOptions>,
}

/// The file's table `[happy.voice]`: an account of ElevenLabs, whose agents people talk to.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VoiceOptions {
    pub key: String,
    #[serde(default)]
    pub url: Option<String>,
    /// What an account may use in thirty days: without having paid, and at all.
    #[serde(default)]
    pub free_seconds: Option<u64>,
    #[serde(default)]
    pub hard_seconds: Option<u64>,
    #[serde(default)]
    pub conversations: Option<usize>,
    #[serde(default)]
    pub revenuecat: Option<RevenueCatOptions>,
}

/// The file's table `[happy.voice.revenuecat]`: who knows who has paid.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RevenueCatOptions {
    pub project: String,
    pub key: String,
    #[serde(default)]
    pub url: Option<String>,
}

impl std::fmt::Debug for VoiceOptions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let VoiceOptions { url, free_seconds, hard_seconds, conversations, .. } = self;
        let mut shown = out.debug_struct("VoiceOptions");
        shown.field("key", &"…").field("url", url).field("free_seconds", free_seconds);
        shown.field("hard_seconds", hard_seconds).field("conversations", conversations).finish_non_exhaustive()
    }
}

impl VoiceOptions {
    pub(crate) fn voice(self) -> Voice {
        let usual = Voice::new(self.key);
        let revenuecat = self.revenuecat.map(|service| {
            let usual = RevenueCat::new(service.project, service.key);
            RevenueCat { url: service.url.unwrap_or_else(|| usual.url.clone()), ..usual }
        });
        Voice {
            url: self.url.unwrap_or_else(|| usual.url.clone()),
            revenuecat,
            free_seconds: self.free_seconds.unwrap_or(usual.free_seconds),
            hard_seconds: self.hard_seconds.unwrap_or(usual.hard_seconds),
            conversations: self.conversations.unwrap_or(usual.conversations),
            ..usual
        }
    }
}

/// The file's table `[happy.s3]`: a bucket where attachments are, instead of the data folder.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct S3Options {
    /// Where we reach the store. The bucket is the first part of the path there.
    pub url: String,
    /// Where clients reach it, if that is elsewhere.
    #[serde(default)]
    pub public_url: Option<String>,
    #[serde(default = "usual_region")]
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

fn usual_region() -> String {
    "us-east-1".to_owned()
}

impl std::fmt::Debug for S3Options {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let S3Options { url, public_url, region, bucket, .. } = self;
        let mut shown = out.debug_struct("S3Options");
        shown.field("url", url).field("public_url", public_url).field("region", region).field("bucket", bucket);
        shown.field("access_key", &"…").field("secret_key", &"…").finish()
    }
}

impl S3Options {
    fn check(&self) -> Result<(), Bad> {
        let bad = |why: &str| Err(Bad { option: "happy.s3", why: why.to_owned() });
        for url in [Some(&self.url), self.public_url.as_ref()].into_iter().flatten() {
            let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@'])) {
                return bad("its addresses must be http:// or https://, a host, and perhaps a port");
            }
        }
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if !plain(&self.bucket) || !plain(&self.region) {
            return bad("bucket and region must be letters, digits, dots and dashes");
        }
        if self.access_key.is_empty() || self.secret_key.is_empty() {
            return bad("it needs access-key and secret-key");
        }
        Ok(())
    }

    pub(crate) fn bucket(self) -> S3 {
        let S3Options { url, public_url, region, bucket, access_key, secret_key } = self;
        S3 { url, public_url, region, bucket, access_key, secret_key }
    }
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
    pub s3: Option<S3Options>,
    pub voice: Option<VoiceOptions>,
}

impl HappyOptions {
    pub(crate) fn or(self, file: HappyOptions) -> HappyOptions {
        HappyOptions {
            listen: self.listen.or(file.listen),
            registration: self.registration.or(file.registration),
            public_url: self.public_url.or(file.public_url),
            push: self.push.or(file.push),
            github: self.github.or(file.github),
            s3: self.s3.or(file.s3),
            voice: self.voice.or(file.voice),
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
        self.s3.as_ref().map_or(Ok(()), S3Options::check)?;
        let HappyOptions { listen, public_url, github, s3, voice, .. } = self;
        Ok(HappyConfig { listen, registration, public_url, push, github, s3, voice })
    }
}
