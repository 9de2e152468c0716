//! Every option of `rejoin serve`: as a flag, as a variable and as a key of the file. What is not given is `None`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rejoin_machine::cage::Cage;
use rejoin_ports::store::Durability;
use serde::Deserialize;

use crate::agents::AgentOptions;
use crate::config::Limits;
use crate::diminuendo::DiminuendoOptions;
use crate::happy::HappyOptions;
use crate::sign_in::jwt::JwtOptions;

/// The flags and the file have the same names; tables of the file are prefixes of flags (`[jwt] issuer`, `--jwt-issuer`).
///
/// Later versions add tables for more doors; until then these are unknown keys.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:7717]
    #[arg(long, env = "REJOIN_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Folder for everything that is kept [default: ~/.local/share/rejoin]
    #[arg(long, env = "REJOIN_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Let everybody in as the owner `dev-user-001`; on loopback only
    #[arg(long, env = "REJOIN_DEV", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub dev: Option<bool>,
    /// Configuration file (TOML)
    #[serde(skip)]
    #[arg(long, env = "REJOIN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File to write once the gateway answers: the addresses it really has, as JSON
    #[arg(long, env = "REJOIN_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// How logs on stderr look [default: pretty]
    #[arg(long, env = "REJOIN_LOG", value_name = "STYLE")]
    pub log: Option<LogStyle>,
    /// Which logs: a level, or `target=level,…` [default: info]
    #[arg(long, env = "REJOIN_LOG_FILTER", value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Where truth is kept; this version has `sqlite` only
    #[arg(long, env = "REJOIN_STORE", hide_env_values = true, value_name = "STORE")]
    pub store: Option<String>,
    /// How several gateways hear of each other; this version has `local` only
    #[arg(long, env = "REJOIN_BUS", hide_env_values = true, value_name = "BUS")]
    pub bus: Option<String>,
    /// Whether what was shown survives a power cut (`full`) or only the process (`normal`) [default: full]
    #[arg(long, env = "REJOIN_DURABILITY", value_name = "HOW")]
    pub durability: Option<Durable>,
    /// Web pages that may use the native API, as `https://host[:port]`; none by default, pages of this machine excepted
    #[arg(long, env = "REJOIN_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,
    /// Addresses of proxies whose `X-Forwarded-For` is believed; none by default
    #[arg(long, env = "REJOIN_TRUSTED_PROXIES", value_delimiter = ',', value_name = "IP")]
    pub trusted_proxies: Vec<IpAddr>,
    /// Folders under which workspaces may be; anywhere by default
    #[arg(long, env = "REJOIN_WORKSPACE_ROOTS", value_delimiter = ',', value_name = "DIR")]
    pub workspace_roots: Vec<PathBuf>,
    /// What keeps tools to their workspace: `workspace` lets them write nowhere else, where the kernel can (Landlock)
    /// [default: workspace]
    #[arg(long, env = "REJOIN_CAGE", value_name = "CAGE")]
    pub cage: Option<CageStyle>,
    #[command(flatten)]
    pub limits: LimitOptions,
    #[command(flatten)]
    pub jwt: JwtOptions,
    #[command(flatten)]
    pub diminuendo: DiminuendoOptions,
    #[command(flatten)]
    pub happy: HappyOptions,
    /// The file's tables `[agents.NAME]`.
    #[arg(skip)]
    pub agents: BTreeMap<String, AgentOptions>,
}

