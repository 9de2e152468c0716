//! Files and workspaces on real folders, with live sessions over a store in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::event::{Event, FileChange};
use rejoin_core::header::{Config, Header, SessionKind};
use rejoin_core::id::{SessionId, TenantId, UserId, WorkspaceId};
use rejoin_core::position::Heard;
use rejoin_core::who::{Author, Identity, Role};
use rejoin_engine::{Engine, EngineParts};
use rejoin_ports::agent::{AgentError, AgentHost, AgentInfo, FileError, OpenAgent, Opening, Workplaces};
use rejoin_ports::clock::HandClock;
use rejoin_ports::gateway::{Caller, Create, Failure, Files, FilesFailure, Follow, Search, Sessions, Workspaces};
use rejoin_ports::memory::MemoryStore;
use rejoin_ports::store::Store;

use super::*;
use crate::workspaces::WorkspaceBook;

/// No agent is ever opened here.
struct NoAgents;

#[async_trait]
impl AgentHost for NoAgents {
    fn agents(&self) -> Vec<AgentInfo> {
        self.find("none").into_iter().collect()
    }
    fn find(&self, name: &str) -> Option<AgentInfo> {
        let (title, description) = (String::new(), String::new());
        Some(AgentInfo { name: name.to_owned(), title, description, resumable: false, steerable: false })
    }
    async fn open(&self, opening: Opening) -> Result<OpenAgent, AgentError> {
        Err(AgentError::Unknown(opening.agent))
    }
}

struct World {
    dir: tempfile::TempDir,
    engine: Engine,
    book: Arc<WorkspaceBook>,
    shop: Workshop,
    door: FilesDoor,
}

fn world() -> World {
    world_with(&[])
}

/// With workspaces only under these folders of the world's own folder.
fn world_with(roots: &[&str]) -> World {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let data = base.join("data");
    fs::create_dir(&data).unwrap();
    let roots = roots.iter().map(|root| base.join(root)).inspect(|root| fs::create_dir_all(root).unwrap()).collect();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock = Arc::new(HandClock::at(1_000));
    let blocking = Blocking::default();
    let book = Arc::new(WorkspaceBook::new(store.clone(), clock.clone(), blocking.clone(), data, roots));
    let versions = Versions::new(store.clone(), clock.clone());
    let shop = Workshop::new(store.clone(), book.clone(), versions, blocking);
    let engine = Engine::start(EngineParts {
        store,
        clock: clock.clone(),
        host: Arc::new(NoAgents),
        workplaces: Arc::new(shop.clone()),
        linger: Duration::from_secs(60),
    });
    let door = FilesDoor::new(shop.clone(), Arc::new(engine.clone()), Arc::new(engine.clone()), clock);
    World { dir, engine, book, shop, door }
}

fn who(tenant: &str, role: Role) -> Caller {
    let (tenant, user) = (TenantId::new(tenant).unwrap(), UserId::new("u").unwrap());
    let author = Author { user: user.clone(), door: "native".to_owned(), client: None, connection: None };
    let identity = Identity { tenant, user, role, email: None };
    Caller { identity, author: Arc::new(author), capabilities: Vec::new(), speaks_control: false }
}

fn me() -> Caller {
    who("t", Role::Owner)
}

impl World {
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    async fn session(&self, by: &Caller, id: &str, workspace: Option<&WorkspaceId>) -> Header {
        let create = Create {
            id: Some(SessionId::new(id).unwrap()),
            kind: SessionKind::Hosted,
            agent: "none".to_owned(),
            title: None,
            workspace: workspace.cloned(),
            profile: None,
            model: None,
            labels: Default::default(),
            tag: None,
            private: false,
            config: Config::default(),
            registers: Default::default(),
        };
        self.engine.create(by, create).await.unwrap().header
    }

    /// A workspace of a given folder.
    async fn workspace(&self, path: &Path) -> Result<WorkspaceId, FilesFailure> {
        let path = path.to_str().unwrap().to_owned();
        self.book.create(&me(), None, None, Some(path)).await.map(|made| made.id)
    }

