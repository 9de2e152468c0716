//! A gateway without doors, in this process: engine, store and built-in agents.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_trait::async_trait;
use rejoin_core::command::Command;
use rejoin_core::header::{Config, Header, SessionKind};
use rejoin_core::id::{ClientId, CommandId, SessionId, TenantId, UserId};
use rejoin_core::turn::IfBusy;
use rejoin_core::who::{Author, Identity, Role};
use rejoin_engine::{Engine, EngineParts};
use rejoin_host::{Host, Workbench};
use rejoin_machine::cage::Cage;
use rejoin_machine::shell::Shell;
use rejoin_ports::agent::{
    AgentFiles, AgentHost, ChangesSince, FileChanged, FileError, PlainMemory, Workplace, Workplaces,
};
use rejoin_ports::clock::SystemClock;
use rejoin_ports::gateway::{Caller, Create, Ran, Sessions};
use rejoin_ports::memory::MemoryStore;
use rejoin_ports::store::{Durability, Store, StoreFigures};
use rejoin_store_sqlite::{Options, SqliteStore};
use tokio_util::sync::CancellationToken;

/// Longer than any bench: an owner that leaves in the middle would be measured, too.
const LINGER: Duration = Duration::from_secs(600);
/// How often is looked whether a turn's events are all there.
const GLANCE: Duration = Duration::from_millis(1);

pub(crate) struct Local {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) caller: Caller,
}

/// What a local gateway keeps its sessions in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kept {
    /// SQLite, as `serve` does.
    Sqlite,
    /// Memory, which shows what everything else costs.
    Memory,
}

impl Local {
    pub(crate) fn start(folder: &Path, kept: Kept, durability: Durability) -> anyhow::Result<Local> {
        let workbench = Workbench { shell: Shell::unwatched(), cage: Cage::Off, hidden: Vec::new() };
        Local::with_host(folder, kept, durability, Arc::new(Host::new(Host::built_in(workbench))))
    }

    /// One with agents of the bench's own.
    pub(crate) fn with_host(
        folder: &Path,
        kept: Kept,
        durability: Durability,
        host: Arc<dyn AgentHost>,
    ) -> anyhow::Result<Local> {
        let store: Arc<dyn Store> = match kept {
            Kept::Memory => Arc::new(MemoryStore::default()),
            Kept::Sqlite => {
                let options = Options { durability, ..Options::new(folder) };
                SqliteStore::open(options).context("opening the store")?
            }
        };
        let engine = Engine::start(EngineParts {
            store: store.clone(),
            clock: Arc::new(SystemClock),
            host,
            workplaces: Arc::new(OneFolder(folder.to_owned())),
            linger: LINGER,
        });
        Ok(Local { engine, store, caller: caller()? })
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.engine.stop(Duration::ZERO, CancellationToken::new()).await;
        self.store.close().await.context("closing the store")
    }

    pub(crate) async fn create(&self, agent: &str) -> anyhow::Result<SessionId> {
        let create = Create {
            id: None,
            kind: SessionKind::Hosted,
            agent: agent.to_owned(),
            title: None,
            workspace: None,
            profile: None,
            model: None,
            labels: Default::default(),
            tag: None,
            private: false,
            config: Config::default(),
            registers: Default::default(),
        };
        let created = self.engine.create(&self.caller, create).await.context("creating a session")?;
        Ok(created.header.id)
    }

    pub(crate) async fn run(&self, session: &SessionId, command: Command) -> anyhow::Result<Ran> {
        let id = CommandId::from(uuid::Uuid::now_v7());
        self.engine.run(&self.caller, session, id, command).await.context("running a command")
    }

    pub(crate) async fn prompt(&self, session: &SessionId, text: String) -> anyhow::Result<Ran> {
        let prompt = Command::Prompt { text, attachments: Vec::new(), if_busy: IfBusy::Refuse, reference: None };
        self.run(session, prompt).await
    }

    /// Prompts all sessions with the same text, and waits until no turn runs and `events` more are kept.
    /// Gives how long that took.
    pub(crate) async fn prompt_all(
        &self,
        sessions: &[SessionId],
        text: &str,
        events: u64,
        patience: Duration,
    ) -> anyhow::Result<Duration> {
        let before = self.store.figures().events;
        let start = Instant::now();
        for session in sessions {
            self.prompt(session, text.to_owned()).await?;
        }
        while self.engine.figures().turns > 0 || self.store.figures().events < before + events {
            if start.elapsed() > patience {
                let kept = self.store.figures().events - before;
                bail!("the turns did not end in {} s; {kept} of {events} events are kept", patience.as_secs());
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(start.elapsed())
    }

    pub(crate) fn figures(&self) -> StoreFigures {
        self.store.figures()
    }
}

fn caller() -> anyhow::Result<Caller> {
    let user = UserId::new("bench")?;
    let author = Author {
        user: user.clone(),
        door: "bench".to_owned(),
        client: Some(ClientId::new("bench")?),
        connection: Some("bench".to_owned()),
    };
    Ok(Caller {
        identity: Identity { tenant: TenantId::new("bench")?, user, role: Role::Owner, email: None },
        author: Arc::new(author),
        capabilities: Vec::new(),
        speaks_control: false,
    })
}

/// All sessions work in one folder, and none of them touches it.
struct OneFolder(PathBuf);

struct NoFiles;

fn none() -> FileError {
    FileError::Invalid("benches touch no files".to_owned())
}

#[async_trait]
impl Workplaces for OneFolder {
    async fn workplace(&self, _: &Header) -> Result<Workplace, FileError> {
        Ok(Workplace { folder: self.0.clone(), files: Arc::new(NoFiles), memory: Arc::<PlainMemory>::default() })
    }
}

#[async_trait]
impl AgentFiles for NoFiles {
    async fn write(&self, _: &str, _: Vec<u8>) -> Result<FileChanged, FileError> {
        Err(none())
    }
    async fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
        Err(none())
    }
    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError> {
        Err(none())
    }
}
