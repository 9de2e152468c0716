//! Where the gateway is, who we are, and how to answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rejoin_sdk::types::id::{ClientId, SessionId};
use rejoin_sdk::{Client, ClientBuilder, Error, ListSessions};

use crate::exit::{Exit, Told};

/// Options of every verb that talks to a gateway.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Here {
    /// Where the gateway is [default: http://127.0.0.1:7717]
    #[arg(long, global = true, env = "REJOIN_URL", value_name = "URL", help_heading = "Gateway")]
    pub(crate) url: Option<String>,
    /// An API key; without one, `owner.key` in the data folder is used for a gateway on this machine
    #[arg(
        long,
        global = true,
        env = "REJOIN_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Gateway"
    )]
    pub(crate) key: Option<String>,
    /// The gateway's data folder [default: ~/.local/share/rejoin]
    #[arg(long, global = true, env = "REJOIN_DATA", value_name = "DIR", help_heading = "Gateway")]
    pub(crate) data: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// How long a gateway may take to let us in: a person waits.
const CONNECT: Duration = Duration::from_secs(5);
/// A short hiccup is bridged; a gateway that is not there is told of at once.
const RETRIES: u32 = 2;
/// The longest key file that is read.
const LONGEST_KEY: u64 = 16 << 10;
/// The name that stands for the newest session.
pub(crate) const LAST: &str = "@last";

/// Where a gateway listens unless it is told otherwise.
const URL: &str = "http://127.0.0.1:7717";

impl Here {
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or(URL)
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(self.builder()?.build()?)
    }

    /// A client with a name of its own, so that what it does can be told from what others do.
    pub(crate) fn named_client(&self) -> anyhow::Result<(Client, ClientId)> {
        let id = ClientId::from(uuid::Uuid::now_v7());
        Ok((self.client_as(id.clone())?, id))
    }

    /// A client with a name that it has again the next time.
    pub(crate) fn client_as(&self, id: ClientId) -> anyhow::Result<Client> {
        Ok(self.builder()?.client_id(id).build()?)
    }

    fn builder(&self) -> anyhow::Result<ClientBuilder> {
        let builder = Client::builder(self.url())
            .user_agent(concat!("rejoin-cli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .retries(RETRIES);
        Ok(match self.find_key()? {
            Some(key) => builder.key(key),
            None => builder,
        })
    }

    pub(crate) fn find_key(&self) -> anyhow::Result<Option<String>> {
        if let Some(key) = self.key.as_ref().filter(|key| !key.is_empty()) {
            return Ok(Some(key.clone()));
        }
        let Some(path) = self.key_file() else {
            return Ok(None);
        };
        match std::fs::metadata(&path) {
            Ok(about) if about.len() <= LONGEST_KEY => {
                let key = std::fs::read_to_string(&path)
                    .map_err(|why| anyhow::anyhow!("reading {}: {why}", path.display()))?;
                Ok(Some(key.trim().to_owned()))
            }
            _ => Ok(None), // a gateway with `--dev` asks for none
        }
    }

    /// The owner's key lies in the data folder of a gateway here; no other machine must be shown it.
    fn key_file(&self) -> Option<PathBuf> {
        is_nearby(self.url()).then(|| self.data_folder().map(|data| data.join("owner.key")))?
    }

    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        self.data.clone().or_else(default_data)
    }

    /// Adds to an error what one can do about it.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let said = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
        match said {
            Some(Error::Transport { .. }) => {
                let hint = format!(
                    "{}\n  is a gateway running at {}? `rejoin serve` starts one; --url or REJOIN_URL says where it is",
                    crate::exit::message(&error),
                    self.url()
                );
                Told::error(Exit::Unreachable, hint)
            }
            Some(Error::Problem(problem)) if problem.is_sign_in() => error.context(Told {
                exit: Exit::NotSignedIn,
                message: format!("not signed in (the key is taken from --key, REJOIN_KEY{})", self.key_hint()),
            }),
            _ => error,
        }
    }

    fn key_hint(&self) -> String {
        match self.key_file() {
            Some(path) => format!(", then {}", path.display()),
            None => "; owner.key is for a gateway on this machine only".to_owned(),
        }
    }

    /// A session by its id, or the newest one.
    pub(crate) async fn session(&self, client: &Client, name: &str) -> anyhow::Result<SessionId> {
        if name != LAST {
            return SessionId::new(name).map_err(|bad| Told::usage(format!("session `{name}`: {bad}")));
        }
        let newest = ListSessions { limit: Some(1), archived: Some(false), ..ListSessions::default() };
        let page = client.list_sessions(&newest).await?;
        let newest = page.items.into_iter().next();
        let header = newest.ok_or_else(|| Told::error(Exit::NotFound, "there is no session yet"))?;
        Ok(header.id)
    }
}

/// Whether an address is of this machine.
fn is_nearby(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn default_data() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(Path::new(&home).join(".local/share/rejoin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owners_key_is_shown_to_no_other_machine() {
        for near in ["http://127.0.0.1:7717", "http://localhost:1/x", "http://[::1]:7717", "http://127.8.9.1"] {
            assert!(is_nearby(near), "{near}");
        }
        for far in [
            "http://example.org",
            "http://127.0.0.1.example.org",
            "http://localhost@example.org:1",
            "https://10.0.0.1",
            "",
        ] {
            assert!(!is_nearby(far), "{far}");
        }
    }
}
