//! Agents that are programs: those of the configuration, and known ones that happen to be installed.

mod door;
mod known;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::id::TenantId;
use rejoin_host::acp::{Acp, Crowd, Failure, Keyring, PREFIX, Recipe, Report};
use rejoin_host::{Agent, Workbench};
use rejoin_ports::store::Owner;
use serde::Deserialize;

use crate::confidential::Sealer;
use crate::config::Config;
use crate::options::{Bad, CageStyle};
use crate::secrets::Vault;
use crate::server::{Helper, start_helper};

pub(crate) use door::Hosted;

/// The longest name of an agent.
const LONGEST_NAME: usize = 64;
/// Lines may not be longer than this, however it is configured: one is in memory as a whole.
const LONGEST_LINE: usize = 256 << 20;

/// A table `[agents.NAME]` of the file. What is not given comes from the known agent of that name, if there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AgentOptions {
    /// `false`: there is no such agent, even if it is installed.
    pub enabled: Option<bool>,
    pub title: Option<String>,
    pub description: Option<String>,
    /// The program, absolute or found on PATH.
    pub command: Option<String>,
    pub args: Option<Vec<String>>,
    pub env: BTreeMap<String, String>,
    /// Variables whose values are secrets: of the tenant, or else of the gateway's own environment.
    pub credentials: Option<Vec<String>>,
    /// The mode that sessions begin in, by the agent's own name.
    pub mode: Option<String>,
    /// Options and their values, by the agent's own names.
    pub options: BTreeMap<String, String>,
    /// The way of signing in, by the agent's own name.
    pub auth: Option<String>,
    /// What keeps the agent itself to its workspace [default: off]. The commands that it has us run are kept as `cage` says.
    pub cage: Option<CageStyle>,
    pub line_bytes: Option<usize>,
    pub start_ms: Option<u64>,
    pub open_ms: Option<u64>,
    pub cancel_ms: Option<u64>,
    pub silence_ms: Option<u64>,
}

/// All agents: the known ones as they are configured, and the others.
pub(crate) fn resolve(configured: BTreeMap<String, AgentOptions>) -> Result<Vec<Recipe>, Bad> {
    let mut all: BTreeMap<String, Recipe> =
        known::all().into_iter().map(|recipe| (recipe.name.clone(), recipe)).collect();
    for (name, options) in configured {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_letter) {
            return Err(bad(&name, "its name may have letters, digits, `-`, `_` and `.` only"));
        }
        let known = all.remove(&name);
        if options.enabled == Some(false) {
            continue;
        }
        let recipe = options.onto(&name, known)?;
        all.insert(name, recipe);
    }
    Ok(all.into_values().collect())
}

impl AgentOptions {
    fn onto(self, name: &str, known: Option<Recipe>) -> Result<Recipe, Bad> {
        let mut recipe = match (known, &self.command) {
            (Some(known), None) => known,
            // Another program may take other arguments; it is still signed in the same way.
            (Some(known), Some(command)) => Recipe { command: command.clone(), args: Vec::new(), ..known },
            (None, Some(command)) => Recipe::new(name, command),
            (None, None) => return Err(bad(name, "it has no command, and is none of the known agents")),
        };
        recipe.is_ready_made = false;
        let limits = &mut recipe.limits;
        for (limit, given) in [
            (&mut limits.start, self.start_ms),
            (&mut limits.open, self.open_ms),
            (&mut limits.cancel, self.cancel_ms),
            (&mut limits.silence, self.silence_ms),
        ] {
            match given {
                Some(0) => return Err(bad(name, "a time must be more than 0")),
                Some(ms) => *limit = Duration::from_millis(ms),
                None => {}
            }
        }
        if let Some(line) = self.line_bytes {
            if !(1 << 10..=LONGEST_LINE).contains(&line) {
                return Err(bad(name, "line-bytes must be between 1024 and 268435456"));
            }
            limits.line = line;
        }
        recipe.title = self.title.unwrap_or(recipe.title);
        recipe.description = self.description.unwrap_or(recipe.description);
        recipe.args = self.args.unwrap_or(recipe.args);
        recipe.env.extend(self.env);
        recipe.credentials = self.credentials.unwrap_or(recipe.credentials);
        recipe.mode = self.mode.or(recipe.mode);
        recipe.options.extend(self.options);
        recipe.auth = self.auth.or(recipe.auth);
        recipe.cage = self.cage.map_or(recipe.cage, Into::into);
        let names = recipe.env.keys().chain(&recipe.credentials);
        if let Some(wrong) = names.into_iter().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(bad(name, &format!("{wrong:?} is no name of a variable")));
        }
        Ok(recipe)
    }
}

fn bad(name: &str, why: &str) -> Bad {
    Bad { option: "agents", why: format!("{name:?}: {why}") }
}

