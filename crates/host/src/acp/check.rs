//! Whether an agent works here: it is started, introduced, and asked for a session, but not for any work.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::header::Config;
use rejoin_core::id::{SessionId, TenantId};
use rejoin_ports::agent::{AgentFiles, ChangesSince, FileChanged, FileError, Opening, PlainMemory};
use serde::Serialize;

use super::crowd::Crowd;
use super::failure::Failure;
use super::life::Kit;
use super::recipe::{Keyring, Recipe};
use super::start::Starting;
use super::wire::setup::{Abilities, Settings, ids};
use crate::workbench::Workbench;

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the agent calls itself, and its version.
    pub name: Option<String>,
    pub version: Option<String>,
    pub program: Option<String>,
    /// What it can do, in plain words.
    pub can: Vec<String>,
    /// What it cannot, and what that means.
    pub cannot: Vec<String>,
    /// Ways of signing in: the agent's own names and what it says about them.
    pub sign_ins: Vec<String>,
    pub modes: Vec<String>,
    pub models: Vec<String>,
    /// Other options, and the values they can have.
    pub options: Vec<(String, Vec<String>)>,
    /// Why it opens no session, if it does not.
    pub problem: Option<Failure>,
}

/// Starts an agent in `folder` to see whether it works. An error is one that could not even introduce itself.
pub async fn check(
    recipe: Recipe,
    bench: Workbench,
    keys: Arc<dyn Keyring>,
    tenant: TenantId,
    folder: &Path,
) -> Result<Report, Failure> {
    let program = recipe.program().map(|program| program.display().to_string());
    let opening = Opening {
        session: SessionId::new("check").expect("it is a plain word"),
        tenant,
        agent: format!("{}{}", super::PREFIX, recipe.name),
        folder: folder.to_owned(),
        config: Config::default(),
        model: None,
        files: Arc::new(NoFiles),
        memory: Arc::<PlainMemory>::default(),
        has_past: false,
    };
    let kit = Kit { recipe: Arc::new(recipe), bench, keys, crowd: Crowd::new(1), known: Arc::default() };
    let (introduction, opened) = Starting { kit, opening }.try_out().await?;
    let (settings, problem) = match opened {
        Ok(settings) => (settings, None),
        Err(failure) => (Settings::default(), Some(failure)),
    };
    let sign_ins = introduction.sign_ins.iter().map(|way| match &way.description {
        Some(description) => format!("{}: {description}", way.id),
        None => format!("{}: {}", way.id, way.name),
    });
    let is_model = |option: &rejoin_ports::agent::AgentOption| option.category.as_deref() == Some("model");
    let mut models = settings.models.clone();
    models.extend(settings.options.iter().filter(|option| is_model(option)).flat_map(|option| ids(&option.values)));
    models.dedup();
    let others = settings.options.iter().filter(|option| !is_model(option));
    let options = others.map(|option| (option.id.clone(), ids(&option.values))).collect();
    let (can, cannot) = words(introduction.can);
    Ok(Report {
        name: introduction.name,
        version: introduction.release,
        program,
        can,
        cannot,
        sign_ins: sign_ins.collect(),
        modes: ids(&settings.modes),
        models,
        options,
        problem,
    })
}

fn words(can: Abilities) -> (Vec<String>, Vec<String>) {
    let all = [
        (
            can.load || can.resume,
            "goes back to its session after a restart",
            "cannot go back to its session: after a restart, or when it was idle, it remembers nothing and says so",
        ),
        (can.image, "takes images", "takes no images: it is told that there was one"),
        (can.embedded, "takes attached text as such", "takes no attached files: their text is put into the prompt"),
        (can.mcp_http, "takes MCP servers over HTTP", "takes MCP servers only as commands, not over HTTP"),
    ];
    let told = |wanted: bool| {
        let of = all.iter().filter(move |(can, ..)| *can == wanted);
        of.map(|(_, yes, no)| (if wanted { *yes } else { *no }).to_owned()).collect()
    };
    (told(true), told(false))
}

/// A workspace in which nothing is done.
pub(super) struct NoFiles;

#[async_trait]
impl AgentFiles for NoFiles {
    async fn write(&self, _: &str, _: Vec<u8>) -> Result<FileChanged, FileError> {
        Err(FileError::Outside)
    }
    async fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
        Err(FileError::NotFound)
    }
    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError> {
        Err(FileError::NotFound)
    }
}
