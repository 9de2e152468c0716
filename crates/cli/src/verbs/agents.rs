//! The agents there are, and whether they work here.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use rejoin_server::agents::CheckError;
use serde_json::json;

use super::serve::REAPER;
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::{clean, one_line};
use crate::render::table::table;

#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List them
    #[command(visible_alias = "list")]
    Ls,
    /// Show what is known of one
    Show {
        /// Its name: `script`, `acp:codex`
        name: String,
    },
    /// Start one, on this machine and without a gateway, and say what it can do and what it lacks
    Check {
        /// Its name; `acp:` may be left out
        name: String,
        /// Configuration file (TOML), as `serve` takes it
        #[arg(long, env = "REJOIN_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

impl Agents {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        match self {
            Agents::Ls => list(here, out).await,
            Agents::Show { name } => show(here, out, &name).await,
            Agents::Check { name, config } => check(here, out, &name, config).await,
        }
    }
}

async fn list(here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
    let agents = here.client()?.agents().await?;
    if out.json {
        for agent in &agents {
            out.object(agent)?;
        }
        return Ok(Exit::Ok);
    }
    let row = |agent: &rejoin_sdk::types::AgentInfo| vec![one_line(&agent.name, 80), one_line(&agent.description, 200)];
    for line in table(&agents.iter().map(row).collect::<Vec<_>>()) {
        out.line(line)?;
    }
    Ok(Exit::Ok)
}

async fn show(here: &Here, out: &mut Out, name: &str) -> anyhow::Result<Exit> {
    let agents = here.client()?.agents().await?;
    let Some(agent) = agents.iter().find(|agent| agent.name == name) else {
        let message = format!("there is no agent {name}; `rejoin agent ls` lists those there are");
        return Err(Told::error(Exit::NotFound, message));
    };
    if out.json {
        out.object(agent)?;
        return Ok(Exit::Ok);
    }
    let yes = |is: bool, what: &str, what_not: &str| (if is { what } else { what_not }).to_owned();
    for line in [
        format!("{}: {}", agent.name, one_line(&agent.title, 200)),
        one_line(&agent.description, 500),
        yes(
            agent.steerable,
            "It can be told something while it works.",
            "What it is told while it works waits for its next turn.",
        ),
        yes(
            agent.resumable,
            "What it asks survives a restart of the gateway.",
            "What it asks is withdrawn when the gateway restarts.",
        ),
    ] {
        out.line(line)?;
    }
    Ok(Exit::Ok)
}

async fn check(here: &Here, out: &mut Out, name: &str, config: Option<PathBuf>) -> anyhow::Result<Exit> {
    let options = rejoin_server::Options { config, data: here.data.clone(), ..rejoin_server::Options::default() };
    let config = rejoin_server::Config::load(options)?;
    let helper = rejoin_server::Helper { program: std::env::current_exe()?, args: vec![REAPER.into()] };
    let folder = std::env::current_dir().context("finding the current folder")?;
    let report = match rejoin_server::agents::check(&config, name, Some(helper), &folder).await {
        Ok(report) => report,
        Err(CheckError::Failed(failure)) => {
            if out.json {
                out.object(&json!({ "problem": failure }))?;
            } else {
                out.line(format!("{name} does not work: {}", clean(&failure.message)))?;
            }
            return Ok(Exit::Failed);
        }
        Err(CheckError::Unknown(name)) => {
            return Err(Told::error(Exit::NotFound, format!("there is no agent {name}, neither known nor configured")));
        }
        Err(error) => return Err(error.into()),
    };
    let works = report.problem.is_none();
    if out.json {
        out.object(&report)?;
        return Ok(if works { Exit::Ok } else { Exit::Failed });
    }
    let of = |name: &Option<String>| one_line(name.as_deref().unwrap_or("?"), 200);
    out.line(format!("{} {}, {}", of(&report.name), of(&report.version), of(&report.program)))?;
    match &report.problem {
        None => out.line("It starts and opens a session.")?,
        Some(problem) => out.line(format!("It starts, but opens no session: {}", clean(&problem.message)))?,
    }
    for can in &report.can {
        out.line(format!("  + {can}"))?;
    }
    for cannot in &report.cannot {
        out.line(format!("  - {cannot}"))?;
    }
    let named = [("modes", &report.modes), ("models", &report.models), ("ways to sign in", &report.sign_ins)];
    for (what, names) in named.iter().filter(|(_, names)| !names.is_empty()) {
        out.line(one_line(&format!("{what}: {}", names.join(", ")), 2_000))?;
    }
    for (option, values) in &report.options {
        out.line(one_line(&format!("option {option}: {}", values.join(", ")), 500))?;
    }
    Ok(if works { Exit::Ok } else { Exit::Failed })
}
