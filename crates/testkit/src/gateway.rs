//! The gateway of a story.

use std::sync::Arc;
use std::time::Duration;

use rejoin_core::ask::Answer;
use rejoin_core::command::Command;
use rejoin_core::header::{Config, SessionKind};
use rejoin_core::id::{AskId, ClientId, CommandId, SessionId, TenantId, UserId};
use rejoin_core::position::Heard as Position;
use rejoin_core::turn::IfBusy;
use rejoin_core::who::{Author, Identity, Role};
use rejoin_engine::{Engine, EngineParts};
use rejoin_host::{Host, Workbench};
use rejoin_machine::cage::Cage;
use rejoin_machine::shell::Shell;
use rejoin_ports::clock::HandClock;
use rejoin_ports::gateway::{Caller, Create, Failure, Follow, JoinFrom, Ran, Sessions, View};
use rejoin_ports::memory::MemoryStore;
use rejoin_ports::store::Store;
use tokio_util::sync::CancellationToken;

use crate::{Faulty, Listener, TestPlaces};

/// A person of tenant `acme`, at a client of their own name.
pub fn person(name: &str) -> Caller {
    caller(name, Role::Owner)
}

/// Somebody who may only look.
pub fn viewer(name: &str) -> Caller {
    caller(name, Role::Viewer)
}

fn caller(name: &str, role: Role) -> Caller {
    let user = UserId::new(name).expect("names in tests are ids");
    let author = Author {
        user: user.clone(),
        door: "test".into(),
        client: Some(ClientId::new(format!("{name}s-laptop")).expect("names in tests are ids")),
        connection: Some(name.to_owned()),
    };
    let tenant = TenantId::new("acme").expect("a literal id");
    let identity = Identity { tenant, user, role, email: None };
    Caller { identity, author: Arc::new(author), capabilities: Vec::new(), speaks_control: false }
}

/// A gateway in this process.
pub struct Gateway {
    pub engine: Engine,
    pub clock: HandClock,
    pub store: Arc<Faulty>,
    /// What the next life finds. A store on a disk is opened again by whoever needs that.
    memory: Option<Arc<MemoryStore>>,
    folder: Arc<tempfile::TempDir>,
}

impl Gateway {
    pub async fn start() -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Gateway::over(Arc::default(), HandClock::at(1_000_000), Arc::new(folder), Duration::from_secs(30))
    }

    /// One whose idle sessions leave at once.
    pub async fn forgetful() -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Gateway::over(Arc::default(), HandClock::at(1_000_000), Arc::new(folder), Duration::ZERO)
    }

    /// One whose idle sessions leave at once, over another store.
    pub fn forgetful_over(store: Arc<dyn Store>) -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Gateway::put_together(store, None, HandClock::at(1_000_000), Arc::new(folder), Duration::ZERO)
    }

    /// One over another store, whose idle sessions stay a while.
    pub fn start_over(store: Arc<dyn Store>) -> Gateway {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Gateway::put_together(store, None, HandClock::at(1_000_000), Arc::new(folder), Duration::from_secs(30))
    }

    fn over(memory: Arc<MemoryStore>, clock: HandClock, folder: Arc<tempfile::TempDir>, linger: Duration) -> Gateway {
        Gateway::put_together(memory.clone(), Some(memory), clock, folder, linger)
    }

    fn put_together(
        store: Arc<dyn Store>,
        memory: Option<Arc<MemoryStore>>,
        clock: HandClock,
        folder: Arc<tempfile::TempDir>,
        linger: Duration,
    ) -> Gateway {
        let store = Arc::new(Faulty::new(store));
        let workbench = Workbench { shell: Shell::unwatched(), cage: Cage::Off, hidden: Vec::new() };
        let engine = Engine::start(EngineParts {
            store: store.clone(),
            clock: Arc::new(clock.clone()),
            host: Arc::new(Host::new(Host::built_in(workbench))),
            workplaces: Arc::new(TestPlaces::new(folder.path().to_owned())),
            linger,
        });
        Gateway { engine, clock, store, memory, folder }
    }

    /// The process dies at once, and another one takes its place.
    pub async fn crash(self) -> Gateway {
        let memory = Arc::new(self.memory.as_ref().expect("a store in memory").next_life()); // what the old life still tries to write is refused
        let next = Gateway::over(memory, self.clock.clone(), self.folder.clone(), Duration::from_secs(30));
        self.engine.stop(Duration::ZERO, CancellationToken::new()).await;
        next
    }

    /// The process stops in order, and another one takes its place.
    pub async fn restart(self) -> Gateway {
        self.engine.stop(Duration::ZERO, CancellationToken::new()).await;
        let _ = self.store.close().await; // the memory's close has nothing to write
        let memory = Arc::new(self.memory.as_ref().expect("a store in memory").next_life());
        Gateway::over(memory, self.clock.clone(), self.folder.clone(), Duration::from_secs(30))
    }

    pub fn new_session(agent: &str) -> Create {
        Create {
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
        }
    }

    /// A private session for sealed messages.
    pub fn new_sealed(tag: Option<&str>) -> Create {
        let tag = tag.map(str::to_owned);
        Create { kind: SessionKind::Sealed, private: true, tag, ..Gateway::new_session("sealed") }
    }

    pub async fn create_sealed(&self) -> SessionId {
        let created = self.engine.create(&person("ann"), Gateway::new_sealed(None)).await;
        created.expect("the session is created").header.id
    }

    pub async fn create(&self, agent: &str) -> SessionId {
        let created = self.engine.create(&person("ann"), Gateway::new_session(agent)).await;
        created.expect("the session is created").header.id
    }

    pub async fn run(&self, who: &Caller, session: &SessionId, command: Command) -> Result<Ran, Failure> {
        let id = CommandId::from(uuid::Uuid::now_v7());
        self.engine.run(who, session, id, command).await
    }

    /// Ann says something.
    pub async fn prompt(&self, session: &SessionId, text: &str) -> Ran {
        let prompt =
            Command::Prompt { text: text.to_owned(), attachments: Vec::new(), if_busy: IfBusy::Queue, reference: None };
        self.run(&person("ann"), session, prompt).await.expect("the prompt is taken")
    }

    pub async fn answer(&self, who: &str, session: &SessionId, ask: &AskId, answer: Answer) -> Result<Ran, Failure> {
        self.run(&person(who), session, Command::Answer { ask: ask.clone(), answer }).await
    }

    pub async fn view(&self, session: &SessionId) -> View {
        self.engine.view(&person("ann").identity, session).await.expect("the session can be seen")
    }

    /// Joins from the beginning of the log.
    pub async fn listen(&self, session: &SessionId) -> Listener {
        self.listen_from(session, JoinFrom::After(Position::NOTHING)).await
    }

    pub async fn listen_from(&self, session: &SessionId, from: JoinFrom) -> Listener {
        let joined = self.engine.join(&person("ann").identity, session, from).await;
        Listener::new(joined.expect("the session can be joined"))
    }
}
