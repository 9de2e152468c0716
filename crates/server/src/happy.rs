//! The Happy door, put together: its options, and what is decided of them.

use std::net::SocketAddr;

use rejoin_happy::client::Server;
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
    /// Other Happy servers that members may link to, or `*` [default: any on loopback, none beyond it]
    #[arg(
        id = "happy-link-servers",
        long = "happy-link-servers",
        env = "REJOIN_HAPPY_LINK_SERVERS",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub link_servers: Option<Vec<String>>,
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
    pub link_servers: LinkServers,
    pub github: Option<GitHubOptions>,
    pub s3: Option<S3Options>,
    pub voice: Option<VoiceOptions>,
}

/// Other Happy servers that members may link to. The gateway connects to them, so it is not for everybody to name one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkServers {
    Any,
    These(Vec<Server>),
}

impl Default for LinkServers {
    fn default() -> LinkServers {
        LinkServers::These(Vec::new())
    }
}

impl LinkServers {
    fn read(named: &[String]) -> Result<LinkServers, Bad> {
        if named.iter().any(|name| name == "*") {
            return Ok(LinkServers::Any);
        }
        let server = |name: &String| {
            let why = format!("{name:?} is no address that begins with http:// or https://");
            Server::new(name).map_err(|_| Bad { option: "happy.link-servers", why })
        };
        named.iter().map(server).collect::<Result<_, _>>().map(LinkServers::These)
    }

    pub(crate) fn has(&self, server: &Server) -> bool {
        match self {
            LinkServers::Any => true,
            LinkServers::These(known) => known.contains(server),
        }
    }
}

impl HappyOptions {
    pub(crate) fn or(self, file: HappyOptions) -> HappyOptions {
        HappyOptions {
            listen: self.listen.or(file.listen),
            registration: self.registration.or(file.registration),
            public_url: self.public_url.or(file.public_url),
            push: self.push.or(file.push),
            link_servers: self.link_servers.or(file.link_servers),
            github: self.github.or(file.github),
            s3: self.s3.or(file.s3),
            voice: self.voice.or(file.voice),
        }
    }

    /// `main` is where the gateway listens besides.
    pub(crate) fn resolve(self, main: SocketAddr) -> Result<HappyConfig, Bad> {
        let is_private = [Some(main), self.listen].into_iter().flatten().all(|address| address.ip().is_loopback());
        let registration = match self.registration {
            Some(RegistrationWord::Open) => Registration::Open,
            Some(RegistrationWord::Closed) => Registration::Closed,
            None if is_private => Registration::Open,
            None => Registration::Closed,
        };
        let link_servers = match &self.link_servers {
            Some(named) => LinkServers::read(named)?,
            None if is_private => LinkServers::Any,
            None => LinkServers::default(),
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
        Ok(HappyConfig { listen, registration, public_url, push, link_servers, github, s3, voice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(listen: &str, servers: Option<&[&str]>) -> Result<HappyConfig, Bad> {
        let named = servers.map(|servers| servers.iter().map(|&server| server.to_owned()).collect());
        let options = HappyOptions { link_servers: named, ..HappyOptions::default() };
        options.resolve(listen.parse().expect("an address"))
    }

    #[test]
    fn a_gateway_that_others_reach_links_only_to_servers_that_it_was_told() {
        let server = |text: &str| Server::new(text).expect("an address");
        let (private, public) = ("127.0.0.1:1", "0.0.0.0:1");
        let has = |config: Result<HappyConfig, Bad>, text: &str| config.expect("sound").link_servers.has(&server(text));
        assert!(has(resolved(private, None), "http://10.0.0.1"));
        assert!(!has(resolved(public, None), "http://10.0.0.1"));
        assert!(has(resolved(public, Some(&["https://happy.example"])), "https://happy.example/"));
        assert!(!has(resolved(public, Some(&["https://happy.example"])), "https://happy.example.org"));
        assert!(has(resolved(public, Some(&["*"])), "http://10.0.0.1"));
        assert!(!has(resolved(private, Some(&[])), "http://10.0.0.1"));
        assert!(resolved(private, Some(&["ftp://x"])).is_err());
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let text = "listen = '127.0.0.1:1'\n[s3]\nurl = 'http://s'\nbucket = 'b'\naccess-key = 'hush1'\nsecret-key = 'hush2'\n\
            [voice]\nkey = 'hush3'\n[voice.revenuecat]\nproject = 'p'\nkey = 'hush4'\n";
        let options: HappyOptions = toml::from_str(text).expect("sound");
        assert!(!format!("{options:?}").contains("hush"), "{options:?}");
    }

    #[test]
    fn a_bucket_needs_a_plain_address_and_keys() {
        let bucket = |url: &str, key: &str| {
            let text = format!("[s3]\nurl = '{url}'\nbucket = 'b'\naccess-key = 'a'\nsecret-key = '{key}'\n");
            toml::from_str::<HappyOptions>(&text).expect("TOML").resolve("127.0.0.1:1".parse().expect("an address"))
        };
        assert!(bucket("https://s3.example:9000", "s").is_ok());
        for (url, key) in
            [("s3.example", "s"), ("https://s3.example/", "s"), ("https://a@b", "s"), ("https://s3.example", "")]
        {
            assert!(bucket(url, key).is_err(), "{url} {key}");
        }
    }
}
