//! A scripted agent in a folder, and the orders and happenings of a session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::ask::{Answer, Ask, Settled};
use rejoin_core::event::FileChange;
use rejoin_core::happening::{FromAgent, Happening, NewAsk};
use rejoin_core::header::{AgentStatus, Config, Model};
use rejoin_core::id::{MessageId, SessionId, TenantId, TurnId};
use rejoin_core::part::Attachment;
use rejoin_core::turn::Prompt;
use rejoin_host::acp::{Acp, Crowd, Keyring, NoKeys, Recipe};
use rejoin_host::{Agent, Host, Workbench};
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
    pub(crate) folder: Arc<TempDir>,
    /// Where the agent keeps its sessions.
    pub(crate) state: Arc<TempDir>,
    pub(crate) opening: Opening,
    turns: u64,
    /// Changed files that were told since they were last asked for.
    pub(crate) changed: Vec<(String, FileChange)>,
}

/// What is special about an agent.
pub(crate) struct Setup {
    pub(crate) recipe: Recipe,
    pub(crate) config: Config,
    pub(crate) model: Option<Model>,
    pub(crate) keys: Arc<dyn Keyring>,
    /// Processes that there may be.
    pub(crate) most: usize,
    pub(crate) has_past: bool,
}

pub(crate) fn setup(args: &[&str]) -> Setup {
    let mut recipe = Recipe::new("scripted", scripted().to_str().unwrap());
    recipe.args = args.iter().map(|&arg| arg.to_owned()).collect();
    Setup { recipe, config: Config::default(), model: None, keys: Arc::new(NoKeys), most: 4, has_past: false }
}

/// The example `scripted_acp`, which cargo has built beside us.
fn scripted() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/scripted_acp");
    assert!(
        program.exists(),
        "not there: cargo build -p rejoin-host --example scripted_acp, or all tests of the package"
    );
    program
}

impl Setup {
    /// Opens it; nothing was heard yet.
    pub(crate) async fn begin(mut self) -> Rig {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        self.recipe.args.extend(["--state".to_owned(), state.path().to_str().unwrap().to_owned()]);
        let bench = Workbench { shell: Shell::unwatched(), cage: Cage::Off, hidden: Vec::new() };
        let acp: Arc<dyn Agent> = Arc::new(Acp::new(self.recipe, bench, self.keys, Crowd::new(self.most)));
        let host = Arc::new(Host::new([acp]));
        let opening = Opening {
            session: SessionId::new("s").unwrap(),
            tenant: TenantId::new("t").unwrap(),
            agent: "acp:scripted".to_owned(),
            folder: folder.path().canonicalize().unwrap(),
            config: self.config,
            model: self.model,
            files: Arc::new(FolderFiles::new(folder.path())),
            memory: Arc::<PlainMemory>::default(),
            has_past: self.has_past,
        };
        let agent = host.open(opening.clone()).await.unwrap();
        let (folder, state) = (Arc::new(folder), Arc::new(state));
        Rig { host, agent, folder, state, opening, turns: 0, changed: Vec::new() }
    }

    /// An agent that is ready.
    pub(crate) async fn open(self) -> Rig {
        let mut rig = self.begin().await;
        rig.is_ready().await;
        rig
    }
}

impl Rig {
    pub(crate) async fn open() -> Rig {
        setup(&[]).open().await
    }

    pub(crate) async fn is_ready(&mut self) {
        assert_eq!(self.life().await, AgentStatus::Starting);
        assert_eq!(self.life().await, AgentStatus::Ready);
    }

    /// The next step of the agent's life.
    pub(crate) async fn life(&mut self) -> AgentStatus {
        loop {
            if let Happening::Life { status, .. } = self.next().await.happening {
                return status;
            }
        }
    }

    /// The same session with another agent, as after a restart of the gateway.
    pub(crate) async fn reopen(mut self) -> Rig {
        drop(self.close().await);
        self.agent = self.host.open(self.opening.clone()).await.unwrap();
        self
    }

    /// Closes the agent, and gives back what it said until its end.
    pub(crate) async fn close(&mut self) -> Vec<Happening> {
        let _ = self.agent.orders.send(Order::Close).await;
        let mut all = Vec::new();
        while let Some(said) = self.hear().await {
            all.push(said.happening);
        }
        all
    }

    pub(crate) async fn order(&self, order: Order) {
        self.agent.orders.send(order).await.expect("it lives");
    }

    pub(crate) async fn prompt(&mut self, text: &str) -> TurnId {
        self.prompt_with(text, Vec::new()).await
    }

    pub(crate) async fn prompt_with(&mut self, text: &str, attachments: Vec<Attachment>) -> TurnId {
        self.turns += 1;
        let turn = TurnId::new(format!("turn{}", self.turns)).unwrap();
        let prompt = Prompt { message: MessageId::new("m").unwrap(), text: text.to_owned(), attachments };
        self.order(Order::Prompt { turn: turn.clone(), prompt }).await;
        turn
    }

    pub(crate) async fn steer(&self, turn: &TurnId, text: &str) {
        self.order(Order::Steer { turn: turn.clone(), text: text.to_owned() }).await;
    }

    pub(crate) async fn interrupt(&self, turn: &TurnId) {
        self.order(Order::Interrupt { turn: turn.clone(), reason: "user".to_owned() }).await;
    }

    pub(crate) async fn settle(&self, ask: &Ask, settled: Settled) {
        self.order(Order::Settled { turn: ask.turn.clone(), ask: ask.clone(), settled }).await;
    }

