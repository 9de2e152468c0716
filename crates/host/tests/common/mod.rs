//! An agent in a folder, and somebody who plays the engine.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::ask::{Answer, Ask, Settled};
use rejoin_core::event::FileChange;
use rejoin_core::happening::{FromAgent, Happening, NewAsk};
use rejoin_core::header::{AgentStatus, Config};
use rejoin_core::id::{MessageId, SessionId, TenantId, TurnId};
use rejoin_core::turn::Prompt;
use rejoin_host::{Host, Workbench};
use rejoin_machine::cage::Cage;
use rejoin_machine::shell::Shell;
use rejoin_ports::agent::{
    AgentFiles, AgentHost, ChangesSince, FileChanged, FileError, OpenAgent, Opening, Order, PlainMemory,
};
use tempfile::TempDir;

/// Far longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) struct Rig {
    pub(crate) host: Arc<Host>,
    pub(crate) agent: OpenAgent,
    pub(crate) folder: TempDir,
    turns: u64,
}

pub(crate) fn host() -> Host {
    Host::new(Host::built_in(Workbench { shell: Shell::unwatched(), cage: Cage::Off, hidden: Vec::new() }))
}

pub(crate) fn opening(agent: &str, folder: &Path) -> Opening {
    Opening {
        session: SessionId::new("s").unwrap(),
        tenant: TenantId::new("t").unwrap(),
        agent: agent.to_owned(),
        folder: folder.to_owned(),
        config: Config { environment: [("GREETING".to_owned(), "hello".to_owned())].into(), ..Config::default() },
        model: None,
        files: Arc::new(FolderFiles::new(folder)),
        memory: Arc::<PlainMemory>::default(),
        has_past: false,
    }
}

pub(crate) fn prompt_of(text: &str) -> Prompt {
    Prompt { message: MessageId::new("m").unwrap(), text: text.to_owned(), attachments: Vec::new() }
}

impl Rig {
    /// An agent that is ready.
    pub(crate) async fn open(agent: &str) -> Rig {
        let mut rig = Rig::open_on(Arc::new(host()), tempfile::tempdir().unwrap(), agent).await;
        assert_eq!(rig.next().await, lives(AgentStatus::Starting));
        assert_eq!(rig.next().await, lives(AgentStatus::Ready));
        rig
    }

    async fn open_on(host: Arc<Host>, folder: TempDir, agent: &str) -> Rig {
        let agent = host.open(opening(agent, folder.path())).await.unwrap();
        Rig { host, agent, folder, turns: 0 }
    }

    /// Another life of the agent: in the same folder, it knows nothing of the first.
    pub(crate) async fn reopen(self, agent: &str) -> Rig {
        let turns = self.turns;
        let mut rig = Rig::open_on(self.host, self.folder, agent).await;
        rig.turns = turns;
        assert_eq!(rig.next().await, lives(AgentStatus::Starting));
        assert_eq!(rig.next().await, lives(AgentStatus::Ready));
        rig
    }

    pub(crate) async fn order(&self, order: Order) {
        self.agent.orders.send(order).await.expect("it lives");
    }

    pub(crate) async fn prompt(&mut self, text: &str) -> TurnId {
        self.turns += 1;
        let turn = TurnId::new(format!("turn{}", self.turns)).unwrap();
        let prompt = prompt_of(text);
        self.order(Order::Prompt { turn: turn.clone(), prompt }).await;
        turn
    }

    pub(crate) async fn resume(&self, turn: &TurnId, text: &str, ask: Ask, settled: Settled) {
        let order = Order::Resume { turn: turn.clone(), prompt: prompt_of(text), settled: vec![(ask, settled)] };
        self.order(order).await;
    }

    pub(crate) async fn settle(&self, ask: &Ask, settled: Settled) {
        let order = Order::Settled { turn: ask.turn.clone(), ask: ask.clone(), settled };
        self.order(order).await;
    }

    pub(crate) async fn steer(&self, turn: &TurnId, text: &str) {
        let (turn, text) = (turn.clone(), text.to_owned());
        self.order(Order::Steer { turn, text }).await;
    }

    pub(crate) async fn interrupt(&self, turn: &TurnId) {
        let (turn, reason) = (turn.clone(), "user".to_owned());
        self.order(Order::Interrupt { turn, reason }).await;
    }

    /// What comes next, if anything does before its channel closes. The start of a tool is kept at once.
    pub(crate) async fn hear(&mut self) -> Option<FromAgent> {
        let next = tokio::time::timeout(SOON, self.agent.happenings.recv());
        let heard = next.await.expect("the agent says something");
        if let Some(FromAgent { turn: Some(turn), happening: Happening::ToolStarted { call, .. } }) = &heard {
            let (turn, call) = (turn.clone(), call.clone());
            // The agent may be gone already.
            let _ = self.agent.orders.send(Order::Started { turn, call }).await;
        }
        heard
    }

    pub(crate) async fn next(&mut self) -> FromAgent {
        self.hear().await.expect("the agent lives")
    }