/// The agents themselves.
pub(crate) fn agents(
    config: &Config,
    bench: &Workbench,
    vault: &Arc<Vault>,
    sealer: &Arc<Sealer>,
) -> Vec<Arc<dyn Agent>> {
    let keys: Arc<dyn Keyring> = Arc::new(Keys(Some((vault.clone(), sealer.clone()))));
    let crowd = Crowd::new(config.limits.agents);
    let agent = |recipe: &Recipe| -> Arc<dyn Agent> {
        Arc::new(Acp::new(recipe.clone(), bench.clone(), keys.clone(), crowd.clone()))
    };
    config.agents.iter().map(agent).collect()
}

/// Secrets of tenants, and of the gateway where a tenant has none of that name.
struct Keys(Option<(Arc<Vault>, Arc<Sealer>)>);

#[async_trait]
impl Keyring for Keys {
    async fn secret(&self, tenant: &TenantId, name: &str) -> Result<Option<String>, String> {
        if let Some((vault, _)) = &self.0 {
            let sealed = vault.reveal(&Owner::Tenant(tenant.clone()), name).await;
            if let Some(secret) = sealed.map_err(|error| error.to_string())? {
                return Ok(Some(secret));
            }
        }
        Ok(std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn open(&self, tenant: &TenantId, purpose: &str, value: &str) -> Result<String, String> {
        match &self.0 {
            Some((_, sealer)) => sealer.open(tenant, purpose, value),
            None => Ok(value.to_owned()),
        }
    }
}

/// Why an agent cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("there is no agent {0}")]
    Unknown(String),
    #[error(transparent)]
    Helper(#[from] rejoin_machine::reaper::ReaperError),
    #[error("{}", .0.message)]
    Failed(Failure),
}

/// Tries an agent in `folder`, without a gateway: with the configuration that one would have, but without its sealed secrets.
pub async fn check(config: &Config, name: &str, helper: Option<Helper>, folder: &Path) -> Result<Report, CheckError> {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let recipe = config.agents.iter().find(|recipe| recipe.name == name).cloned();
    let recipe = recipe.ok_or_else(|| CheckError::Unknown(name.to_owned()))?;
    let shell = start_helper(helper).await?;
    let bench = Workbench { shell, cage: config.cage, hidden: vec![config.data.clone()] };
    let tenant = TenantId::new("default").expect("it is a plain word");
    rejoin_host::acp::check(recipe, bench, Arc::new(Keys(None)), tenant, folder).await.map_err(CheckError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Vec<Recipe>, Bad> {
        resolve(toml::from_str(text).unwrap())
    }

    fn one(text: &str, name: &str) -> Recipe {
        resolved(text).unwrap().into_iter().find(|recipe| recipe.name == name).unwrap()
    }

    #[test]
    fn a_known_agent_needs_no_table_and_a_table_changes_what_it_names() {
        let plain = one("", "codex");
        assert!(plain.is_ready_made && plain.command == "codex-acp");
        let changed = one("[codex]\nmode = 'auto'\nenv = { A = 'b' }\nstart-ms = 5\n", "codex");
        assert_eq!((changed.mode.as_deref(), changed.env["A"].as_str()), (Some("auto"), "b"));
        assert_eq!((changed.command, changed.credentials), (plain.command, plain.credentials));
        assert_eq!(changed.limits.start, Duration::from_millis(5));
        assert!(!changed.is_ready_made, "what is configured is listed, installed or not");
    }

    #[test]
    fn an_agent_of_ones_own_needs_a_command_and_no_more() {
        let own = one("[mine]\ncommand = '/opt/mine'\nargs = ['--acp']\n", "mine");
        assert_eq!((own.command.as_str(), own.args), ("/opt/mine", vec!["--acp".to_owned()]));
        let another = one("[opencode]\ncommand = '/opt/opencode'\n", "opencode");
        assert_eq!(another.args, [] as [String; 0]);
    }

    #[test]
    fn an_agent_that_is_switched_off_is_not_there() {
        let left = resolved("[codex]\nenabled = false\n").unwrap();
        assert!(!left.is_empty() && left.iter().all(|recipe| recipe.name != "codex"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for text in [
            "[mine]\n",
            "['a b']\ncommand = 'x'\n",
            "[mine]\ncommand = 'x'\ncancel-ms = 0\n",
            "[mine]\ncommand = 'x'\nline-bytes = 3\n",
            "[mine]\ncommand = 'x'\ncredentials = ['A=B']\n",
        ] {
            let error = resolved(text).unwrap_err();
            assert!(error.option == "agents" && (error.why.contains("mine") || error.why.contains("a b")), "{error}");
        }
    }

    #[test]
    fn no_two_known_agents_have_one_name() {
        let names: Vec<String> = known::all().into_iter().map(|recipe| recipe.name).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
    }
}