    pub(crate) async fn hear(&mut self) -> Option<FromAgent> {
        let next = tokio::time::timeout(SOON, self.agent.happenings.recv());
        let heard = next.await.expect("the agent says something");
        if let Some(FromAgent { happening: Happening::FileChanged { path, change, .. }, .. }) = &heard {
            self.changed.push((path.clone(), *change));
        }
        heard
    }

    pub(crate) async fn next(&mut self) -> FromAgent {
        self.hear().await.expect("the agent lives")
    }

    /// What comes next of this turn; what belongs to none is passed over, and nothing belongs to another.
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

    /// All that is said of a turn until it ends, its end included.
    pub(crate) async fn rest(&mut self, turn: &TurnId) -> Vec<Happening> {
        let mut all = Vec::new();
        loop {
            let happening = self.next_of(turn).await;
            let is_end = matches!(happening, Happening::Done | Happening::Failed { .. });
            all.push(happening);
            if is_end {
                return all;
            }
        }
    }

    pub(crate) async fn run(&mut self, text: &str) -> Vec<Happening> {
        let turn = self.prompt(text).await;
        self.rest(&turn).await
    }

    /// What was said in a turn that must have ended well.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let all = self.run(text).await;
        assert_eq!(all.last(), Some(&Happening::Done), "{all:?}");
        said(&all)
    }

    /// The code and the message of a turn that must have failed.
    pub(crate) async fn fails(&mut self, text: &str) -> (String, String) {
        failed(&self.run(text).await)
    }

    /// Waits until this was said.
    pub(crate) async fn until_said(&mut self, turn: &TurnId, text: &str) {
        let mut all = String::new();
        while !all.contains(text) {
            if let Happening::Text(more) = self.next_of(turn).await {
                all.push_str(&more);
            }
        }
    }

    /// Runs up to the first ask.
    pub(crate) async fn run_to_ask(&mut self, text: &str) -> (Vec<Happening>, Ask) {
        let turn = self.prompt(text).await;
        self.until_ask(&turn).await
    }

    pub(crate) async fn until_ask(&mut self, turn: &TurnId) -> (Vec<Happening>, Ask) {
        let mut all = Vec::new();
        loop {
            match self.next_of(turn).await {
                Happening::Asked(new) => return (all, opened(new, turn)),
                happening => all.push(happening),
            }
        }
    }

    pub(crate) async fn answer(&mut self, ask: &Ask, answer: Answer) -> Vec<Happening> {
        assert!(ask.fits(&answer), "{answer:?} to {ask:?}");
        self.settle(ask, Settled::Answered(answer)).await;
        self.rest(&ask.turn).await
    }
}

pub(crate) fn said(happenings: &[Happening]) -> String {
    let text = |happening: &Happening| match happening {
        Happening::Text(text) => Some(text.clone()),
        _ => None,
    };
    happenings.iter().filter_map(text).collect()
}

pub(crate) fn failed(happenings: &[Happening]) -> (String, String) {
    match happenings.last() {
        Some(Happening::Failed { code, message, .. }) => (code.clone(), message.clone()),
        other => panic!("{other:?} is no failure"),
    }
}

/// Whether a process is there and not only waiting to be buried.
pub(crate) fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X']))
}

fn opened(new: NewAsk, turn: &TurnId) -> Ask {
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

/// Files straight in a folder; of content that is known already, a look tells nothing.
struct FolderFiles {
    root: PathBuf,
    known: Arc<Mutex<Known>>,
}

type Known = BTreeMap<String, (u64, Option<Vec<u8>>)>;
type Contents = BTreeMap<String, Vec<u8>>;

struct Look {
    root: PathBuf,
    known: Arc<Mutex<Known>>,
    before: Contents,
}

impl FolderFiles {
    fn new(root: &Path) -> FolderFiles {
        FolderFiles { root: root.canonicalize().unwrap(), known: Arc::default() }
    }
}

fn contents(root: &Path) -> Contents {
    let entries = std::fs::read_dir(root).unwrap().map(Result::unwrap);
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, std::fs::read(entry.path()).ok()?)))
        .collect()
}

fn changed(known: &Mutex<Known>, path: &str, change: FileChange, content: Option<&[u8]>) -> Option<FileChanged> {
    let mut known = known.lock().unwrap();
    let content = content.map(<[u8]>::to_vec);
    let size = content.as_ref().map_or(0, Vec::len) as u64;
    let version = match known.get(path) {
        Some((_, same)) if *same == content => return None,
        Some((version, _)) => version + 1,
        None => 1,
    };
    known.insert(path.to_owned(), (version, content));
    Some(FileChanged { path: path.to_owned(), change, version, hash: None, size })
}

#[async_trait]
impl AgentFiles for FolderFiles {
    async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<FileChanged, FileError> {
        if path.contains("..") || path.starts_with('/') {
            return Err(FileError::Outside);
        }
        let full = self.root.join(path);
        let change = if full.exists() { FileChange::Modified } else { FileChange::Created };
        std::fs::write(full, &bytes).map_err(|error| FileError::Io(error.to_string()))?;
        Ok(changed(&self.known, path, change, Some(&bytes)).expect("tests write something new"))
    }
    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        if path.starts_with('/') {
            return Err(FileError::Outside);
        }
        std::fs::read(self.root.join(path)).map_err(|_| FileError::NotFound)
    }
    async fn before(&self) -> Result<Box<dyn ChangesSince>, FileError> {
        Ok(Box::new(Look { root: self.root.clone(), known: self.known.clone(), before: contents(&self.root) }))
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
            all.extend(changed(&self.known, path, change, Some(bytes)));
        }
        for path in self.before.keys().filter(|path| !after.contains_key(*path)) {
            all.extend(changed(&self.known, path, FileChange::Deleted, None));
        }
        Ok(all)
    }
}