    async fn put(
        &self,
        session: &Header,
        path: &str,
        text: &str,
    ) -> Result<rejoin_ports::store::FileVersion, FilesFailure> {
        self.door.write(&me(), &session.id, path, Bytes::copy_from_slice(text.as_bytes())).await
    }

    async fn get(&self, session: &Header, path: &str, version: Option<u64>) -> Result<String, FilesFailure> {
        let found = self.door.read(&me().identity, &session.id, path, version).await?;
        Ok(String::from_utf8(found.bytes.to_vec()).unwrap())
    }
}

fn file_error<T: std::fmt::Debug>(outcome: Result<T, FilesFailure>) -> FileError {
    match outcome {
        Err(FilesFailure::File(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, FilesFailure>) -> &'static str {
    outcome.unwrap_err().code()
}

#[tokio::test]
async fn a_session_without_a_workspace_gets_a_folder_of_its_own() {
    let world = world();
    let session = world.session(&me(), "s-1", None).await;
    let own = world.folder("data").join("workspaces/s-1");
    assert!(!own.exists(), "it is made when it is needed");
    let place = world.shop.workplace(&session).await.unwrap();
    assert_eq!(place.folder, own);
    assert!(own.is_dir());
}

#[tokio::test]
async fn a_written_file_is_a_version_and_an_event() {
    let world = world();
    let session = world.session(&me(), "s", None).await;
    for (text, change) in [("one", FileChange::Created), ("two", FileChange::Modified), ("two", FileChange::Modified)] {
        let version = world.put(&session, "./notes//a.md", text).await.unwrap();
        assert_eq!((version.path.as_str(), version.change), ("notes/a.md", change));
    }
    assert_eq!(world.get(&session, "notes/a.md", None).await.unwrap(), "two");
    assert_eq!(world.get(&session, "notes/a.md", Some(1)).await.unwrap(), "one");
    assert_eq!(code(world.get(&session, "notes/a.md", Some(4)).await), "file_not_found");
    let versions = world.door.versions(&me().identity, &session.id, "notes/../notes/a.md", None, 10).await;
    assert_eq!(versions.unwrap().len(), 3);
    let versions = world.door.versions(&me().identity, &session.id, "notes/a.md", Some(3), 10).await.unwrap();
    assert_eq!(versions.iter().map(|found| found.version).collect::<Vec<_>>(), [2, 1]);

    let page = world.engine.page(&me().identity, &session.id, Heard::NOTHING, 100).await.unwrap();
    let batch = page.0.unwrap();
    let told = batch.events().unwrap().iter().filter_map(|logged| match &logged.event {
        Event::FileChanged { version, .. } => *version,
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn writers_at_once_get_different_numbers_and_the_last_one_is_on_disk() {
    let world = world();
    let session = world.session(&me(), "s", None).await;
    let texts: Vec<String> = (0..20).map(|n| format!("text {n}")).collect();
    let writes = texts.iter().map(|text| world.put(&session, "a", text));
    let versions = futures_util::future::join_all(writes).await;
    let mut numbers: Vec<_> = versions.into_iter().map(|version| version.unwrap().version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let last = world.get(&session, "a", Some(20)).await.unwrap();
    assert_eq!(world.get(&session, "a", None).await.unwrap(), last);
}

#[tokio::test]
async fn a_scan_tells_what_a_tool_did_and_nothing_twice() {
    let world = world();
    let session = world.session(&me(), "s", None).await;
    let place = world.shop.workplace(&session).await.unwrap();
    fs::write(place.folder.join("old"), "old").unwrap();
    fs::write(place.folder.join("gone"), "gone").unwrap();
    let look = place.files.before().await.unwrap();
    fs::write(place.folder.join("old"), "newer").unwrap();
    fs::write(place.folder.join("new"), "new").unwrap();
    fs::remove_file(place.folder.join("gone")).unwrap();
    fs::write(place.folder.join("huge"), vec![0; LARGEST_FILE as usize + 1]).unwrap();
    let written = place.files.write("ours", b"ours".to_vec()).await.unwrap();
    assert_eq!((written.version, written.change), (1, FileChange::Created));
    let mut told = look.after().await.unwrap();
    told.sort_by(|a, b| a.path.cmp(&b.path));
    let told: Vec<_> =
        told.iter().map(|file| (file.path.as_str(), file.change, file.version, file.hash.is_some())).collect();
    assert_eq!(
        told,
        [
            ("gone", FileChange::Deleted, 1, false),
            ("huge", FileChange::Created, 1, false),
            ("new", FileChange::Created, 1, true),
            ("old", FileChange::Modified, 1, true),
        ],
        "`ours` was told when it was written"
    );
    assert_eq!(place.files.read("new").await.unwrap(), b"new");
}

#[tokio::test]
async fn a_given_folder_is_canonical_and_its_files_are_shared_by_its_sessions() {
    let world = world();
    let folder = world.folder("project");
    fs::write(folder.join("main.rs"), "fn main() {}").unwrap();
    std::os::unix::fs::symlink(&folder, world.folder("").join("link")).unwrap();
    let id = world.workspace(&world.folder("").join("link")).await.unwrap();
    let kept = world.book.get(&me().identity, &id).await.unwrap();
    assert_eq!((Path::new(&kept.path), kept.name.as_str(), kept.managed), (folder.as_path(), "project", false));
    let one = world.session(&me(), "one", Some(&id)).await;
    let two = world.session(&me(), "two", Some(&id)).await;
    world.put(&one, "a", "from one").await.unwrap();
    assert_eq!(world.get(&two, "a", None).await.unwrap(), "from one");
    assert_eq!(world.put(&two, "a", "from two").await.unwrap().version, 2);
    let listed = world.door.list(&me().identity, &one.id, "", 1, false).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a", "main.rs"]);
    let preview = world.door.preview(&me().identity, &one.id, "main.rs").await.unwrap();
    assert_eq!((preview.kind.as_str(), preview.language.as_deref()), ("code", Some("rust")));
}

#[tokio::test]
async fn searches_find_names_and_contents() {
    let world = world();
    let session = world.session(&me(), "s", None).await;
    world.put(&session, "src/a.rs", "let needle = 1;\n").await.unwrap();
    world.put(&session, "src/b.txt", "another\nneedle\n").await.unwrap();
    let find = async |name: Option<&str>, content: Option<&str>| {
        let search =
            Search { name: name.map(str::to_owned), content: content.map(str::to_owned), regex: false, limit: 10 };
        world.door.search(&me().identity, &session.id, search).await
    };
    let paths = |found: Vec<rejoin_ports::gateway::FileMatch>| {
        found.into_iter().map(|hit| (hit.path, hit.line)).collect::<Vec<_>>()
    };
    let (a, b) = ("src/a.rs".to_owned(), "src/b.txt".to_owned());
    assert_eq!(paths(find(Some("A.R"), None).await.unwrap()), [(a.clone(), None)]);
    assert_eq!(paths(find(None, Some("needle")).await.unwrap()), [(a.clone(), Some(1)), (b, Some(2))]);
    assert_eq!(paths(find(Some(".rs"), Some("needle")).await.unwrap()), [(a, Some(1))]);
    assert_eq!(code(find(None, None).await), "invalid_path");
}

#[tokio::test]
async fn nothing_leads_out_of_a_workspace() {
    let world = world();
    let outside = world.folder("outside");
    fs::write(outside.join("secret"), "secret").unwrap();
    let session = world.session(&me(), "s", None).await;
    let place = world.shop.workplace(&session).await.unwrap();
    std::os::unix::fs::symlink(&outside, place.folder.join("way-out")).unwrap();
    for path in ["../outside/secret", "/etc/passwd", "way-out/secret", "a\0b", "way-out"] {
        assert!(world.get(&session, path, None).await.is_err(), "{path:?}");
    }
    for path in ["../x", "/tmp/x", "way-out/x", "", ".", "a\0b"] {
        assert!(world.put(&session, path, "x").await.is_err(), "{path:?}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let long = "x".repeat(1 << 20);
    assert_eq!(code(world.get(&session, &long, None).await), "invalid_path");
    let large = Bytes::from(vec![0; LARGEST_FILE as usize + 1]);
    let outcome = world.door.write(&me(), &session.id, "large", large).await;
    assert!(matches!(file_error(outcome), FileError::TooLarge { .. }));
}

#[tokio::test]
async fn the_gateways_own_folder_is_no_workspace_and_not_seen_from_one_above_it() {
    let world = world();
    let data = world.folder("data");
    fs::write(data.join("owner.key"), "rjn_needle").unwrap();
    assert!(matches!(file_error(world.workspace(&data).await), FileError::Invalid(_)));
    assert!(matches!(file_error(world.workspace(&world.folder("data/workspaces")).await), FileError::Invalid(_)));
    let id = world.workspace(&world.folder("")).await.unwrap();
    let session = world.session(&me(), "s", Some(&id)).await;
    world.put(&session, "mine", "needle").await.unwrap();
    assert!(matches!(file_error(world.get(&session, "data/owner.key", None).await), FileError::Outside));
    assert!(matches!(file_error(world.put(&session, "data/owner.key", "x").await), FileError::Outside));
    let listed = world.door.list(&me().identity, &session.id, "", 3, true).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["mine"]);
    let search = Search { name: None, content: Some("needle".to_owned()), regex: false, limit: 10 };
    assert_eq!(world.door.search(&me().identity, &session.id, search).await.unwrap().len(), 1);
    let files = world.shop.workplace(&session).await.unwrap().files;
    assert!(files.read("data/owner.key").await.is_err());
    let look = files.before().await.unwrap();
    fs::write(data.join("rejoin.db"), "busy").unwrap();
    assert!(look.after().await.unwrap().is_empty());
}

#[tokio::test]
async fn folders_that_cannot_be_workspaces_are_refused() {
    let world = world_with(&["allowed"]);
    let good = world.folder("allowed/project");
    let file = world.folder("allowed").join("file");
    fs::write(&file, "").unwrap();
    assert!(world.workspace(&good).await.is_ok());
    assert!(matches!(file_error(world.workspace(&world.folder("elsewhere")).await), FileError::Invalid(_)));
    assert!(matches!(file_error(world.workspace(Path::new("allowed/project")).await), FileError::Invalid(_)));
    assert!(matches!(file_error(world.workspace(&good.join("nowhere")).await), FileError::NotFound));
    assert!(matches!(file_error(world.workspace(&file).await), FileError::NotFolder));
}

#[tokio::test]
async fn the_same_id_again_is_the_same_workspace_and_another_tenants_is_not_there() {
    let world = world();
    let id = WorkspaceId::new("w").unwrap();
    let make = async |by: &Caller| world.book.create(by, Some(id.clone()), Some("mine".to_owned()), None).await;
    let made = make(&me()).await.unwrap();
    assert!(made.managed && Path::new(&made.path).starts_with(world.folder("data/workspaces")));
    assert_eq!(make(&me()).await.unwrap(), made);
    let other = who("other", Role::Owner);
    assert_eq!(code(make(&other).await), "version_conflict");
    assert!(matches!(world.book.get(&other.identity, &id).await, Err(Failure::NotFound("workspace"))));
    assert!(world.book.list(&other.identity).await.unwrap().is_empty());

    // Their session cannot take its name, or that of a session, to come into the folder.
    let mine = world.session(&me(), "mine", None).await;
    world.put(&mine, "a", "secret").await.unwrap();
    for taken in ["w", "mine"] {
        let taken = WorkspaceId::new(taken).unwrap();
        let theirs = world.session(&other, &format!("theirs-{taken}"), Some(&taken)).await;
        let outcome = world.door.list(&other.identity, &theirs.id, "", 1, true).await;
        assert!(matches!(file_error(outcome), FileError::NotFound), "{taken}");
    }
    let theirs = world.session(&other, "w", None).await;
    assert!(world.door.list(&other.identity, &theirs.id, "", 1, true).await.is_err());
    assert_eq!(code(world.door.list(&other.identity, &mine.id, "", 1, true).await), "not_found");
    let outcome = world.book.create(&other, WorkspaceId::new("mine").ok(), None, None).await;
    assert_eq!(code(outcome), "version_conflict");
}

#[tokio::test]
async fn what_a_deleted_session_left_is_not_for_another_tenant_with_the_same_id() {
    let world = world();
    let mine = world.session(&me(), "s", None).await;
    world.put(&mine, "a", "secret").await.unwrap();
    world.engine.delete(&me(), &mine.id).await.unwrap();

    let other = who("other", Role::Owner);
    let theirs = world.session(&other, "s", None).await;
    let identity = &other.identity;
    let listed = world.door.list(identity, &theirs.id, "", 1, true).await;
    assert!(matches!(file_error(listed), FileError::NotFound));
    for version in [None, Some(1)] {
        let read = world.door.read(identity, &theirs.id, "a", version).await;
        assert!(matches!(file_error(read), FileError::NotFound));
    }
    assert!(world.door.versions(identity, &theirs.id, "a", None, 10).await.is_err());
    assert!(world.door.write(&other, &theirs.id, "a", Bytes::from_static(b"x")).await.is_err());
    assert!(world.shop.workplace(&theirs).await.is_err(), "nor for their agents");
    assert_eq!(code(world.book.create(&other, WorkspaceId::new("s").ok(), None, None).await), "version_conflict");

    world.engine.delete(&other, &theirs.id).await.unwrap();
    let again = world.session(&me(), "s", None).await;
    assert!(world.get(&again, "a", None).await.is_err(), "the file went with the session");
    assert_eq!(world.get(&again, "a", Some(1)).await.unwrap(), "secret", "its versions stay the tenant's");
}

#[tokio::test]
async fn a_fork_gets_the_folder_it_was_forked_from_but_none_of_a_made_up_name() {
    let world = world();
    let mut fork = world.session(&me(), "fork", None).await;
    let origin = |id: &str| rejoin_core::header::Origin { session: SessionId::new(id).unwrap(), message: None };
    fork.origin = Some(origin("gone"));
    fork.workspace = WorkspaceId::new("made-up").ok();
    assert!(matches!(world.shop.workplace(&fork).await.err(), Some(FileError::NotFound)));
    assert!(!world.folder("data").join("workspaces/made-up").exists());
    fork.workspace = WorkspaceId::new("gone").ok();
    assert!(world.shop.workplace(&fork).await.is_ok());
    // Now the name is the tenant's: nobody else comes into it, however they are related.
    let mut theirs = world.session(&who("other", Role::Owner), "theirs", None).await;
    theirs.origin = Some(origin("gone"));
    theirs.workspace = WorkspaceId::new("gone").ok();
    assert!(matches!(world.shop.workplace(&theirs).await.err(), Some(FileError::NotFound)));
}

#[tokio::test]
async fn a_forgotten_workspace_leaves_its_files_on_disk() {
    let world = world();
    let folder = world.folder("project");
    fs::write(folder.join("a"), "a").unwrap();
    let id = world.workspace(&folder).await.unwrap();
    let renamed = world.book.rename(&me(), &id, "better".to_owned()).await.unwrap();
    assert_eq!(world.book.list(&me().identity).await.unwrap(), [renamed]);
    assert!(world.book.rename(&me(), &id, " \t".to_owned()).await.is_err());
    world.book.delete(&me(), &id).await.unwrap();
    assert!(folder.join("a").exists());
    assert!(matches!(world.book.delete(&me(), &id).await, Err(Failure::NotFound("workspace"))));
    let again = world.book.create(&me(), Some(id), None, Some(folder.to_str().unwrap().to_owned())).await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn rights_are_those_of_the_one_table() {
    let world = world();
    let session = world.session(&me(), "s", None).await;
    world.put(&session, "a", "a").await.unwrap();
    let viewer = who("t", Role::Viewer);
    assert!(world.door.read(&viewer.identity, &session.id, "a", None).await.is_ok());
    assert_eq!(code(world.door.write(&viewer, &session.id, "a", Bytes::new()).await), "forbidden");
    assert_eq!(code(world.book.create(&viewer, None, None, None).await), "forbidden");
    let member = who("t", Role::Member);
    let made = world.book.create(&member, None, None, None).await.unwrap();
    assert_eq!(world.book.delete(&member, &made.id).await.unwrap_err().code(), "forbidden");
}