/// The file's table `[limits]`.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitOptions {
    /// Connections at a time, sockets included [default: 20000]
    #[arg(id = "limits-connections", long = "limits-connections", env = "REJOIN_LIMITS_CONNECTIONS", value_name = "N")]
    pub connections: Option<usize>,
    /// Milliseconds in which a request's head must come [default: 10000]
    #[arg(id = "limits-head-ms", long = "limits-head-ms", env = "REJOIN_LIMITS_HEAD_MS", value_name = "MS")]
    pub head_ms: Option<u64>,
    /// Milliseconds for which a used connection may wait for its next request [default: 75000]
    #[arg(id = "limits-idle-ms", long = "limits-idle-ms", env = "REJOIN_LIMITS_IDLE_MS", value_name = "MS")]
    pub idle_ms: Option<u64>,
    /// Milliseconds a stop waits for what is running [default: 10000]
    #[arg(id = "limits-stop-ms", long = "limits-stop-ms", env = "REJOIN_LIMITS_STOP_MS", value_name = "MS")]
    pub stop_ms: Option<u64>,
    /// Processes of agents at a time [default: 200]
    #[arg(id = "limits-agents", long = "limits-agents", env = "REJOIN_LIMITS_AGENTS", value_name = "N")]
    pub agents: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogStyle {
    Json,
    #[default]
    Pretty,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum CageStyle {
    Off,
    #[default]
    Workspace,
}

impl From<CageStyle> for Cage {
    fn from(style: CageStyle) -> Cage {
        match style {
            CageStyle::Off => Cage::Off,
            CageStyle::Workspace => Cage::Workspace,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durable {
    Full,
    Normal,
}

impl From<Durable> for Durability {
    fn from(how: Durable) -> Durability {
        match how {
            Durable::Full => Durability::Full,
            Durable::Normal => Durability::Normal,
        }
    }
}

/// An option that cannot be what it was set to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("option {option}: {why}")]
pub struct Bad {
    pub option: &'static str,
    pub why: String,
}

impl Options {
    /// What is not given here is taken from `file`.
    pub fn or(self, file: Options) -> Options {
        let list = |mine: Vec<_>, other| if mine.is_empty() { other } else { mine };
        Options {
            listen: self.listen.or(file.listen),
            data: self.data.or(file.data),
            dev: self.dev.or(file.dev),
            config: self.config,
            ready_file: self.ready_file.or(file.ready_file),
            log: self.log.or(file.log),
            log_filter: self.log_filter.or(file.log_filter),
            store: self.store.or(file.store),
            bus: self.bus.or(file.bus),
            durability: self.durability.or(file.durability),
            cors_origins: list(self.cors_origins, file.cors_origins),
            trusted_proxies: if self.trusted_proxies.is_empty() { file.trusted_proxies } else { self.trusted_proxies },
            workspace_roots: if self.workspace_roots.is_empty() { file.workspace_roots } else { self.workspace_roots },
            cage: self.cage.or(file.cage),
            limits: LimitOptions {
                connections: self.limits.connections.or(file.limits.connections),
                head_ms: self.limits.head_ms.or(file.limits.head_ms),
                idle_ms: self.limits.idle_ms.or(file.limits.idle_ms),
                stop_ms: self.limits.stop_ms.or(file.limits.stop_ms),
                agents: self.limits.agents.or(file.limits.agents),
            },
            jwt: self.jwt.or(file.jwt),
            diminuendo: self.diminuendo.or(file.diminuendo),
            happy: self.happy.or(file.happy),
            agents: if self.agents.is_empty() { file.agents } else { self.agents },
        }
    }
}

impl LimitOptions {
    pub(crate) fn resolve(self) -> Result<Limits, Bad> {
        let default = Limits::default();
        let positive = |option, given: Option<u64>, default: Duration| match given {
            Some(0) => Err(Bad { option, why: "it must be more than 0".to_owned() }),
            given => Ok(given.map_or(default, Duration::from_millis)),
        };
        let connections = self.connections.unwrap_or(default.connections);
        if connections == 0 {
            let why = "it must be more than 0".to_owned();
            return Err(Bad { option: "limits.connections", why });
        }
        Ok(Limits {
            connections,
            head: positive("limits.head-ms", self.head_ms, default.head)?,
            idle: positive("limits.idle-ms", self.idle_ms, default.idle)?,
            stop: self.stop_ms.map_or(default.stop, Duration::from_millis), // 0: at once
            agents: self.agents.unwrap_or(default.agents),                  // 0: none at all
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn flags_have_the_names_that_the_file_has() {
        let line = Line::parse_from([
            "serve",
            "--dev",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "json",
            "--cors-origins",
            "https://a,https://b",
            "--limits-connections",
            "5",
            "--jwt-issuer",
            "https://id",
        ]);
        let options = line.options;
        assert_eq!((options.dev, options.log), (Some(true), Some(LogStyle::Json)));
        assert_eq!(options.cors_origins, ["https://a", "https://b"]);
        assert_eq!(options.limits.connections, Some(5));
        assert_eq!(options.jwt.issuer.as_deref(), Some("https://id"));
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        let none = LimitOptions { connections: Some(0), ..LimitOptions::default() };
        assert_eq!(none.resolve().unwrap_err().option, "limits.connections");
        let none = LimitOptions { head_ms: Some(0), ..LimitOptions::default() };
        assert_eq!(none.resolve().unwrap_err().option, "limits.head-ms");
    }
}