    /// What comes next of this turn; what belongs to no turn is passed over.
    pub(crate) async fn next_of(&mut self, turn: &TurnId) -> Happening {
        loop {
            let FromAgent { turn: whose, happening } = self.next().await;
            match whose {
                Some(whose) if whose == *turn => return happening,
                Some(whose) => panic!("{happening:?} is of {whose}"),
                None => {}
            }
        }
    }

    /// All that is said of a turn until it ends, its end included, and what is said of none.
    pub(crate) async fn rest(&mut self) -> Vec<Happening> {
        let mut all = Vec::new();
        loop {
            let happening = self.next().await.happening;
            let is_end = matches!(happening, Happening::Done | Happening::Failed { .. });
            all.push(happening);
            if is_end {
                return all;
            }
        }
    }

    pub(crate) async fn run(&mut self, text: &str) -> Vec<Happening> {
        self.prompt(text).await;
        self.rest().await
    }

    /// Runs a script up to its first ask.
    pub(crate) async fn run_to_ask(&mut self, text: &str) -> (Vec<Happening>, Ask) {
        let turn = self.prompt(text).await;
        let mut all = Vec::new();
        loop {
            match self.next_of(&turn).await {
                Happening::Asked(new) => return (all, opened(new, &turn)),
                happening => all.push(happening),
            }
        }
    }

    pub(crate) async fn answer(&mut self, ask: &Ask, answer: Answer) -> Vec<Happening> {
        assert!(ask.fits(&answer), "{answer:?} to {ask:?}");
        self.settle(ask, Settled::Answered(answer)).await;
        self.rest().await
    }
}

/// The ask as the rules open it.
pub(crate) fn opened(new: NewAsk, turn: &TurnId) -> Ask {
    Ask {
        id: new.id,
        turn: turn.clone(),
        call: new.call,
        origin: None,
        question: new.question,
        body: new.body,
        authority: new.authority,
        capabilities: new.capabilities,
        opened_at: 0,
        deadline: None,
        bookmark: new.bookmark,
    }
}

pub(crate) fn lives(status: AgentStatus) -> FromAgent {
    FromAgent { turn: None, happening: Happening::Life { status, detail: None } }
}

pub(crate) fn text(happenings: &[Happening]) -> String {
    let said = |happening: &Happening| match happening {
        Happening::Text(text) => Some(text.clone()),
        _ => None,
    };
    happenings.iter().filter_map(said).collect()
}

/// Files straight in a folder, with versions in memory.
pub(crate) struct FolderFiles {
    root: PathBuf,
    versions: Arc<Mutex<BTreeMap<String, u64>>>,
}

type Contents = BTreeMap<String, Vec<u8>>;

struct Look {
    root: PathBuf,
    versions: Arc<Mutex<BTreeMap<String, u64>>>,
    before: Contents,
}

impl FolderFiles {
    pub(crate) fn new(root: &Path) -> FolderFiles {
        let root = root.to_owned();
        let versions = Arc::default();
        FolderFiles { root, versions }
    }
}

fn contents(root: &Path) -> Contents {
    let entries = std::fs::read_dir(root).unwrap().map(Result::unwrap);
    let read = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

fn changed(versions: &Mutex<BTreeMap<String, u64>>, path: &str, change: FileChange, size: usize) -> FileChanged {
    let mut versions = versions.lock().unwrap();
    let version = versions.entry(path.to_owned()).or_default();
    *version += 1;
    FileChanged { path: path.to_owned(), change, version: *version, hash: None, size: size as u64 }
}

#[async_trait]
impl AgentFiles for FolderFiles {
    async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<FileChanged, FileError> {
        if path.contains("..") {
            return Err(FileError::Outside);
        }
        let full = self.root.join(path);
        let change = if full.exists() { FileChange::Modified } else { FileChange::Created };
        std::fs::write(full, &bytes).map_err(|error| FileError::Io(error.to_string()))?;
        Ok(changed(&self.versions, path, change, bytes.len()))
    }
    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        std::fs::read(self.root.join(path)).map_err(|_| FileError::NotFound)
    }
    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError> {
        Ok(Box::new(Look { root: self.root.clone(), versions: self.versions.clone(), before: contents(&self.root) }))
    }
}

#[async_trait]
impl ChangesSince for Look {
    async fn after(self: Box<Self>) -> Result<Vec<FileChanged>, FileError> {
        let after = contents(&self.root);
        let mut all = Vec::new();
        for (path, bytes) in &after {
            let change = match self.before.get(path) {
                None => FileChange::Created,
                Some(old) if old != bytes => FileChange::Modified,
                Some(_) => continue,
            };
            all.push(changed(&self.versions, path, change, bytes.len()));
        }
        for path in self.before.keys().filter(|path| !after.contains_key(*path)) {
            all.push(changed(&self.versions, path, FileChange::Deleted, 0));
        }
        Ok(all)
    }
}
