//! What the gateway can be told: flags, then `REJOIN_*` in the environment, then a TOML file, then what stands here.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rejoin_host::acp::Recipe;
use rejoin_machine::cage::Cage;
use rejoin_ports::store::Durability;

use crate::diminuendo::DiminuendoConfig;
use crate::happy::HappyConfig;
use crate::options::{Bad, LogStyle, Options};
use crate::sign_in::jwt::JwtConfig;

/// Where the gateway listens unless it is told otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7717);
/// The longest configuration file that is read.
const LONGEST_FILE: u64 = 1 << 20;

/// Everything that was decided before the start. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// Sign-in is switched off: everybody is the developer.
    pub dev: bool,
    pub ready_file: Option<PathBuf>,
    pub log: LogStyle,
    pub log_filter: String,
    pub durability: Durability,
    pub cors_origins: Vec<String>,
    pub trusted_proxies: Vec<IpAddr>,
    /// Folders under which workspaces may be; empty: anywhere.
    pub workspace_roots: Vec<PathBuf>,
    pub cage: Cage,
    pub limits: Limits,
    pub jwt: Option<JwtConfig>,
    pub diminuendo: DiminuendoConfig,
    pub happy: HappyConfig,
    /// Agents that are programs.
    pub agents: Vec<Recipe>,
    /// The key of stored secrets, if it is not in the data folder. Only ever in the environment.
    pub secret_key: Option<SecretKey>,
}

/// A text that is not printed.
#[derive(Clone)]
pub struct SecretKey(pub String);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("…")
    }
}

/// Bounds that an operator may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, sockets included. One more is answered 503 and closed.
    pub connections: usize,
    /// How long the head of a request may take to come, from the first look at a connection on.
    pub head: Duration,
    /// How long a connection that was used may wait for its next request.
    pub idle: Duration,
    /// How long a stop waits for running turns and for readers to reach the tip.
    pub stop: Duration,
    /// Processes of agents at a time. One more fails its turn.
    pub agents: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 20_000, // twice what we promise to carry; each costs a descriptor and some KiB
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75), // longer than the minute for which proxies and clients keep theirs
            stop: Duration::from_secs(10), // what service managers wait before they kill
            agents: 200,                   // 8 GiB of small ones
        }
    }
}

impl Config {
    /// Puts together what was given. `flags` already has the environment's values where no flag was given.
    pub fn load(flags: Options) -> Result<Config, ConfigError> {
        let environment = |name: &str| std::env::var(name).ok();
        Config::from(flags, &environment)
    }

    /// The same with an environment of the caller's choice.
    pub fn from(flags: Options, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let file = flags.config.as_deref().map(read_file).transpose()?;
        let mut flags = flags;
        // The one variable without a flag.
        flags.jwt.secret = flags.jwt.secret.or_else(|| environment("REJOIN_JWT_SECRET"));
        let options = flags.or(file.unwrap_or_default());
        let data = match options.data {
            Some(data) => data,
            None => default_data(environment).ok_or(ConfigError::NoHome)?,
        };
        let dev = options.dev.unwrap_or(false);
        let listen = options.listen.unwrap_or(LISTEN);
        let diminuendo = options.diminuendo.resolve()?;
        let happy = options.happy.resolve(listen)?;
        let beyond = |address: &SocketAddr| !address.ip().is_loopback();
        if dev && let Some(address) = [Some(listen), diminuendo.listen, happy.listen].into_iter().flatten().find(beyond)
        {
            return Err(ConfigError::DevBeyondLoopback(address));
        }
        only("store", options.store, "sqlite")?;
        only("bus", options.bus, "local")?;
        rejoin_socket::Origins::new(&options.cors_origins).map_err(|error| bad("cors-origins", error))?;
        let roots = options.workspace_roots.iter().map(|root| {
            fs::canonicalize(root).map_err(|error| bad("workspace-roots", format!("{}: {error}", root.display())))
        });
        Ok(Config {
            listen,
            data,
            dev,
            ready_file: options.ready_file,
            log: options.log.unwrap_or_default(),
            log_filter: options.log_filter.unwrap_or_else(|| "info".to_owned()),
            durability: options.durability.map_or(Durability::Full, Into::into),
            workspace_roots: roots.collect::<Result<_, _>>()?,
            cors_origins: options.cors_origins,
            trusted_proxies: options.trusted_proxies,
            cage: options.cage.unwrap_or_default().into(),
            limits: options.limits.resolve()?,
            jwt: options.jwt.resolve()?,
            diminuendo,
            happy,
            agents: crate::agents::resolve(options.agents)?,
            secret_key: environment("REJOIN_SECRET_KEY").map(SecretKey),
        })
    }
}

fn read_file(path: &Path) -> Result<Options, ConfigError> {
    let failed = |source| ConfigError::File { path: path.to_path_buf(), source };
    if fs::metadata(path).map_err(failed)?.len() > LONGEST_FILE {
        return Err(bad("config", format!("{} is too long for a configuration", path.display())));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    toml::from_str(&text).map_err(|error| ConfigError::Toml {
        path: path.to_path_buf(),
        // The error's own text repeats the line, which may hold a secret.
        why: error.message().to_owned(),
        line: error.span().map_or(0, |span| text[..span.start].lines().count().max(1)),
    })
}

fn default_data(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name| environment(name).filter(|value| !value.is_empty());
    set("REJOIN_DATA")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/share/rejoin")))
}

/// Names that are documented and not built yet are told apart from typing errors.
fn only(option: &'static str, given: Option<String>, built: &str) -> Result<(), ConfigError> {
    let planned = ["postgres://", "nats://"];
    match given.as_deref() {
        None => Ok(()),
        Some(value) if value == built => Ok(()),
        Some(value) if planned.iter().any(|scheme| value.starts_with(scheme)) => {
            let scheme = value.split("//").next().unwrap_or_default();
            Err(bad(option, format!("{scheme}//… is not built into this version; it has `{built}` only")))
        }
        Some(_) => Err(bad(option, format!("this version knows `{built}` only"))),
    }
}

pub(crate) fn bad(option: &'static str, why: impl ToString) -> ConfigError {
    ConfigError::Bad(Bad { option, why: why.to_string() })
}

/// Why the gateway does not start. No text repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("reading the configuration {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("configuration {} line {line}: {why}", path.display())]
    Toml { path: PathBuf, line: usize, why: String },
    #[error(transparent)]
    Bad(#[from] Bad),
    #[error("where to keep data is not known: give --data, or set HOME")]
    NoHome,
    #[error("--dev lets everybody in and therefore listens on loopback only, not on {0}")]
    DevBeyondLoopback(SocketAddr),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Options) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejoin.toml");
        fs::write(&path, text).unwrap();
        let flags = Options { config: Some(path), data: Some("/tmp/x".into()), ..Options::default() };
        (dir, flags)
    }

    fn load(flags: Options) -> Result<Config, ConfigError> {
        Config::from(flags, &|_| None)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let (_dir, mut flags) = file("listen = '127.0.0.1:1'\ndurability = 'normal'\n[limits]\nconnections = 7\n");
        let config = load(flags.clone()).unwrap();
        assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(config.durability, Durability::Normal);
        assert_eq!(config.limits.connections, 7);
        assert_eq!(config.limits.head, Limits::default().head);
        flags.listen = Some("127.0.0.1:2".parse().unwrap());
        assert_eq!(load(flags).unwrap().listen.port(), 2);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for (text, key) in [("lsten = '1'", "lsten"), ("[jwt]\nisuer = 'x'", "isuer"), ("[jean3]\n", "jean3")] {
            let (_dir, flags) = file(text);
            let error = load(flags).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }

    #[test]
    fn an_error_in_the_file_repeats_no_secret() {
        let (_dir, flags) = file("[jwt]\nsecret = 'hunter2hunter2' x\n");
        let error = load(flags).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_secret_of_the_environment_replaces_the_files_in_either_form() {
        let (_dir, flags) = file("[jwt]\nsecret-file = '/nowhere'\n");
        let secret = "s".repeat(32);
        let environment = |name: &str| (name == "REJOIN_JWT_SECRET").then(|| secret.clone());
        let config = Config::from(flags.clone(), &environment).unwrap();
        assert_eq!(config.jwt.unwrap().secret, Some(secret));
        assert!(load(flags).unwrap_err().to_string().contains("jwt.secret-file"));
    }

    #[test]
    fn dev_stays_on_loopback() {
        let flags = Options {
            data: Some("/tmp/x".into()),
            dev: Some(true),
            listen: Some("0.0.0.0:7717".parse().unwrap()),
            ..Options::default()
        };
        assert!(matches!(load(flags.clone()), Err(ConfigError::DevBeyondLoopback(_))));
        let local = Options { listen: Some("[::1]:0".parse().unwrap()), ..flags };
        assert!(load(local).unwrap().dev);
    }

    #[test]
    fn stores_and_buses_that_are_not_built_are_named_as_such() {
        for (store, bus) in [(Some("postgres://u:hunter2@h/d"), None), (None, Some("nats://h")), (Some("mongo"), None)]
        {
            let flags = Options {
                data: Some("/tmp/x".into()),
                store: store.map(str::to_owned),
                bus: bus.map(str::to_owned),
                ..Options::default()
            };
            let error = load(flags).unwrap_err().to_string();
            assert!(error.contains("this version") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn data_goes_below_home_unless_the_environment_says_otherwise() {
        let home = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let config = Config::from(Options::default(), &home).unwrap();
        assert_eq!(config.data, Path::new("/home/me/.local/share/rejoin"));
        assert!(matches!(load(Options::default()), Err(ConfigError::NoHome)));
    }
}
